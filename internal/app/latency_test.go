package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// aMonthOfRequests opens an installation with a hundred requests of 1 to 100 ms
// of a month.
func aMonthOfRequests(t *testing.T, month time.Time) *rooms {
	t.Helper()
	r, err := openRooms(t.Context(), Installation{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	})
	b := &meter.Batch{Lane: "n/a", Next: meter.Position{Segment: 1, Offset: 1}}
	ids := toll.NewIDs(nil)
	for n := range 100 {
		at := month.AddDate(0, 0, n%28)
		b.Events = append(b.Events, toll.Event{
			ID: ids.New(at), Time: at, Customer: "c", Service: "ner", Endpoint: "POST /x", Method: "POST", Status: 200,
			Class: toll.NotBillable, Latency: time.Duration(n+1) * time.Millisecond,
		})
	}
	if err := r.store.Drain(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestShowsHowLongRequestsTook(t *testing.T) {
	t.Parallel()
	r := aMonthOfRequests(t, time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC))
	in := UsageLatency{UsagePeriod: UsagePeriod{Period: "2025-10"}}
	got, err := showLatency(t.Context(), r, in)
	if err != nil || len(got.Endpoints) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	e := got.Endpoints[0]
	if text := fmt.Sprintf("%s %d %.2f %.2f %.2f", e.Endpoint, e.Requests, e.P50, e.P95, e.P99); text != "ner POST /x 100 0.05 0.10 0.10" && text != "ner POST /x 100 0.05 0.09 0.10" {
		t.Errorf("got %s", text)
	}
	in.Service = "other"
	if got, err := showLatency(t.Context(), r, in); err != nil || len(got.Endpoints) != 0 {
		t.Errorf("of another service: %+v, %v", got, err)
	}
}

// TestAnAuditSaysThatEventsAreGone: sums of a month whose events were dropped
// are not held against the events.
func TestAnAuditSaysThatEventsAreGone(t *testing.T) {
	t.Parallel()
	r := aMonthOfRequests(t, time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC))
	in := UsageAudit{UsagePeriod: UsagePeriod{Period: "2025-10"}}
	whole, err := auditUsage(t.Context(), r, in)
	if err != nil || whole.Since != nil || !whole.Balanced || whole.Units["requests"].Received != 100 {
		t.Fatalf("before: %+v, %v", whole, err)
	}
	if got, err := r.store.Retain(t.Context(), 90*24*time.Hour); err != nil || got.Dropped != 100 {
		t.Fatalf("dropped %+v, %v", got, err)
	}
	after, err := auditUsage(t.Context(), r, in)
	if err != nil || after.Since == nil || !after.Balanced || after.Units["requests"] != whole.Units["requests"] {
		t.Errorf("after: %+v, %v", after, err)
	}
}

// TestAnAuditRefusesSumsThatAreGone: what is left of a time whose sums were
// dropped is not shown as if it were all.
func TestAnAuditRefusesSumsThatAreGone(t *testing.T) {
	t.Parallel()
	r := aMonthOfRequests(t, time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
	in := UsageAudit{UsagePeriod: UsagePeriod{Period: "2024-01"}}
	if whole, err := auditUsage(t.Context(), r, in); err != nil || whole.Units["requests"].Received != 100 {
		t.Fatalf("before: %+v, %v", whole, err)
	}
	if n, err := r.store.RetainSums(t.Context(), store.Keep{Sums: store.LeastSums}); err != nil || n == 0 {
		t.Fatalf("dropped %d, %v", n, err)
	}
	if after, err := auditUsage(t.Context(), r, in); toll.CodeOf(err) != toll.NotFound || !strings.Contains(toll.SafeMessage(err), "retention.sums") {
		t.Errorf("after: %+v, %v", after, err)
	}
}
