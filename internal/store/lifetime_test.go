package store_test

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/store/storetest"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// places are a new, empty place for a database of each engine.
var places = map[string]func(t *testing.T) store.Options{
	"sqlite":   func(t *testing.T) store.Options { return store.Options{Dir: t.TempDir()} },
	"postgres": func(t *testing.T) store.Options { return store.Options{URL: toll.Secret(storetest.PostgresURL(t))} },
}

func TestFindsEverythingAgainAfterReopening(t *testing.T) {
	t.Parallel()
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := place(t)
			tr := newTraffic(3)
			var from meter.Position
			for round := 1; round <= 3; round++ {
				s, err := store.Open(background, o)
				if err != nil {
					t.Fatal(err)
				}
				// What was interned in an earlier life must be found, not interned again.
				b := tr.batch("node/lane", from, 100)
				if cursor, err := s.Cursor(background, "node/lane"); err != nil || cursor != from {
					t.Fatalf("round %d: the cursor is at %v, %v; want %v", round, cursor, err, from)
				}
				if err := s.Drain(background, b); err != nil {
					t.Fatal(err)
				}
				from = b.Next
				points, err := s.Series(background, meter.Question{From: tr.now.Add(-time.Hour), To: tr.now.Add(time.Hour), By: meter.ByUnit})
				n := int64(100 * round)
				want := []int64{871 * n, n, 123 * n} // characters, requests, words
				if err != nil || len(points) != 3 || points[0].Count != want[0] || points[1].Count != want[1] || points[2].Count != want[2] {
					t.Errorf("round %d: got %v, %v; want %v", round, points, err, want)
				}
				if received, err := s.Received(background, tr.now.Add(-time.Hour), tr.now.Add(time.Hour)); err != nil || received[toll.UnitRequests] != n || received["words"] != 123*n {
					t.Errorf("round %d: received %v, %v", round, received, err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestRefusesEverythingAfterClose(t *testing.T) {
	t.Parallel()
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := store.Open(background, place(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Ping(background); err != nil {
				t.Errorf("while open: %v", err)
			}
			for range 2 {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			_, customerErr := s.Customer(background, "cus_1")
			_, cursorErr := s.Cursor(background, "node/lane")
			for what, err := range map[string]error{
				"Ping": s.Ping(background), "Customer": customerErr, "Cursor": cursorErr,
				"CreateCustomer": s.CreateCustomer(background, customerOf("cus_1"), tolltest.Entry()),
				"Drain":          s.Drain(background, newTraffic(1).batch("node/lane", meter.Position{}, 1)),
				"EachKey":        s.EachKey(background, func(toll.Key) error { return nil }),
			} {
				if toll.CodeOf(err) != toll.Unavailable {
					t.Errorf("%s: got %v, want Unavailable", what, err)
				}
			}
		})
	}
}
