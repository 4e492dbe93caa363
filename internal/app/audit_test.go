package app

import (
	"fmt"
	"testing"
	"time"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// TestTheAuditIsWhatAPlainSumSays stores random histories and compares `usage
// audit` with an addition over the events of the month that anybody can follow.
func TestTheAuditIsWhatAPlainSumSays(t *testing.T) {
	t.Parallel()
	r, err := openRooms(t.Context(), Installation{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()
	const version, free = "payg@000000000001", 1000
	if err := r.store.SavePlanVersion(t.Context(), toll.PlanVersion{ID: version, LoadedAt: time.Now(), Plan: toll.Plan{
		Name: "payg", Usage: []toll.UnitPrice{{Unit: toll.UnitRequests, Included: 3}, {Unit: "words", Included: free}},
	}}, tolltest.Entry()); err != nil {
		t.Fatal(err)
	}
	zones := map[string]*time.Location{}
	for _, name := range []string{"UTC", "Asia/Kolkata", "America/New_York"} {
		if zones[name], err = time.LoadLocation(name); err != nil {
			t.Fatal(err)
		}
	}
	ids := toll.NewIDs(nil)
	tried, position := 0, meter.Position{}
	rapid.Check(t, func(rt *rapid.T) {
		zone := zones[rapid.SampledFrom([]string{"UTC", "Asia/Kolkata", "America/New_York"}).Draw(rt, "zone")]
		from := time.Date(1990, 3, 1, 0, 0, 0, 0, zone).AddDate(0, 3*tried, 0) // months of its own
		tried++
		to := from.AddDate(0, 1, 0)
		r.at.Config = &config.Config{TimeZone: zone}

		next := position
		next.Offset += 8
		b := &meter.Batch{Lane: "node/audit", From: position, Next: next}
		want := map[string]meter.Conservation{}
		chargeable := map[[3]string]int64{} // customer, plan version, unit
		doubts := 0
		for n := range rapid.IntRange(0, 40).Draw(rt, "events") {
			edge := rapid.SampledFrom([]time.Time{from, to}).Draw(rt, "edge")
			e := toll.Event{
				Time:        edge.Add(time.Duration(rapid.Int64Range(-int64(40*time.Hour), int64(40*time.Hour)).Draw(rt, "off")) / 1000 * 1000),
				RequestID:   fmt.Sprint(tried, "/", n),
				Customer:    rapid.SampledFrom([]string{"cus_a", "cus_b"}).Draw(rt, "customer"),
				PlanVersion: rapid.SampledFrom([]string{version, "gone@000000000002"}).Draw(rt, "version"),
				Class:       rapid.SampledFrom([]toll.Class{toll.Chargeable, toll.Chargeable, toll.NotBillable, toll.TestUsage, toll.Unknown}).Draw(rt, "class"),
				Service:     "api", Endpoint: "other", Method: "GET", Status: 200,
			}
			e.ID = ids.New(e.Time)
			if rapid.Bool().Draw(rt, "words") {
				e.Units = []toll.Amount{{Unit: "words", Count: rapid.Int64Range(0, 2*free).Draw(rt, "count")}}
			}
			b.Events = append(b.Events, e)
			undelivered := e.Class != toll.Unknown && rapid.IntRange(0, 5).Draw(rt, "undelivered") == 0
			if undelivered {
				b.Undelivered = append(b.Undelivered, e.ID)
			}
			if e.Time.Before(from) || !e.Time.Before(to) {
				continue
			}
			if undelivered || e.Class == toll.Unknown {
				doubts++
			}
			for _, u := range append([]toll.Amount{{Unit: toll.UnitRequests, Count: 1}}, e.Units...) {
				c := want[u.Unit]
				c.Received += u.Count
				switch e.Class {
				case toll.Chargeable:
					chargeable[[3]string{e.Customer, e.PlanVersion, u.Unit}] += u.Count
				case toll.NotBillable:
					c.NotBillable += u.Count
				case toll.TestUsage:
					c.Test += u.Count
				case toll.Unknown:
					c.Unknown += u.Count
				}
				want[u.Unit] = c
			}
		}
		for of, count := range chargeable {
			c, included := want[of[2]], count
			if of[1] == version {
				included = min(count, map[string]int64{toll.UnitRequests: 3, "words": free}[of[2]])
			}
			c.Included += included
			c.Billed += count - included
			want[of[2]] = c
		}
		if err := r.store.Drain(t.Context(), b); err != nil {
			rt.Fatal(err)
		}
		position = next
		got, err := auditUsage(t.Context(), r, UsageAudit{UsagePeriod: UsagePeriod{Period: from.Format("2006-01")}})
		if err != nil || !got.Balanced || len(got.Units) != len(want) || got.Doubts != doubts {
			rt.Fatalf("%+v, %v; want %+v and %d doubts", got, err, want, doubts)
		}
		for unit, c := range got.Units {
			if c != want[unit] || !c.Holds() {
				rt.Fatalf("%s: %+v, want %+v", unit, c, want[unit])
			}
		}
	})
}
