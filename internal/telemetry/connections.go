package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Connections is how full the public listeners are, and what that has led to.
type Connections struct {
	Open, Max int
	Closed    int64 // that waited for a request, and made room
	Refused   int64 // that found no place
	Address   int64 // that found no place for their address
}

// WatchConnections makes the connections' gauges, which ask state at each
// scrape. It must be called once at most; state must be safe for concurrent use.
func (m *Metrics) WatchConnections(state func() Connections) {
	m.registry.MustRegister(connectionGauges{state: state})
}

var (
	connectionsOpen = prometheus.NewDesc("tollhouse_connections",
		"Connections that clients have now.", nil, nil)
	connectionsMax = prometheus.NewDesc("tollhouse_connections_max",
		"Connections that clients may have.", nil, nil)
	connectionsClosed = prometheus.NewDesc("tollhouse_connections_closed_total",
		"Connections that waited for a request and were closed to make room.", nil, nil)
	connectionsRefused = prometheus.NewDesc("tollhouse_connections_refused_total",
		"Connections that were refused: there was no place at all, or none for their address.", []string{"reason"}, nil)
)

type connectionGauges struct{ state func() Connections }

// Describe implements prometheus.Collector.
func (connectionGauges) Describe(c chan<- *prometheus.Desc) {
	c <- connectionsOpen
	c <- connectionsMax
	c <- connectionsClosed
	c <- connectionsRefused
}

// Collect implements prometheus.Collector.
func (g connectionGauges) Collect(c chan<- prometheus.Metric) {
	s := g.state()
	c <- prometheus.MustNewConstMetric(connectionsOpen, prometheus.GaugeValue, float64(s.Open))
	c <- prometheus.MustNewConstMetric(connectionsMax, prometheus.GaugeValue, float64(s.Max))
	c <- prometheus.MustNewConstMetric(connectionsClosed, prometheus.CounterValue, float64(s.Closed))
	c <- prometheus.MustNewConstMetric(connectionsRefused, prometheus.CounterValue, float64(s.Refused), "full")
	c <- prometheus.MustNewConstMetric(connectionsRefused, prometheus.CounterValue, float64(s.Address), "address")
}
