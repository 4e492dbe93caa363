package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

// TestEveryKindOfQuotaGoesOnWherePostgreSQLWasStopped stops a PostgreSQL of its
// own and starts it again: quotas of an endpoint, of a key, of each key, of a
// subscription's own months, and of an address that shows no key admit in all exactly what was bought.
func TestEveryKindOfQuotaGoesOnWherePostgreSQLWasStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	postgres, err := pgserver.Start(ctx)
	switch {
	case errors.Is(err, pgserver.ErrNotInstalled) && os.Getenv("CI") != "true":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	defer func() {
		if err := postgres.Stop(); err != nil {
			t.Error(err)
		}
	}()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Tollhouse-Usage", "words=3")
	}))
	defer service.Close()
	dir := t.TempDir()
	s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
	s.write(fmt.Sprintf(`
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: %[1]q
database: %[2]q
services:
  api:
    path: /api
    strip_path: true
    upstreams: [%[3]q]
    access: key
    units: [words]
    endpoints: ["GET /scoped"]
    quotas: [ { name: scoped, limit: 12, every: month, endpoint: "GET /scoped" } ]
  site:
    path: /site
    upstreams: [%[3]q]
    access: public
    units: [words]
    quotas: [ { name: visits, limit: 12, every: month, per: ip } ]
plans:
  own: { name: Own, includes: [api], months: subscription, quotas: [ { name: own, unit: words, limit: 36, every: month } ] }
  each: { name: Each, includes: [api], quotas: [ { name: each, limit: 12, every: month, service: api, per: key } ] }
  free: { name: Free, includes: [api] }
`, filepath.Join(dir, "data"), postgres.URL("postgres"), service.URL))

	const limit = 12
	type kind struct{ name, key, path string }
	var kinds []kind
	add := func(name, plan, path string, more ...string) {
		c := ask[customer](t, "customer", "create", "--config", s.file, "--name", name, "--plan", plan)
		k := ask[key](t, append([]string{"key", "create", "--config", s.file, "--customer", c.ID, "--name", "k"}, more...)...)
		kinds = append(kinds, kind{name, k.Key, path})
	}
	add("an endpoint", "free", "/api/scoped")
	add("the subscription's month", "own", "/api/x")
	add("each key", "each", "/api/x")
	add("a key's own", "free", "/api/x", "--quota", fmt.Sprint(limit))
	kinds = append(kinds, kind{"an address", "", "/site/x"})
	// call makes n calls under each quota, and wants so many to be admitted.
	call := func(when string, n, admitted int) {
		t.Helper()
		for _, k := range kinds {
			s.key = k.key
			got := map[int]int{}
			for range n {
				got[s.status(k.path)]++
			}
			if got[200] != admitted || got[200]+got[429] != n {
				t.Errorf("%s, a quota of %s: %v of %d, want %d admitted", when, k.name, got, n, admitted)
			}
		}
	}

	s.run()
	call("with the database", 3, 3)
	if code := s.interrupt(t); code != 0 { // drained, and in the snapshot
		t.Fatalf("exit %d", code)
	}
	s.run()
	call("started anew", 2, 2)
	if err := postgres.Halt(ctx); err != nil {
		t.Fatal(err)
	}
	call("with the server stopped", 2, 2)
	s.kill()
	s.run()
	call("started without the server", 2, 2)
	s.kill()
	s.run()
	call("started without it once more", 5, limit-9)
	if !s.metric("tollhouse_database_away 1") {
		t.Error("nothing says that the database is away")
	}
	if err := postgres.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	until(t, "the server has caught up", func() bool { return s.metric("tollhouse_database_away 0") })
	call("caught up", 2, 0)
	audit := ask[map[string]struct{ Received, Included, Unknown int64 }](t, "usage", "audit", "--config", s.file)
	if n := int64(limit * len(kinds)); audit["requests"].Received != n || audit["words"].Received != 3*n || audit["requests"].Unknown != 0 {
		t.Errorf("of %d the audit says %+v", n, audit)
	}
	t.Logf("audit after two kills and two starts without the database: %+v", audit)
	if code := s.interrupt(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	s.run()
	call("started with the database", 2, 0)
}

// TestADatabaseThatGoesSilentHoldsUpNoStart: somebody listens there and says
// nothing, as a machine does that hangs.
func TestADatabaseThatGoesSilentHoldsUpNoStart(t *testing.T) {
	t.Parallel()
	wire, database := newWire(t, pgserver.Database(t))
	service := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer service.Close()
	s := onPostgres(t, database, service.URL)
	c := ask[customer](t, "customer", "create", "--config", s.file, "--name", "ACME", "--plan", "load")
	k := ask[key](t, "key", "create", "--config", s.file, "--customer", c.ID, "--name", "k")
	s.run()
	if got := s.calls(k.Key, 10); got[200] != 10 {
		t.Fatalf("before: %v", got)
	}
	until(t, "a snapshot", func() bool { _, err := os.Stat(s.snapshot()); return err == nil })
	wire.silence()
	if got := s.calls(k.Key, 10); got[200] != 10 {
		t.Fatalf("while the database says nothing: %v", got)
	}
	s.kill()
	began := time.Now()
	s.run() // within patience
	t.Logf("started in %s", time.Since(began).Round(time.Millisecond))
	if got := s.calls(k.Key, outageQuota-20+5); got[200] != outageQuota-20 || got[429] != 5 {
		t.Errorf("started while it says nothing: %v", got)
	}
	line := refused(t, 1, "customer", "list", "--config", s.file)
	t.Logf("customer list: %s", line)
	wire.down()
	wire.up()
	until(t, "the server has caught up", func() bool { return s.metric("tollhouse_database_away 0") })
	if got := s.calls(k.Key, 2); got[429] != 2 {
		t.Errorf("caught up: %v", got)
	}
	if code := s.interrupt(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}
