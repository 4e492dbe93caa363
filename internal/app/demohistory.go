package app

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

const (
	demoDays = 31
	// historyLane is the lane that generated usage is said to come from. Its
	// cursor, moved in the transaction that stores the usage, says that it is there.
	historyLane = "demo/history"
)

// writeHistory stores a month of generated usage, once: all of it or nothing.
func writeHistory(ctx context.Context, r *rooms, customers []furnished) error {
	at, err := r.store.Cursor(ctx, historyLane)
	if err != nil || at != (meter.Position{}) {
		return err
	}
	now := r.clock()
	batch := &meter.Batch{Lane: historyLane, Next: meter.Position{Segment: 1}}
	dice := rand.New(rand.NewPCG(1, 2)) // the same picture for everybody
	for _, c := range customers {
		_, version, _ := r.plans.Plan(c.plan)
		batch.Events = append(batch.Events, history(c, version, now, dice)...)
	}
	slices.SortFunc(batch.Events, func(a, b toll.Event) int { return a.Time.Compare(b.Time) })
	ids := toll.NewIDs(nil)
	for i := range batch.Events {
		e := &batch.Events[i]
		e.ID = ids.New(e.Time)
		e.RequestID = e.ID.String()
	}
	if err := r.store.Drain(ctx, batch); err != nil {
		return fmt.Errorf("storing the demo's usage: %w", err)
	}
	return nil
}

// history makes up a month of one customer's calls: busy at noon, quiet at
// night and on weekends, growing a little, with the odd mistake and outage.
func history(c furnished, version string, now time.Time, dice *rand.Rand) []toll.Event {
	var events []toll.Event
	first := now.AddDate(0, 0, -demoDays).Truncate(time.Hour)
	for hour := first; hour.Before(now.Truncate(time.Hour)); hour = hour.Add(time.Hour) {
		age := now.Sub(hour).Hours() / 24
		rate := float64(c.weight) / 24 * (1.3 - 0.6*age/demoDays)
		rate *= 1 + 0.8*math.Sin((float64(hour.Hour())-6)*math.Pi/12)
		if day := hour.Weekday(); day == time.Saturday || day == time.Sunday {
			rate *= 0.4
		}
		for n := int(rate + dice.Float64()); n > 0; n-- {
			events = append(events, call(c, version, hour.Add(time.Duration(dice.Int64N(int64(time.Hour)))), dice))
		}
	}
	return events
}

func call(c furnished, version string, at time.Time, dice *rand.Rand) toll.Event {
	e := toll.Event{
		Time: at.Truncate(time.Microsecond).UTC(), Customer: c.customer.ID, Key: c.key.ID,
		Plan: c.plan, PlanVersion: version,
		Service: "ner", Endpoint: "POST /extractions", Method: "POST", Status: 200, Class: toll.Chargeable,
		Latency: time.Duration(2e6 * math.Exp(dice.NormFloat64()*0.6)).Truncate(time.Microsecond),
		BytesIn: 40 + dice.Int64N(400), BytesOut: 120 + dice.Int64N(900),
	}
	switch p := dice.Float64(); {
	case p < 0.02:
		e.Endpoint, e.Method, e.BytesIn = "GET /openapi.json", "GET", 0
	case p < 0.05:
		e.Status = 422
	case p < 0.055:
		e.Status, e.Class = 502, toll.NotBillable
	default:
		words := 5 + dice.Int64N(80)
		e.Units = []toll.Amount{{Unit: "words", Count: words}, {Unit: "characters", Count: words*5 + dice.Int64N(60)}}
	}
	return e
}
