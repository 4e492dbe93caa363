package store_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/store/storetest"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
	"github.com/tollhouse/tollhouse/internal/toll"
)

const days = 24 * time.Hour

func TestKeepsEventsInPartitionsWithoutTimescaleDB(t *testing.T) {
	t.Parallel()
	if got, want := storetest.OpenPostgres(t).Layout(), (store.Layout{Kind: "partitions"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := storetest.Open(t).Layout(), (store.Layout{Kind: "table"}); got != want {
		t.Errorf("SQLite: got %+v, want %+v", got, want)
	}
}

// oneOf reads one value.
func oneOf[T any](t *testing.T, url, query string) (value T) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func execute(t *testing.T, url string, statements ...string) {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// TestCompressesAggregatesAndDropsWithTimescaleDB runs each policy by hand, as
// the extension's workers would.
func TestCompressesAggregatesAndDropsWithTimescaleDB(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := storetest.TimescaleURL(t)
	s := storetest.OpenWith(t, store.Options{URL: toll.Secret(url)})
	if got := s.Layout(); got.Kind != "hypertable" || got.License != "timescale" || got.Extension == "" || got.Why != "" {
		t.Fatalf("the layout is %+v", got)
	}
	now := time.Now().UTC()
	ids := toll.NewIDs(nil)
	b := &meter.Batch{Lane: "n/a", Next: meter.Position{Segment: 1, Offset: 1}}
	for day := range 60 {
		for range 20 {
			at := now.Add(-time.Duration(day)*days - time.Minute)
			b.Events = append(b.Events, toll.Event{ID: ids.New(at), Time: at, Customer: "c", Service: "s", Endpoint: "e", Method: "GET", Status: 200, Class: toll.Chargeable, Latency: time.Second})
		}
	}
	if err := s.Drain(ctx, b); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Retain(ctx, 45*days); err != nil {
		t.Fatal(err)
	}
	if got := oneOf[string](t, url, `select (config ->> 'drop_after') from timescaledb_information.jobs where proc_name = 'policy_retention'`); got != "1080:00:00" {
		t.Errorf("the retention policy drops after %s", got)
	}
	kept := oneOf[int](t, url, `select count(*) from usage_event`)
	if kept < 45*20 || kept > 53*20 { // whole weeks go
		t.Errorf("%d events are left of 60 days, want those of 45 to 52", kept)
	}
	execute(t, url,
		`do $$ declare j int; begin for j in select job_id from timescaledb_information.jobs where hypertable_name = 'usage_event' and proc_name in ('policy_compression', 'policy_retention') loop call run_job(j); end loop; end $$`)
	if n := oneOf[int](t, url, `select count(*) from timescaledb_information.chunks where hypertable_name = 'usage_event' and is_compressed`); n < 3 {
		t.Errorf("%d chunks are compressed, want those of three weeks and more", n)
	}
	execute(t, url, `call refresh_continuous_aggregate('usage_minute', null, null)`)
	if n := oneOf[int](t, url, `select sum(requests)::int from usage_minute`); n != kept {
		t.Errorf("usage_minute counts %d requests, want %d", n, kept)
	}

	// Questions see compressed events, and a compressed chunk takes one that
	// comes late and refuses one that is there.
	events, err := s.Events(ctx, meter.EventQuery{Customer: "c", Limit: 1000})
	if err != nil || len(events) != min(kept, 1000) {
		t.Errorf("%d events, %v", len(events), err)
	}
	oldest := events[len(events)-1]
	again := &meter.Batch{Lane: "n/b", Next: meter.Position{Segment: 1, Offset: 1}, Events: []toll.Event{oldest}}
	if err := s.Drain(ctx, again); toll.CodeOf(err) != toll.Conflict {
		t.Errorf("an event that is compressed already: %v, want a conflict", err)
	}
	again.Events[0].ID = ids.New(oldest.ID.Time())
	if err := s.Drain(ctx, again); err != nil {
		t.Errorf("an event from a lane that was away: %v", err)
	}
	if n := oneOf[int](t, url, `select count(*) from usage_event`); n != kept+1 {
		t.Errorf("%d events, want %d", n, kept+1)
	}

	// Another time to keep takes the place of the first.
	if _, err := s.Retain(ctx, 30*days); err != nil {
		t.Fatal(err)
	}
	if got := oneOf[string](t, url, `select string_agg(config ->> 'drop_after', ' ') from timescaledb_information.jobs where proc_name = 'policy_retention'`); got != "720:00:00" {
		t.Errorf("the retention policies drop after %s", got)
	}
	points, err := s.Series(ctx, meter.Question{From: now.Add(-70 * days), To: now})
	if err != nil || len(points) != 1 || points[0].Count != 60*20+1 {
		t.Errorf("the rollups say %+v, %v", points, err)
	}
}

// TestKeepsToTheApacheLicenceOfTimescaleDB: a hypertable, whose chunks Retain
// drops, and nothing of the Timescale License.
func TestKeepsToTheApacheLicenceOfTimescaleDB(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	storetest.TimescaleURL(t) // or skips
	server, err := pgserver.Start(ctx, "timescaledb.license=apache")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	url := server.URL("postgres")
	execute(t, url, `create extension timescaledb`)
	s := storetest.OpenWith(t, store.Options{URL: toll.Secret(url)})
	if got := s.Layout(); got.Kind != "hypertable" || got.License != "apache" {
		t.Fatalf("the layout is %+v", got)
	}
	ids, now := toll.NewIDs(nil), time.Now()
	b := &meter.Batch{Lane: "n/a", Next: meter.Position{Segment: 1, Offset: 1}}
	for _, at := range []time.Time{now.Add(-120 * days), now} {
		b.Events = append(b.Events, toll.Event{ID: ids.New(at), Time: at, Customer: "c", Service: "s", Endpoint: "e", Method: "GET", Status: 200, Class: toll.Chargeable})
	}
	if err := s.Drain(ctx, b); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Retain(ctx, 90*days); err != nil {
		t.Fatal(err)
	}
	if n := oneOf[int](t, url, `select count(*) from usage_event`); n != 1 {
		t.Errorf("%d events are left, want 1", n)
	}
	if n := oneOf[int](t, url, `select count(*) from timescaledb_information.jobs where hypertable_name = 'usage_event'`); n != 0 {
		t.Errorf("%d policies, want none", n)
	}
}

// TestAdoptsTimescaleDBInADatabaseThatHasEvents: the extension may come later.
func TestAdoptsTimescaleDBInADatabaseThatHasEvents(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	storetest.TimescaleURL(t) // or skips
	url := storetest.PostgresURL(t)
	s := storetest.OpenWith(t, store.Options{URL: toll.Secret(url)})
	ids, now := toll.NewIDs(nil), time.Now().UTC().Truncate(time.Microsecond)
	e := toll.Event{ID: ids.New(now), Time: now, RequestID: "r", Customer: "c", Service: "s", Endpoint: "e", Method: "GET", Status: 200, Class: toll.Chargeable, Units: []toll.Amount{{Unit: "words", Count: 5}}}
	if err := s.Drain(ctx, &meter.Batch{Lane: "n/a", Next: meter.Position{Segment: 1, Offset: 1}, Events: []toll.Event{e}}); err != nil {
		t.Fatal(err)
	}
	execute(t, url, `create extension timescaledb`)
	again := storetest.OpenWith(t, store.Options{URL: toll.Secret(url)})
	if got := again.Layout(); got.Kind != "hypertable" {
		t.Fatalf("the layout is %+v", got)
	}
	got, err := again.Events(ctx, meter.EventQuery{Limit: 10})
	if err != nil || len(got) != 1 || got[0].RequestID != "r" || got[0].Units[0].Count != 5 {
		t.Errorf("events %+v, %v", got, err)
	}
}
