package telemetry

import (
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is the program's Prometheus registry and what is counted in it. It
// is safe for concurrent use, and takes no lock for a request that looks its
// Endpoint up.
//
//	tollhouse_requests_total{service,endpoint,class}    answered or refused, class "2xx" … "5xx"
//	tollhouse_request_seconds{service}                  arrival to last byte, histogram
//	tollhouse_upstream_seconds{service}                 to the head of the upstream's answer, histogram
//	tollhouse_requests_in_flight{service}
//	tollhouse_body_bytes_total{service,direction}       direction "in" or "out"
//	tollhouse_refusals_total{service,reason}
//	tollhouse_journal_backlog_bytes, tollhouse_journal_lag_seconds, tollhouse_journal_full
//	tollhouse_upstream_healthy{service,upstream}, tollhouse_upstream_in_flight{service,upstream}
//	tollhouse_upstream_failures_total{service,upstream}
//	tollhouse_config_info{fingerprint}, tollhouse_config_refused
//	tollhouse_connections, tollhouse_connections_max, tollhouse_connections_closed_total
//	tollhouse_connections_refused_total{reason}
//	tollhouse_build_info{version,go}
//	go_*, process_*
//
// docs/metrics.md lists them all; a test makes that list of what is registered.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	upstream *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
	bytes    *prometheus.CounterVec
	refusals *prometheus.CounterVec
	cache    *prometheus.CounterVec
	coded    *prometheus.CounterVec
	codedIO  *prometheus.CounterVec
	shaken   *prometheus.CounterVec
	greeted  prometheus.Counter
	fetched  *prometheus.CounterVec

	endpoints     sync.Map // endpointName to *Endpoint
	endpointCount atomic.Int64
	reasons       sync.Map // reasonName to prometheus.Counter
	reasonCount   atomic.Int64
}

type endpointName struct{ service, endpoint string }
type reasonName struct{ service, reason string }

const (
	// maxEndpoints and maxReasons bound the labels even when a caller does not;
	// what comes after them is counted under "other".
	maxEndpoints = 2000
	maxReasons   = 500
	other        = "other"
)

// buckets are the bounds of the latency histograms, in seconds: narrow where a
// gateway's own share is, wide where models think.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// NewMetrics makes the registry. version names the program's.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollhouse_requests_total", Help: "Requests that were answered or refused, by class of status.",
		}, []string{"service", "endpoint", "class"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tollhouse_request_seconds", Help: "Time from a request's arrival to the last byte of its answer.", Buckets: buckets,
		}, []string{"service"}),
		upstream: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tollhouse_upstream_seconds", Help: "Time to the head of the upstream's answer.", Buckets: buckets,
		}, []string{"service"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tollhouse_requests_in_flight", Help: "Requests that are being answered now.",
		}, []string{"service"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollhouse_body_bytes_total", Help: "Bytes of bodies, in from clients and out to them.",
		}, []string{"service", "direction"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollhouse_refusals_total", Help: "Requests that the gate refused, by reason.",
		}, []string{"service", "reason"}),
		cache: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollhouse_cache_answers_total", Help: "Requests to services with a cache, by how it answered: hit, stale, shared, validated, miss or bypass.",
		}, []string{"service", "result"}),
		coded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollhouse_compressed_total", Help: "Answers that were compressed on their way.",
		}, []string{"coding"}),
		codedIO: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollhouse_compression_bytes_total", Help: "Bytes of those answers, before and after.",
		}, []string{"coding", "side"}),
		shaken: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollhouse_tls_handshakes_total", Help: "TLS handshakes that succeeded.",
		}, []string{"version"}),
		greeted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tollhouse_tls_hellos_total", Help: "TLS handshakes that clients began; those that did not succeed are the difference.",
		}),
		fetched: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollhouse_certificates_total", Help: "Certificates that an authority was asked for, by what came of it (fetched, failed) and whether it was a renewal.",
		}, []string{"result", "renewal"}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "tollhouse_build_info", Help: "Always 1; the labels say what runs.",
	}, []string{"version", "go"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(m.requests, m.latency, m.upstream, m.inFlight, m.bytes, m.refusals, m.cache, m.coded, m.codedIO, m.shaken, m.greeted, m.fetched, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers a scrape.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Endpoint is what is counted for one endpoint of one service. Its methods are
// safe for concurrent use and allocate nothing.
type Endpoint struct {
	classes  [6]prometheus.Counter
	latency  prometheus.Observer
	upstream prometheus.Observer
	inFlight prometheus.Gauge
	in, out  prometheus.Counter
	cache    [len(cacheResults)]prometheus.Counter
	coded    [len(codings)]struct{ answers, before, after prometheus.Counter }
}

// The words that label what a cache did and what an answer was compressed with.
var (
	cacheResults = [...]string{"hit", "stale", "shared", "validated", "miss", "bypass"}
	codings      = [...]string{"zstd", "br", "gzip"}
)

// Endpoint gives what is counted for an endpoint; it may be kept. Beyond 2,000
// of them the endpoint is "other".
func (m *Metrics) Endpoint(service, endpoint string) *Endpoint {
	name := endpointName{service, endpoint}
	if e, ok := m.endpoints.Load(name); ok {
		return e.(*Endpoint)
	}
	if m.endpointCount.Load() >= maxEndpoints {
		name = endpointName{other, other}
	}
	e, known := m.endpoints.LoadOrStore(name, m.newEndpoint(name))
	if !known {
		m.endpointCount.Add(1)
	}
	return e.(*Endpoint)
}

func (m *Metrics) newEndpoint(name endpointName) *Endpoint {
	e := &Endpoint{
		latency:  m.latency.WithLabelValues(name.service),
		upstream: m.upstream.WithLabelValues(name.service),
		inFlight: m.inFlight.WithLabelValues(name.service),
		in:       m.bytes.WithLabelValues(name.service, "in"),
		out:      m.bytes.WithLabelValues(name.service, "out"),
	}
	for class := range e.classes {
		if class > 0 {
			e.classes[class] = m.requests.WithLabelValues(name.service, name.endpoint, strconv.Itoa(class)+"xx")
		}
	}
	for i, result := range cacheResults {
		e.cache[i] = m.cache.WithLabelValues(name.service, result)
	}
	for i, coding := range codings {
		e.coded[i].answers = m.coded.WithLabelValues(coding)
		e.coded[i].before = m.codedIO.WithLabelValues(coding, "before")
		e.coded[i].after = m.codedIO.WithLabelValues(coding, "after")
	}
	return e
}

// Outcome is how a request ended.
type Outcome struct {
	Status       int           // as it was sent, 499 for a client that left
	Latency      time.Duration // arrival to last byte
	UpstreamTime time.Duration // to the upstream's head; 0: no upstream was asked
	BytesIn      int64
	BytesOut     int64
	Cache        string // how the service's cache answered, "" without one
	Coding       string // what the answer was compressed with on its way, "" for nothing
	Compressed   int64  // bytes that were left of it
}

// Begin counts a request in; Done must follow.
func (e *Endpoint) Begin() { e.inFlight.Inc() }

// Done counts a request out that Begin counted in.
func (e *Endpoint) Done(o Outcome) {
	e.inFlight.Dec()
	class := o.Status / 100
	if class < 1 || class > 5 {
		class = 5 // no such status is sent; one that nevertheless comes is our fault
	}
	e.classes[class].Inc()
	e.latency.Observe(o.Latency.Seconds())
	if o.UpstreamTime > 0 {
		e.upstream.Observe(o.UpstreamTime.Seconds())
	}
	if o.BytesIn > 0 {
		e.in.Add(float64(o.BytesIn))
	}
	if o.BytesOut > 0 {
		e.out.Add(float64(o.BytesOut))
	}
	if o.Cache != "" {
		if i := slices.Index(cacheResults[:], o.Cache); i >= 0 {
			e.cache[i].Inc()
		}
	}
	if o.Coding != "" {
		if i := slices.Index(codings[:], o.Coding); i >= 0 {
			e.coded[i].answers.Inc()
			e.coded[i].before.Add(float64(o.BytesOut))
			e.coded[i].after.Add(float64(o.Compressed))
		}
	}
}

// Hello counts a TLS handshake that a client began.
func (m *Metrics) Hello() { m.greeted.Inc() }

// Shaken counts one that succeeded, by its version as crypto/tls names it.
func (m *Metrics) Shaken(version string) { m.shaken.WithLabelValues(version).Inc() }

// Certificate counts a certificate that an authority was asked for.
func (m *Metrics) Certificate(fetched, renewal bool) {
	result := "failed"
	if fetched {
		result = "fetched"
	}
	m.fetched.WithLabelValues(result, strconv.FormatBool(renewal)).Inc()
}

// Refused counts a refusal. reason is one of a small set of words, such as the
// last part of the problem's type; beyond 500 pairs it is "other". service is ""
// when no service was found.
func (m *Metrics) Refused(service, reason string) {
	name := reasonName{service, reason}
	c, ok := m.reasons.Load(name)
	if !ok {
		if m.reasonCount.Load() >= maxReasons {
			name = reasonName{other, other}
		}
		var known bool
		c, known = m.reasons.LoadOrStore(name, m.refusals.WithLabelValues(name.service, name.reason))
		if !known {
			m.reasonCount.Add(1)
		}
	}
	c.(prometheus.Counter).Inc()
}
