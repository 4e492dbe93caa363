package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// TestShowsUsageToOutsideReaders reads usage_hourly and usage_daily as a
// dashboard would, with the same text on both engines but for the type of time.
func TestShowsUsageToOutsideReaders(t *testing.T) {
	t.Parallel()
	for name, engine := range map[string]struct {
		options func(t *testing.T) Options
		time    string
	}{
		"sqlite":   {func(t *testing.T) Options { return Options{Dir: t.TempDir()} }, `time`},
		"postgres": {func(t *testing.T) Options { return Options{URL: toll.Secret(pgserver.Database(t))} }, `to_char(time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			s, err := Open(ctx, engine.options(t))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			morning := time.Date(2026, 11, 16, 10, 5, 0, 0, time.UTC)
			if err := s.CreateCustomer(ctx, toll.Customer{ID: "cus_a", Name: "ACME", Status: toll.CustomerActive, CreatedAt: morning}, tolltest.Entry()); err != nil {
				t.Fatal(err)
			}
			if err := s.CreateKey(ctx, toll.Key{ID: "key_a", CustomerID: "cus_a", Name: "ci", Mode: toll.Live, CreatedAt: morning}, tolltest.Entry()); err != nil {
				t.Fatal(err)
			}
			ids := toll.NewIDs(nil)
			event := func(after time.Duration, status int, class toll.Class, units ...toll.Amount) toll.Event {
				at := morning.Add(after)
				return toll.Event{
					ID: ids.New(at), Time: at, Customer: "cus_a", Key: "key_a", Plan: "free", PlanVersion: "free@1", Service: "ner", Endpoint: "POST /x",
					Method: "POST", Status: status, Class: class, Latency: 250 * time.Millisecond, BytesIn: 10, BytesOut: 20, Units: units,
				}
			}
			public := event(time.Hour, 304, toll.NotBillable)
			public.Customer, public.Key, public.PlanVersion = "", "", ""
			if err := s.Drain(ctx, &meter.Batch{Lane: "n/a", Next: meter.Position{Segment: 1, Offset: 1}, Events: []toll.Event{
				event(0, 200, toll.Chargeable, toll.Amount{Unit: "words", Count: 7}), event(time.Minute, 201, toll.Chargeable),
				event(time.Hour, 503, toll.TestUsage), event(24*time.Hour, 0, toll.Unknown), public,
			}}); err != nil {
				t.Fatal(err)
			}
			read := func(view string) []string {
				lines, err := collect(ctx, s.reader, func(r row) (string, error) {
					var at, customerID, customer, keyID, key, version, service, endpoint, status, class, unit string
					var amount, in, out int64
					var latency float64
					err := r.Scan(&at, &customerID, &customer, &keyID, &key, &version, &service, &endpoint, &status, &class, &unit, &amount, &in, &out, &latency)
					return fmt.Sprint(strings.Join([]string{at, customerID, customer, keyID, key, version, service, endpoint, status, class, unit}, "|"), "|", amount, "|", in, "|", out, "|", latency), err
				}, `select `+engine.time+`, customer_id, customer, key_id, key, plan_version, service, endpoint, status, class, unit, amount, bytes_in, bytes_out, latency_seconds from `+view)
				if err != nil {
					t.Fatal(err)
				}
				slices.Sort(lines)
				return lines
			}
			want := []string{
				"2026-11-16T10:00:00Z|cus_a|ACME|key_a|ci|free@1|ner|POST /x|2xx|chargeable|requests|2|20|40|0.5",
				"2026-11-16T10:00:00Z|cus_a|ACME|key_a|ci|free@1|ner|POST /x|2xx|chargeable|words|7|0|0|0",
				"2026-11-16T11:00:00Z|cus_a|ACME|key_a|ci|free@1|ner|POST /x|5xx|test|requests|1|10|20|0.25",
				"2026-11-16T11:00:00Z||||||ner|POST /x|3xx|not_billable|requests|1|10|20|0.25",
				"2026-11-17T10:00:00Z|cus_a|ACME|key_a|ci|free@1|ner|POST /x|0xx|unknown|requests|1|10|20|0.25",
			}
			if got := read("usage_hourly"); !slices.Equal(got, want) {
				t.Errorf("usage_hourly:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			for i := range want {
				want[i] = want[i][:11] + "00" + want[i][13:]
			}
			slices.Sort(want)
			if got := read("usage_daily"); !slices.Equal(got, want) {
				t.Errorf("usage_daily:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}
