package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Journal is how far the drain is behind the journal.
type Journal struct {
	Backlog int64         // bytes of lanes that are not drained yet
	Lag     time.Duration // age of the oldest event that is not drained yet; 0 when none is
	Full    bool          // requests are refused, or served unmetered, because the journal can take no more
	Damages int64         // stretches of it that could not be read since the start
	Stuck   int           // lanes of ended processes that could not be finished
	// Unmetered is how many requests were served since the start without being counted.
	Unmetered int64
}

// WatchJournal makes the journal's gauges, which ask state at each scrape. It
// must be called once at most; state must be safe for concurrent use.
func (m *Metrics) WatchJournal(state func() Journal) {
	m.registry.MustRegister(journalGauges{state: state})
}

// Config is which configuration holds.
type Config struct {
	Fingerprint string // of its file
	Refused     bool   // a newer one was refused
}

// WatchConfig makes the configuration's gauges, which ask state at each scrape.
// It must be called once at most; state must be safe for concurrent use.
func (m *Metrics) WatchConfig(state func() Config) {
	m.registry.MustRegister(configGauges{state: state})
}

// Upstream is how one upstream of a service stands.
type Upstream struct {
	Service  string
	Upstream string
	Healthy  bool // not known to be unhealthy
	InFlight int
	Failures uint64 // tries that failed by its doing
	Answers  uint64 // heads of answers that came
	Circuit  string // closed, open or half_open
}

// WatchUpstreams makes the upstreams' gauges, which ask state at each scrape:
// so a new configuration's upstreams take the place of the old one's. It must
// be called once at most; state must be safe for concurrent use. An upstream that
// it names twice for a service, as one address with two schemes, is one here: its
// figures are added, and it is healthy when both are.
func (m *Metrics) WatchUpstreams(state func() []Upstream) {
	m.registry.MustRegister(upstreamGauges{state: state})
}

// Shared is how the counters stand that replicas share.
type Shared struct {
	Away     bool
	Outages  int64 // so often they went away
	Replicas int64 // known last, with this one
	Asked    int64 // requests that waited for them
	Alone    int64 // requests that were decided without them while they were away
}

// WatchShared makes the shared counters' gauges, which ask state at each
// scrape. It must be called once at most; state must be safe for concurrent use.
func (m *Metrics) WatchShared(state func() Shared) {
	m.registry.MustRegister(sharedGauges{state: state})
}

var (
	sharedAway = prometheus.NewDesc("tollhouse_shared_limits_away",
		"1 while the counters that replicas share cannot be reached.", nil, nil)
	sharedOutages = prometheus.NewDesc("tollhouse_shared_limits_outages_total",
		"How often the counters that replicas share went away.", nil, nil)
	sharedReplicas = prometheus.NewDesc("tollhouse_shared_limits_replicas",
		"Replicas that share counters, as known last.", nil, nil)
	sharedAsked = prometheus.NewDesc("tollhouse_shared_limits_asked_total",
		"Requests that waited for the shared counters, because no lease was left.", nil, nil)
	sharedAlone = prometheus.NewDesc("tollhouse_shared_limits_alone_total",
		"Requests that were decided without the shared counters while these were away.", nil, nil)
)

type sharedGauges struct{ state func() Shared }

// Describe implements prometheus.Collector.
func (sharedGauges) Describe(c chan<- *prometheus.Desc) {
	c <- sharedAway
	c <- sharedOutages
	c <- sharedReplicas
	c <- sharedAsked
	c <- sharedAlone
}

// Collect implements prometheus.Collector.
func (g sharedGauges) Collect(c chan<- prometheus.Metric) {
	s := g.state()
	c <- prometheus.MustNewConstMetric(sharedAway, prometheus.GaugeValue, number(s.Away))
	c <- prometheus.MustNewConstMetric(sharedOutages, prometheus.CounterValue, float64(s.Outages))
	c <- prometheus.MustNewConstMetric(sharedReplicas, prometheus.GaugeValue, float64(s.Replicas))
	c <- prometheus.MustNewConstMetric(sharedAsked, prometheus.CounterValue, float64(s.Asked))
	c <- prometheus.MustNewConstMetric(sharedAlone, prometheus.CounterValue, float64(s.Alone))
}

// Store is how the database is, and the local snapshot that would stand in for it.
type Store struct {
	Away    bool          // the program goes on from the snapshot
	Age     time.Duration // since the snapshot was written
	Size    int64         // of the snapshot, in bytes; 0: there is none
	Behind  bool          // a change of a customer or key is not in it yet
	Failing bool          // the last try to write it failed
}

// WatchStore makes the gauges of a database with a local snapshot, which ask
// state at each scrape. It must be called once at most; state must be safe for
// concurrent use.
func (m *Metrics) WatchStore(state func() Store) {
	m.registry.MustRegister(storeGauges{state: state})
}

var (
	databaseAway = prometheus.NewDesc("tollhouse_database_away",
		"1 while the program goes on from the local snapshot, because the database was away when it started.", nil, nil)
	snapshotAge = prometheus.NewDesc("tollhouse_snapshot_age_seconds",
		"Time since the local snapshot was written; not there while there is none.", nil, nil)
	snapshotBytes = prometheus.NewDesc("tollhouse_snapshot_bytes",
		"Size of the local snapshot; 0 while there is none.", nil, nil)
	snapshotBehind = prometheus.NewDesc("tollhouse_snapshot_behind",
		"1 while a change of a customer or key is not in the local snapshot yet.", nil, nil)
	snapshotFailing = prometheus.NewDesc("tollhouse_snapshot_failing",
		"1 while the local snapshot cannot be written.", nil, nil)
)

type storeGauges struct{ state func() Store }

// Describe implements prometheus.Collector.
func (storeGauges) Describe(c chan<- *prometheus.Desc) {
	c <- databaseAway
	c <- snapshotAge
	c <- snapshotBytes
	c <- snapshotBehind
	c <- snapshotFailing
}

// Collect implements prometheus.Collector.
func (g storeGauges) Collect(c chan<- prometheus.Metric) {
	s := g.state()
	c <- prometheus.MustNewConstMetric(databaseAway, prometheus.GaugeValue, number(s.Away))
	if s.Size > 0 {
		c <- prometheus.MustNewConstMetric(snapshotAge, prometheus.GaugeValue, s.Age.Seconds())
	}
	c <- prometheus.MustNewConstMetric(snapshotBytes, prometheus.GaugeValue, float64(s.Size))
	c <- prometheus.MustNewConstMetric(snapshotBehind, prometheus.GaugeValue, number(s.Behind))
	c <- prometheus.MustNewConstMetric(snapshotFailing, prometheus.GaugeValue, number(s.Failing))
}

var (
	journalBacklog = prometheus.NewDesc("tollhouse_journal_backlog_bytes",
		"Bytes of the journal that are not drained into the store yet.", nil, nil)
	journalLag = prometheus.NewDesc("tollhouse_journal_lag_seconds",
		"Age of the oldest usage event that is not drained yet.", nil, nil)
	journalFull = prometheus.NewDesc("tollhouse_journal_full",
		"1 while the journal can take no more events.", nil, nil)
	journalDamages = prometheus.NewDesc("tollhouse_journal_damages_total",
		"Stretches of the journal that could not be read; the log says which, and their segments are kept aside.", nil, nil)
	journalStuck = prometheus.NewDesc("tollhouse_journal_stuck_lanes",
		"Journal lanes of ended processes that could not be drained yet; the log says why.", nil, nil)
	journalUnmetered = prometheus.NewDesc("tollhouse_unmetered_requests_total",
		"Requests that were served without being counted, because the journal could not take them (journal.when_full).", nil, nil)
	configInfo = prometheus.NewDesc("tollhouse_config_info",
		"Always 1; the label is the fingerprint of the configuration that holds.", []string{"fingerprint"}, nil)
	configRefused = prometheus.NewDesc("tollhouse_config_refused",
		"1 while the newest configuration file is not in force because it was refused.", nil, nil)
	upstreamHealthy = prometheus.NewDesc("tollhouse_upstream_healthy",
		"1 unless the upstream fails its health probes.", []string{"service", "upstream"}, nil)
	upstreamInFlight = prometheus.NewDesc("tollhouse_upstream_in_flight",
		"Requests that the upstream has now.", []string{"service", "upstream"}, nil)
	upstreamAnswers = prometheus.NewDesc("tollhouse_upstream_answers_total",
		"Answers that the upstream gave.", []string{"service", "upstream"}, nil)
	upstreamCircuit = prometheus.NewDesc("tollhouse_upstream_circuit",
		"1 for the state that the upstream's circuit is in: closed, open or half_open.", []string{"service", "upstream", "state"}, nil)
	upstreamFailures = prometheus.NewDesc("tollhouse_upstream_failures_total",
		"Requests that failed by the upstream's doing.", []string{"service", "upstream"}, nil)
)

type journalGauges struct{ state func() Journal }

// Describe implements prometheus.Collector.
func (journalGauges) Describe(c chan<- *prometheus.Desc) {
	c <- journalBacklog
	c <- journalLag
	c <- journalFull
	c <- journalDamages
	c <- journalStuck
	c <- journalUnmetered
}

// Collect implements prometheus.Collector.
func (g journalGauges) Collect(c chan<- prometheus.Metric) {
	s := g.state()
	c <- prometheus.MustNewConstMetric(journalBacklog, prometheus.GaugeValue, float64(s.Backlog))
	c <- prometheus.MustNewConstMetric(journalLag, prometheus.GaugeValue, s.Lag.Seconds())
	c <- prometheus.MustNewConstMetric(journalFull, prometheus.GaugeValue, number(s.Full))
	c <- prometheus.MustNewConstMetric(journalDamages, prometheus.CounterValue, float64(s.Damages))
	c <- prometheus.MustNewConstMetric(journalStuck, prometheus.GaugeValue, float64(s.Stuck))
	c <- prometheus.MustNewConstMetric(journalUnmetered, prometheus.CounterValue, float64(s.Unmetered))
}

type configGauges struct{ state func() Config }

// Describe implements prometheus.Collector.
func (configGauges) Describe(c chan<- *prometheus.Desc) {
	c <- configInfo
	c <- configRefused
}

// Collect implements prometheus.Collector.
func (g configGauges) Collect(c chan<- prometheus.Metric) {
	s := g.state()
	c <- prometheus.MustNewConstMetric(configInfo, prometheus.GaugeValue, 1, s.Fingerprint)
	c <- prometheus.MustNewConstMetric(configRefused, prometheus.GaugeValue, number(s.Refused))
}

type upstreamGauges struct{ state func() []Upstream }

// Describe implements prometheus.Collector.
func (upstreamGauges) Describe(c chan<- *prometheus.Desc) {
	c <- upstreamHealthy
	c <- upstreamInFlight
	c <- upstreamFailures
	c <- upstreamAnswers
	c <- upstreamCircuit
}

// Collect implements prometheus.Collector.
func (g upstreamGauges) Collect(c chan<- prometheus.Metric) {
	for _, u := range merged(g.state()) {
		c <- prometheus.MustNewConstMetric(upstreamHealthy, prometheus.GaugeValue, number(u.Healthy), u.Service, u.Upstream)
		c <- prometheus.MustNewConstMetric(upstreamInFlight, prometheus.GaugeValue, float64(u.InFlight), u.Service, u.Upstream)
		c <- prometheus.MustNewConstMetric(upstreamFailures, prometheus.CounterValue, float64(u.Failures), u.Service, u.Upstream)
		c <- prometheus.MustNewConstMetric(upstreamAnswers, prometheus.CounterValue, float64(u.Answers), u.Service, u.Upstream)
		for _, state := range [...]string{"closed", "open", "half_open"} {
			c <- prometheus.MustNewConstMetric(upstreamCircuit, prometheus.GaugeValue, number(u.Circuit == state), u.Service, u.Upstream, state)
		}
	}
}

// merged is all with one entry for each service and upstream: two metrics of
// the same labels would spoil the whole scrape.
func merged(all []Upstream) []Upstream {
	type name struct{ service, upstream string }
	at := make(map[name]int, len(all))
	var out []Upstream
	for _, u := range all {
		i, twice := at[name{u.Service, u.Upstream}]
		if !twice {
			at[name{u.Service, u.Upstream}] = len(out)
			out = append(out, u)
			continue
		}
		out[i].Healthy = out[i].Healthy && u.Healthy
		out[i].InFlight += u.InFlight
		out[i].Failures += u.Failures
	}
	return out
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
