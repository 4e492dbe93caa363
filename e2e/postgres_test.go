package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

func TestTheHouseStandsOnPostgreSQLToo(t *testing.T) {
	t.Parallel()
	database := pgserver.Database(t)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Tollhouse-Usage", "words=3")
		fmt.Fprint(w, "fine")
	}))
	defer service.Close()
	dir := t.TempDir()
	s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
	s.write(fmt.Sprintf(`
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: %q
database: %q
services:
  api: { path: /api, upstreams: [%q], access: key, units: [words] }
plans:
  load: { name: Load, includes: [api], quotas: [ { name: monthly, unit: requests, limit: 15, every: month } ] }
`, filepath.Join(dir, "data"), database, service.URL))
	c := ask[customer](t, "customer", "create", "--config", s.file, "--name", "ACME", "--plan", "load")
	s.key = ask[key](t, "key", "create", "--config", s.file, "--customer", c.ID, "--name", "k").Key
	run := func() {
		s.process = start(t, "serves at", "serve", "--config", s.file)
		s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]
	}
	run()
	for range 10 {
		if got := s.status("/api/x"); got != 200 {
			t.Fatalf("answer %d", got)
		}
	}
	s.kill()
	run() // the quota is rebuilt from the database and the journal
	statuses := map[int]int{}
	for range 10 {
		statuses[s.status("/api/x")]++
	}
	if statuses[200] != 5 || statuses[429] != 5 {
		t.Errorf("after the kill: %v, want five answers and five refusals", statuses)
	}
	audit := ask[map[string]struct{ Received, Included int64 }](t, "usage", "audit", "--config", s.file)
	if audit["requests"].Included != 15 || audit["words"].Received != 45 {
		t.Errorf("the audit says %+v", audit)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "data", "*.db")); err != nil || len(files) > 0 {
		t.Errorf("SQLite files beside PostgreSQL: %v %v", files, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "journal")); err != nil {
		t.Errorf("no journal: %v", err)
	}
	if status := s.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
}
