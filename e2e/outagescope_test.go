package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

// TestQuotasOfAnyScopeOutliveAStartWithoutTheDatabase: the snapshot does not hold
// what was used of a subscription's own months, of a service or of a key, so the
// database has to say it when it is back. Else a restart at the right time would
// be a second month for nothing.
func TestQuotasOfAnyScopeOutliveAStartWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	wire, database := newWire(t, pgserver.Database(t))
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	defer service.Close()
	s := onPostgres(t, database, service.URL)
	s.edit("name: Load, ", "name: Load, months: subscription, ")
	s.edit(fmt.Sprintf("limit: %d, every: month }", outageQuota), "limit: 30, every: month }, { name: scoped, limit: 12, every: month, service: api }")
	c := ask[customer](t, "customer", "create", "--config", s.file, "--name", "ACME", "--plan", "load")
	own := ask[key](t, "key", "create", "--config", s.file, "--customer", c.ID, "--name", "own", "--quota", "3")
	other := ask[key](t, "key", "create", "--config", s.file, "--customer", c.ID, "--name", "other")
	s.run()
	if got := s.calls(own.Key, 3); got[200] != 3 {
		t.Fatalf("before the outage: %v", got)
	}
	if got := s.calls(other.Key, 4); got[200] != 4 { // 7
		t.Fatalf("before the outage: %v", got)
	}
	until(t, "a snapshot to start from", func() bool { return s.metric("tollhouse_snapshot_behind 0") })
	wire.down()
	if got := s.calls(other.Key, 2); got[200] != 2 { // 9: in the journal alone
		t.Fatalf("with the database gone: %v", got)
	}
	s.kill()
	s.run()
	if got := s.calls(other.Key, 1); got[200] != 1 { // 10
		t.Fatalf("started without the database: %v", got)
	}
	wire.up()
	until(t, "the server has caught up", func() bool { return s.metric("tollhouse_database_away 0") })
	if got := s.calls(own.Key, 1); got[429] != 1 {
		t.Errorf("a key that had used its own quota up: %v", got)
	}
	if got := s.calls(other.Key, 5); got[200] != 2 || got[429] != 3 {
		t.Errorf("10 of 12 were used, and five more calls gave %v", got)
	}
}
