package e2e

import (
	"testing"
	"time"
)

// limitModel is rate limits and one quota, written down as simply as they can
// be: one request after the other, whole numbers, nothing of the program's code.
type limitModel struct {
	base  time.Time // what moments are counted from
	rates []*modelRate
	quota *modelQuota
}

// modelRate is the generic cell rate algorithm of ITU-T I.371: each request
// takes window/count to flow off, and burst of them may be there at once.
type modelRate struct {
	name         string
	count, burst int64
	window       time.Duration
	whole        int64 // when all that was used will have flowed off, in 1/count ns after base
}

// modelQuota is a number for each month of UTC.
type modelQuota struct {
	name  string
	limit int64
	used  map[string]int64
}

func newLimitModel(base time.Time, rates ...modelRate) *limitModel {
	m := &limitModel{base: base}
	for _, r := range rates {
		if r.burst == 0 {
			r.burst = r.count
		}
		r.whole = -1 << 62
		m.rates = append(m.rates, &r)
	}
	return m
}

// month names the period of a quota.
func month(at time.Time) string { return at.UTC().Format("2006-01") }

// decide takes one request and says which limits it violates; a request that
// violates any takes nothing of any.
func (m *limitModel) decide(at time.Time) (violated []string) {
	ns := int64(at.Sub(m.base))
	for _, r := range m.rates {
		if r.whole-ns*r.count > (r.burst-1)*int64(r.window) {
			violated = append(violated, r.name)
		}
	}
	if q := m.quota; q != nil && q.used[month(at)] >= q.limit {
		violated = append(violated, q.name)
	}
	if len(violated) > 0 {
		return violated
	}
	for _, r := range m.rates {
		r.take(ns)
	}
	if m.quota != nil {
		m.quota.used[month(at)]++
	}
	return nil
}

func (r *modelRate) take(ns int64) { r.whole = max(r.whole, ns*r.count) + int64(r.window) }

// left is how many would pass at once.
func (r *modelRate) left(ns int64) int64 {
	return (r.burst*int64(r.window) - max(0, r.whole-ns*r.count)) / int64(r.window)
}

func TestTheModelCountsAsOneWouldByHand(t *testing.T) {
	t.Parallel()
	base := time.Date(2026, 11, 30, 23, 59, 50, 0, time.UTC)
	m := newLimitModel(base, modelRate{name: "second", count: 2, window: time.Second}, modelRate{name: "minute", count: 60, window: time.Minute, burst: 4})
	m.quota = &modelQuota{name: "monthly", limit: 6, used: map[string]int64{}}
	for i, c := range []struct {
		after time.Duration
		want  string // the limits it violates
	}{
		{0, ""}, {0, ""}, {0, "second"},
		{500*time.Millisecond - 1, "second"}, {500 * time.Millisecond, ""},
		{time.Second, ""},                          // four of the minute's in one second, and one has flowed off
		{1500 * time.Millisecond, ""},              // the fourth at once
		{1999 * time.Millisecond, "minute second"}, // its one per second, and the other's two
		{2 * time.Second, ""},
		{9 * time.Second, "monthly"},
		{10 * time.Second, ""}, // December
	} {
		got := ""
		for _, name := range m.decide(base.Add(c.after)) {
			got = name + " " + got
		}
		if len(got) > 0 {
			got = got[:len(got)-1]
		}
		if got != c.want {
			t.Errorf("request %d after %s: violates %q, want %q", i+1, c.after, got, c.want)
		}
	}
}
