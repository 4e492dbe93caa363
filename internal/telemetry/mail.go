package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Mail is how the outbox stands.
type Mail struct {
	Waiting  int
	Oldest   time.Duration // how long the oldest of these waits
	GivenUp  int           // and not forgotten yet
	Sent     int64         // by this process, since its start: taken by a server, or kept
	Failures int64         // tries of this process that failed
}

// WatchMail makes the gauges of mail, which ask state at each scrape; without
// ok they are left out. It must be called once at most; state must be safe for
// concurrent use.
func (m *Metrics) WatchMail(state func() (mail Mail, ok bool)) {
	m.registry.MustRegister(mailGauges{state: state})
}

var (
	mailWaiting = prometheus.NewDesc("tollhouse_mail_waiting",
		"Mails in the outbox that wait to be sent, of all replicas.", nil, nil)
	mailOldest = prometheus.NewDesc("tollhouse_mail_oldest_seconds",
		"How long the oldest mail in the outbox waits, 0 when none does.", nil, nil)
	mailGivenUp = prometheus.NewDesc("tollhouse_mail_given_up",
		"Mails of the last 30 days that were given up: refused, or not taken for two days.", nil, nil)
	mailSent = prometheus.NewDesc("tollhouse_mail_sent_total",
		"Mails that this process has handed to the server, or kept where there is none.", nil, nil)
	mailFailures = prometheus.NewDesc("tollhouse_mail_failures_total",
		"Tries of this process to hand a mail over that failed.", nil, nil)
)

type mailGauges struct{ state func() (Mail, bool) }

// Describe implements prometheus.Collector.
func (g mailGauges) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{mailWaiting, mailOldest, mailGivenUp, mailSent, mailFailures} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (g mailGauges) Collect(c chan<- prometheus.Metric) {
	m, ok := g.state()
	if !ok {
		return
	}
	c <- prometheus.MustNewConstMetric(mailWaiting, prometheus.GaugeValue, float64(m.Waiting))
	c <- prometheus.MustNewConstMetric(mailOldest, prometheus.GaugeValue, m.Oldest.Seconds())
	c <- prometheus.MustNewConstMetric(mailGivenUp, prometheus.GaugeValue, float64(m.GivenUp))
	c <- prometheus.MustNewConstMetric(mailSent, prometheus.CounterValue, float64(m.Sent))
	c <- prometheus.MustNewConstMetric(mailFailures, prometheus.CounterValue, float64(m.Failures))
}
