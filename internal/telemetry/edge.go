package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Retries is what the retry budget of a service came to.
type Retries struct {
	Service string
	Made    uint64 // tries beyond the first
	Left    int    // that the budget grants now
}

// Cache is how full the cache of a service is.
type Cache struct {
	Service         string
	Answers         int
	Bytes, MaxBytes int64
}

// Edge is how the edge stands.
type Edge struct {
	Retries       []Retries
	Caches        []Cache
	AccessDropped uint64 // lines of the access log
}

// WatchEdge makes the edge's gauges, which ask state at each scrape. It must be
// called once at most; state must be safe for concurrent use and must name no
// service twice.
func (m *Metrics) WatchEdge(state func() Edge) { m.registry.MustRegister(edgeGauges{state: state}) }

var (
	retriesMade = prometheus.NewDesc("tollhouse_retries_total",
		"Tries of requests beyond their first.", []string{"service"}, nil)
	retriesLeft = prometheus.NewDesc("tollhouse_retry_budget",
		"Tries beyond the first that the service's budget grants now.", []string{"service"}, nil)
	cacheAnswers = prometheus.NewDesc("tollhouse_cache_stored",
		"Answers that the service's cache holds.", []string{"service"}, nil)
	cacheBytes = prometheus.NewDesc("tollhouse_cache_bytes",
		"Memory that the stored answers of a service take.", []string{"service"}, nil)
	cacheMax = prometheus.NewDesc("tollhouse_cache_max_bytes",
		"Memory that they may take.", []string{"service"}, nil)
	accessDropped = prometheus.NewDesc("tollhouse_access_log_dropped_total",
		"Lines of the access log that were left out because what they are written to is too slow or full.", nil, nil)
)

type edgeGauges struct{ state func() Edge }

// Describe implements prometheus.Collector.
func (edgeGauges) Describe(c chan<- *prometheus.Desc) {
	for _, d := range [...]*prometheus.Desc{
		retriesMade, retriesLeft, cacheAnswers, cacheBytes, cacheMax,
		accessDropped,
	} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (g edgeGauges) Collect(c chan<- prometheus.Metric) {
	s := g.state()
	one := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	for _, r := range s.Retries {
		one(retriesMade, counter, float64(r.Made), r.Service)
		one(retriesLeft, gauge, float64(r.Left), r.Service)
	}
	for _, k := range s.Caches {
		one(cacheAnswers, gauge, float64(k.Answers), k.Service)
		one(cacheBytes, gauge, float64(k.Bytes), k.Service)
		one(cacheMax, gauge, float64(k.MaxBytes), k.Service)
	}
	one(accessDropped, counter, float64(s.AccessDropped))
}
