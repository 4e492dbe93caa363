package metertest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// amounts returns what an event counts: its requests, mostly one, and its
// reported units.
func amounts(e toll.Event) []toll.Amount {
	all := []toll.Amount{{Unit: toll.UnitRequests, Count: e.Requests()}}
	for _, u := range e.Units {
		if u.Unit != toll.UnitRequests {
			all = append(all, u)
		}
	}
	return all
}

// width returns how wide a step is, 0 for Whole.
func width(s meter.Step) time.Duration {
	switch s {
	case meter.Quarter:
		return 15 * time.Minute
	case meter.Hour:
		return time.Hour
	case meter.Day:
		return 24 * time.Hour
	}
	return 0
}

// down takes a moment down to the start of its step in UTC.
func down(t time.Time, d time.Duration) time.Time { return t.UTC().Truncate(d) }

// up takes a moment up to the next start of a step, unless it is one.
func up(t time.Time, d time.Duration) time.Time {
	if f := down(t, d); f.Before(t) {
		return f.Add(d)
	}
	return t.UTC()
}

func within(t, from, to time.Time) bool { return !t.Before(from) && t.Before(to) }

// Series implements meter.Questions.
func (m *Memory) Series(_ context.Context, q meter.Question) ([]meter.Point, error) {
	step := width(q.Step)
	edge := step
	if edge == 0 {
		edge = 15 * time.Minute
	}
	from, to := down(q.From, edge), up(q.To, edge)
	unit := cmp.Or(q.Unit, toll.UnitRequests)
	type cell struct {
		start time.Time
		group string
	}
	sums := map[cell]int64{}
	for _, e := range m.All() {
		if !within(e.Time, from, to) ||
			q.Customer != "" && e.Customer != q.Customer ||
			q.Key != "" && e.Key != q.Key ||
			q.Service != "" && e.Service != q.Service ||
			q.Endpoint != "" && e.Endpoint != q.Endpoint ||
			q.StatusClass != 0 && e.Status/100 != q.StatusClass ||
			len(q.Classes) > 0 && !slices.Contains(q.Classes, e.Class) {
			continue
		}
		start := q.From.UTC()
		if step != 0 {
			start = down(e.Time, step)
		}
		for _, a := range amounts(e) {
			if q.By != meter.ByUnit && a.Unit != unit {
				continue
			}
			sums[cell{start, group(q.By, e, a)}] += a.Count
		}
	}
	var points []meter.Point
	for c, n := range sums {
		if n != 0 {
			points = append(points, meter.Point{Start: c.start, Group: c.group, Count: n})
		}
	}
	slices.SortFunc(points, func(a, b meter.Point) int {
		if q.Top > 0 {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Group, b.Group))
		}
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Group, b.Group))
	})
	points = slices.DeleteFunc(points, func(p meter.Point) bool { return q.After != "" && p.Group <= q.After })
	if most := cmp.Or(q.Top, q.Limit); most > 0 && len(points) > most {
		points = points[:most:most]
	}
	return points, nil
}

func group(by meter.By, e toll.Event, a toll.Amount) string {
	switch by {
	case meter.ByCustomer:
		return e.Customer
	case meter.ByKey:
		return e.Key
	case meter.ByService:
		return e.Service
	case meter.ByEndpoint:
		return e.Service + " " + e.Endpoint
	case meter.ByStatus:
		return fmt.Sprintf("%dxx", e.Status/100)
	case meter.ByClass:
		return string(e.Class)
	case meter.ByUnit:
		return a.Unit
	}
	return ""
}

// Refusals implements meter.Questions.
func (m *Memory) Refusals(_ context.Context, q meter.RefusalQuery) ([]meter.RefusalPoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	type cell struct {
		start  time.Time
		reason toll.RefusalReason
		policy string
	}
	sums := map[cell]int64{}
	for _, r := range m.refusals {
		if !within(r.Minute, q.From, q.To) || q.Customer != "" && r.Customer != q.Customer {
			continue
		}
		start := q.From.UTC()
		if step := width(q.Step); step != 0 {
			start = down(r.Minute, step)
		}
		sums[cell{start, r.Reason, r.Policy}] += r.Count
	}
	var points []meter.RefusalPoint
	for c, n := range sums {
		points = append(points, meter.RefusalPoint{Start: c.start, Reason: c.reason, Policy: c.policy, Count: n})
	}
	slices.SortFunc(points, func(a, b meter.RefusalPoint) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Policy, b.Policy))
	})
	return points, nil
}

// Events implements meter.Questions.
func (m *Memory) Events(_ context.Context, q meter.EventQuery) ([]toll.Event, error) {
	var found []toll.Event
	for _, e := range slices.Backward(m.All()) {
		if q.Customer != "" && e.Customer != q.Customer ||
			q.Key != "" && e.Key != q.Key ||
			q.Service != "" && e.Service != q.Service ||
			q.StatusClass != 0 && e.Status/100 != q.StatusClass ||
			q.RequestID != "" && e.RequestID != q.RequestID ||
			!q.Before.IsZero() && e.ID.Compare(q.Before) >= 0 {
			continue
		}
		if len(found) == q.Limit {
			break
		}
		found = append(found, e)
	}
	return found, nil
}

// UsedBetween implements meter.Questions.
func (m *Memory) UsedBetween(ctx context.Context, from, to time.Time) ([]meter.Used, error) {
	return m.UsedOf(ctx, meter.UsedQuery{From: from, To: to})
}

// usedByAddress is UsedOf for what addresses used of one quota per IP.
func (m *Memory) usedByAddress(q meter.UsedQuery) (used []meter.Used) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c, n := range m.addresses {
		if n != 0 && (addressCounter{q.Unit, q.Service, q.Endpoint, q.ByAddress, q.From.Unix(), c.address}) == c {
			used = append(used, meter.Used{Address: c.address, Unit: c.unit, Count: n})
		}
	}
	slices.SortFunc(used, func(a, b meter.Used) int { return bytes.Compare(a.Address[:], b.Address[:]) })
	return used
}

// UsedOf implements meter.Questions.
func (m *Memory) UsedOf(_ context.Context, q meter.UsedQuery) ([]meter.Used, error) {
	if q.ByAddress != "" {
		return m.usedByAddress(q), nil
	}
	type cell struct{ customer, key, unit string }
	sums := map[cell]int64{}
	is := func(want, got string) bool { return want == "" || want == got }
	for _, e := range m.All() {
		if e.Class != toll.Chargeable || !within(e.Time, q.From, q.To) ||
			!is(q.Customer, e.Customer) || !is(q.Key, e.Key) || !is(q.Service, e.Service) || !is(q.Endpoint, e.Endpoint) {
			continue
		}
		c := cell{customer: e.Customer}
		if q.ByKey {
			c.key = e.Key
		}
		for _, a := range amounts(e) {
			if c.unit = a.Unit; is(q.Unit, a.Unit) {
				sums[c] += a.Count
			}
		}
	}
	var used []meter.Used
	for c, n := range sums {
		if n != 0 {
			used = append(used, meter.Used{Customer: c.customer, Key: c.key, Unit: c.unit, Count: n})
		}
	}
	slices.SortFunc(used, func(a, b meter.Used) int {
		return cmp.Or(cmp.Compare(a.Customer, b.Customer), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Unit, b.Unit))
	})
	return used, nil
}

// Audit implements meter.Questions.
func (m *Memory) Audit(_ context.Context, from, to time.Time) ([]meter.AuditRow, error) {
	sums := map[meter.AuditRow]int64{}
	for _, e := range m.All() {
		if !within(e.Time, from, to) {
			continue
		}
		for _, a := range amounts(e) {
			sums[meter.AuditRow{Customer: e.Customer, PlanVersion: e.PlanVersion, Unit: a.Unit, Class: e.Class}] += a.Count
		}
	}
	var rows []meter.AuditRow
	for r, n := range sums {
		if n != 0 {
			r.Count = n
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b meter.AuditRow) int {
		return cmp.Or(cmp.Compare(a.Customer, b.Customer), cmp.Compare(a.PlanVersion, b.PlanVersion),
			cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Class, b.Class))
	})
	return rows, nil
}

// Doubts implements meter.Questions.
func (m *Memory) Doubts(_ context.Context, from, to time.Time) ([]meter.Doubt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var doubts []meter.Doubt
	for _, e := range m.sorted() {
		switch {
		case !within(e.Time, from, to) || m.isSettled(e.ID):
		case e.Class == toll.Unknown:
			doubts = append(doubts, meter.Doubt{Event: e, Kind: meter.DoubtUnknown})
		case m.undelivered[e.ID]:
			doubts = append(doubts, meter.Doubt{Event: e, Kind: meter.DoubtUndelivered})
		}
	}
	return doubts, nil
}
