package store_test

import (
	"context"
	"log/slog"
	neturl "net/url"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/store/storetest"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// heard keeps what a Watch tells.
type heard struct {
	customers chan toll.Customer
	keys      chan toll.Key
}

func newHeard() *heard {
	return &heard{customers: make(chan toll.Customer, 100), keys: make(chan toll.Key, 100)}
}

func (h *heard) CustomerChanged(c toll.Customer) { h.customers <- c }
func (h *heard) KeyChanged(k toll.Key)           { h.keys <- k }

// watch listens to a database as another process does.
func watch(t *testing.T, url string) (*store.Store, *heard) {
	t.Helper()
	s := storetest.OpenWith(t, store.Options{URL: toll.Secret(url)})
	h := newHeard()
	w := s.Watch(t.Context())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx, h, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() { stop(); <-ended })
	return s, h
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(time.Minute):
		t.Fatal("nothing was told")
		panic("not reached")
	}
}

func TestThreeReplicasHearOfEachChangeThatOneMakes(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	one, first := watch(t, url)
	_, second := watch(t, url)
	_, third := watch(t, url)
	all := []*heard{first, second, third}
	ctx := t.Context()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

	c := toll.Customer{ID: "cus_1", Name: "ACME", Status: toll.CustomerActive, CreatedAt: now, Version: 1, Subscription: toll.Subscription{Plan: "free"}}
	if err := one.CreateCustomer(ctx, c, tolltest.Entry()); err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		if got := receive(t, h.customers); got.ID != c.ID || got.Version != 1 {
			t.Errorf("heard of %+v", got)
		}
	}
	k := toll.Key{ID: "key_1", CustomerID: c.ID, Name: "k", Mode: toll.Live, Hash: [32]byte{1}, CreatedAt: now, Version: 1}
	if err := one.CreateKey(ctx, k, tolltest.Entry()); err != nil {
		t.Fatal(err)
	}
	k.RevokedAt = now
	if _, err := one.UpdateKey(ctx, k, tolltest.Entry()); err != nil {
		t.Fatal(err)
	}
	c.Status = toll.CustomerSuspended
	if _, err := one.UpdateCustomer(ctx, c, tolltest.Entry()); err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		for got := receive(t, h.keys); got.Version < 2; got = receive(t, h.keys) { // the first may be read after the second
			if got.ID != k.ID {
				t.Errorf("heard of %+v", got)
			}
		}
		if got := receive(t, h.customers); got.Status != toll.CustomerSuspended || got.Version != 2 {
			t.Errorf("heard of %+v", got)
		}
	}
}

func TestWhoCouldNotListenHearsOfEverythingAfterwards(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	one := storetest.OpenWith(t, store.Options{URL: toll.Secret(url)})
	_, h := watch(t, url)
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	c := toll.Customer{ID: "cus_1", Name: "ACME", Status: toll.CustomerActive, CreatedAt: now, Version: 1, Subscription: toll.Subscription{Plan: "free"}}
	if err := one.CreateCustomer(t.Context(), c, tolltest.Entry()); err != nil {
		t.Fatal(err)
	}
	receive(t, h.customers)
	// The server lets go of who listens, and nobody tells of the change that comes next.
	place, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := pgserver.Shared(t).Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity where query like 'listen tollhouse_changes%' and datname = '`+strings.TrimPrefix(place.Path, "/")+`'`); err != nil {
		t.Fatal(err)
	}
	c.Status = toll.CustomerSuspended
	if _, err := one.UpdateCustomer(t.Context(), c, tolltest.Entry()); err != nil {
		t.Fatal(err)
	}
	for receive(t, h.customers).Status != toll.CustomerSuspended {
		continue // the one that it was
	}
}

func TestAFileHasNobodyToListenTo(t *testing.T) {
	t.Parallel()
	if w := storetest.Open(t).Watch(t.Context()); w != nil {
		t.Error("a watch on SQLite")
	}
	var w *store.Watch
	w.Run(t.Context(), nil, nil) // returns
}
