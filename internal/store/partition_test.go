package store

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestAWeekHoldsItsIDsAndNoOthers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		millis := rapid.Int64Range(0, 1<<48-1).Draw(rt, "ms")
		id := first(millis)
		w := weekOf(id)
		if at := time.UnixMilli(int64(w)).UTC(); at.Weekday() != time.Monday || at != at.Truncate(24*time.Hour) {
			rt.Fatalf("the week of %d begins at %v", millis, at)
		}
		if int64(w) > millis || int64(w.after(1)) <= millis {
			rt.Fatalf("%d is in the week from %d to %d", millis, w, w.after(1))
		}
	})
	if got := weekAt(time.Date(2026, 11, 22, 23, 59, 59, 0, time.UTC).UnixMilli()).table(); got != "usage_event_20261116" {
		t.Errorf("a Sunday is in %s", got)
	}
}

var weeksQuery = `select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'usage_event'::regclass`

// openAt opens a PostgreSQL store whose clock stands still.
func openAt(t *testing.T, url string, now time.Time) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{URL: toll.Secret(url), Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func drain(t *testing.T, s *Store, lane string, times ...time.Time) {
	t.Helper()
	ids := toll.NewIDs(nil)
	b := &meter.Batch{Lane: lane, Next: meter.Position{Segment: 1, Offset: 1}}
	for _, at := range times {
		b.Events = append(b.Events, toll.Event{ID: ids.New(at), Time: at, Customer: "c", Service: "s", Endpoint: "e", Method: "GET", Status: 200, Class: toll.Chargeable})
	}
	if err := s.Drain(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

func countIn(t *testing.T, s *Store, table string) (n int) {
	t.Helper()
	if err := s.reader.QueryRow(`select count(*) from ` + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestMakesWeeksAheadAndWhenABatchNeedsThem also lets many processes make the
// same week at once.
func TestMakesWeeksAheadAndWhenABatchNeedsThem(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)
	url := pgserver.Database(t)
	s := openAt(t, url, now)
	if _, err := s.Retain(context.Background(), 90*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	want := []string{"usage_event_20261116", "usage_event_20261123", "usage_event_20261130", "usage_event_rest"}
	if got := sortedTextsOf(t, s.reader, weeksQuery); !slices.Equal(got, want) {
		t.Fatalf("ahead of time there are %q, want %q", got, want)
	}
	var all sync.WaitGroup
	for _, lane := range []string{"n/1", "n/2", "n/3", "n/4"} {
		one := openAt(t, url, now)
		all.Go(func() {
			drain(t, one, lane, now.AddDate(0, 0, -40), now.AddDate(0, 0, 10), now.AddDate(-3, 0, 0), now.AddDate(30, 0, 0))
		})
	}
	all.Wait()
	want = append([]string{"usage_event_20261005"}, want...)
	if got := sortedTextsOf(t, s.reader, weeksQuery); !slices.Equal(got, want) {
		t.Errorf("after late, coming and absurd events there are %q, want %q", got, want)
	}
	for table, want := range map[string]int{"usage_event_20261005": 4, "usage_event_20261123": 4, "usage_event_rest": 8, "usage_event": 16} {
		if got := countIn(t, s, table); got != want {
			t.Errorf("%s holds %d events, want %d", table, got, want)
		}
	}
}

// TestAWeekTakesItsEventsOutOfTheRest: a clock that was wrong, or a week that
// could not be made, leaves no trace.
func TestAWeekTakesItsEventsOutOfTheRest(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	now := time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)
	url := pgserver.Database(t)
	wrong := openAt(t, url, now.AddDate(-20, 0, 0))
	drain(t, wrong, "n/1", now, now.Add(time.Hour))
	if n := countIn(t, wrong, "usage_event_rest"); n != 2 {
		t.Fatalf("the rest holds %d events, want 2", n)
	}
	s := openAt(t, url, now)
	drain(t, s, "n/2", now.Add(2*time.Hour))
	if week, rest := countIn(t, s, "usage_event_20261116"), countIn(t, s, "usage_event_rest"); week != 3 || rest != 0 {
		t.Errorf("the week holds %d and the rest %d events, want 3 and 0", week, rest)
	}
	events, err := s.Events(ctx, meter.EventQuery{Customer: "c", Limit: 10})
	if err != nil || len(events) != 3 || !events[0].Time.Equal(now.Add(2*time.Hour)) {
		t.Errorf("events %+v, %v", events, err)
	}

	// A locked table is not waited for: the rest takes the events instead.
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`select pg_advisory_xact_lock($1)`, int64(partitionLock)); err != nil {
		t.Fatal(err)
	}
	drain(t, s, "n/3", now.AddDate(0, 0, 14))
	if n := countIn(t, s, "usage_event_rest"); n != 1 {
		t.Errorf("the rest holds %d events while nobody may make weeks, want 1", n)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	drain(t, s, "n/4", now.AddDate(0, 0, 14))
	if n := countIn(t, s, "usage_event_20261130"); n != 2 {
		t.Errorf("the week holds %d events once somebody may, want 2", n)
	}
}

// TestKeepsEventsFromBeforeThereWereWeeks migrates a database that has events,
// in which the weeks of those events are never made.
func TestKeepsEventsFromBeforeThereWereWeeks(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	now := time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)
	url := pgserver.Database(t)
	db := openRaw(t, "pgx", url)
	p, err := provider("postgres", "postgres", db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(ctx, 5); err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{now.AddDate(0, 0, -100), now.AddDate(0, 0, -1)} {
		id := first(at.UnixMilli())
		if _, err := db.Exec(`insert into usage_event values ($1, $2, '=', 0, 0, 0, 0, 0, 0, 'GET', 200, 1, 0, 0, 0, '')`, id[:], at.UnixMicro()); err != nil {
			t.Fatal(err)
		}
	}
	s := openAt(t, url, now)
	drain(t, s, "n/1", now, now.AddDate(0, 0, 7))
	if before, next, all := countIn(t, s, "usage_event_before"), countIn(t, s, "usage_event_20261123"), countIn(t, s, "usage_event"); before != 3 || next != 1 || all != 4 {
		t.Errorf("%d events among those from before, %d in the next week, %d in all; want 3, 1, 4", before, next, all)
	}
	if _, err := s.Retain(ctx, 90*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if all := countIn(t, s, "usage_event"); all != 3 {
		t.Errorf("%d events are left, want 3", all)
	}
}

// TestDrainsAsAUserWhoMayMakeNoTables: the events go into the rest, and Retain
// says why.
func TestDrainsAsAUserWhoMayMakeNoTables(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)
	url := pgserver.Database(t)
	owner := openAt(t, url, now)
	for _, statement := range []string{
		`grant usage on schema public to ` + pgserver.PasswordUser,
		`grant select, insert, update, delete on all tables in schema public to ` + pgserver.PasswordUser,
		`grant usage on all sequences in schema public to ` + pgserver.PasswordUser,
	} {
		if _, err := owner.writer.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	name := strings.Split(strings.SplitN(url, "?", 2)[0], "/")[3]
	s := openAt(t, pgserver.Shared(t).PasswordURL(pgserver.Password, name), now)
	drain(t, s, "n/1", now, now.AddDate(0, 0, 7))
	if n := countIn(t, s, "usage_event_rest"); n != 2 {
		t.Errorf("the rest holds %d events, want 2", n)
	}
	if _, err := s.Retain(context.Background(), 90*24*time.Hour); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("Retain says %v, want that it has no right to", err)
	}
	drain(t, owner, "n/2", now)
	if week, rest := countIn(t, owner, "usage_event_20261116"), countIn(t, owner, "usage_event_rest"); week != 2 || rest != 1 {
		t.Errorf("once the owner drains, the week holds %d events and the rest %d, want 2 and 1", week, rest)
	}
}
