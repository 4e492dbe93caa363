package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

// What a customer of these tests may use in a month, and a key of its own.
const (
	outageQuota  = 30
	limitedQuota = 10
)

// onPostgres writes the configuration of a gateway with its own data directory
// on a database.
func onPostgres(t *testing.T, database, service string) *served {
	t.Helper()
	dir := t.TempDir()
	s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
	s.write(fmt.Sprintf(`
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: %q
database: %q
services:
  api: { path: /api, upstreams: [%q], access: key, units: [words] }
plans:
  load: { name: Load, includes: [api], quotas: [ { name: monthly, unit: requests, limit: %d, every: month } ] }
`, filepath.Join(dir, "data"), database, service, outageQuota))
	return s
}

func (s *served) run() {
	s.t.Helper()
	s.process = start(s.t, "serves at", "serve", "--config", s.file)
	s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]
}

// calls sends n calls with a key and counts the answers.
func (s *served) calls(key string, n int) map[int]int {
	s.t.Helper()
	s.key = key
	statuses := map[int]int{}
	for range n {
		statuses[s.status("/api/x")]++
	}
	return statuses
}

// metric tells whether the metrics hold a line.
func (s *served) metric(line string) bool {
	response, err := http.Get(s.admin() + "/metrics")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body := new(strings.Builder)
	if err := response.Write(body); err != nil {
		return false
	}
	return strings.Contains(body.String(), line+"\n")
}

func (s *served) snapshot() string { return filepath.Join(filepath.Dir(s.file), "data", "snapshot") }

// TestStartsAndServesWhileItsDatabaseIsAway is the whole of docs/outage.md.
func TestStartsAndServesWhileItsDatabaseIsAway(t *testing.T) {
	t.Parallel()
	direct := pgserver.Database(t)
	wire, database := newWire(t, direct)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Tollhouse-Usage", "words=3")
		fmt.Fprint(w, "fine")
	}))
	defer service.Close()
	s := onPostgres(t, database, service.URL)
	c := ask[customer](t, "customer", "create", "--config", s.file, "--name", "ACME", "--plan", "load")
	newKey := func() key { return ask[key](t, "key", "create", "--config", s.file, "--customer", c.ID, "--name", "k") }
	good, revoked, elsewhere := newKey(), newKey(), newKey()
	limited := ask[key](t, "key", "create", "--config", s.file, "--customer", ask[customer](t, "customer", "create", "--config", s.file, "--name", "Other", "--plan", "load").ID,
		"--name", "k", "--quota", fmt.Sprint(limitedQuota))
	s.run()
	if got := s.calls(good.Key, 10); got[200] != 10 {
		t.Fatalf("before the outage: %v", got)
	}
	if got := s.calls(limited.Key, 3); got[200] != 3 {
		t.Fatalf("a key with a quota of its own: %v", got)
	}
	ask[struct{}](t, "key", "revoke", "--config", s.file, revoked.ID)
	until(t, "the revocation is in the snapshot", func() bool { return s.metric("tollhouse_snapshot_behind 0") })
	if info, err := os.Stat(s.snapshot()); err != nil || info.Mode().Perm() != 0o600 || !s.metric("tollhouse_database_away 0") {
		t.Errorf("the snapshot: %v, mode %v", err, info)
	}
	content, err := os.ReadFile(s.snapshot())
	if err != nil || strings.Contains(string(content), good.Key) {
		t.Fatalf("the snapshot holds a key's text, or cannot be read: %v", err)
	}

	wire.down()
	if got := s.calls(good.Key, 3); got[200] != 3 {
		t.Fatalf("with the database gone: %v", got)
	}
	s.kill()

	s.run()
	if got := s.calls(good.Key, 4); got[200] != 4 { // 17
		t.Fatalf("started without the database: %v", got)
	}
	if got := s.calls(limited.Key, 2); got[200] != 2 { // 5
		t.Fatalf("started without the database, a key with a quota of its own: %v", got)
	}
	if got := s.calls(revoked.Key, 1); got[401] != 1 {
		t.Errorf("a key that was revoked before: %v", got)
	}
	if got := s.calls("th_live_000000000000000000000000000000000000", 1); got[401] != 1 {
		t.Errorf("a key that is none: %v", got)
	}
	if !s.metric("tollhouse_database_away 1") {
		t.Error("the metric does not say that the database is away")
	}
	if log := s.stderr.String(); !strings.Contains(log, "the database is away") || !strings.Contains(log, "snapshot_written") {
		t.Errorf("the log does not say it: %s", log)
	}
	s.saysThatTheDatabaseIsAway(c.ID, good.ID)
	s.edit("access: key", "deny: [10.1.2.3], access: key") // an operator may still shut an address out
	if out, errs, code := tollhouse(t, "reload", "--config", s.file); code != 0 {
		t.Errorf("reload: %d %s %s", code, out, errs)
	}
	s.kill() // once more, without it ever having been there

	s.run()
	if got := s.calls(good.Key, 5); got[200] != 5 { // 22
		t.Fatalf("started without the database again: %v", got)
	}
	// Another replica reaches the database all the time: it is used and changed there.
	other := onPostgres(t, direct, service.URL)
	other.run()
	if got := other.calls(good.Key, 2); got[200] != 2 { // 24
		t.Fatalf("the other replica: %v", got)
	}
	if got := other.calls(limited.Key, 4); got[200] != 4 { // 7 there, with the 3 that the database has; 9
		t.Fatalf("the other replica, a key with a quota of its own: %v", got)
	}
	ask[struct{}](t, "key", "revoke", "--config", other.file, elsewhere.ID)
	if code := other.interrupt(t); code != 0 { // all it used is in the database
		t.Errorf("the other replica ended with %d", code)
	}
	if got := s.calls(elsewhere.Key, 1); got[200] != 1 { // 25; what the age of a snapshot means
		t.Errorf("a key that was revoked elsewhere meanwhile: %v", got)
	}

	wire.up()
	until(t, "the server has caught up", func() bool { return s.metric("tollhouse_database_away 0") })
	if got := s.calls(elsewhere.Key, 1); got[401] != 1 {
		t.Errorf("caught up, and a key that was revoked elsewhere: %v", got)
	}
	if got := s.calls(good.Key, 10); got[200] != outageQuota-25 || got[429] != 10-got[200] {
		t.Errorf("caught up, with 25 of %d used: %v", outageQuota, got)
	}
	if got := s.calls(limited.Key, 3); got[200] != limitedQuota-9 || got[429] != 3-got[200] {
		t.Errorf("caught up, a key with 9 of %d used: %v", limitedQuota, got)
	}
	audit := ask[map[string]struct{ Received, Included, Unknown int64 }](t, "usage", "audit", "--config", s.file)
	if r := audit["requests"]; r.Received != outageQuota+limitedQuota || r.Included != r.Received || r.Unknown != 0 {
		t.Errorf("the audit says %+v", audit)
	}
	if w := audit["words"]; w.Received != 3*(outageQuota+limitedQuota) {
		t.Errorf("the audit says %+v", audit)
	}
	t.Logf("audit after two kills, two starts without the database and a replica beside: %+v", audit)
	if code := s.interrupt(t); code != 0 {
		t.Errorf("exit %d", code)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(s.file), "data", "journal", "*", "*")); err != nil || len(left) != 0 {
		t.Errorf("lanes are left: %v %v", left, err)
	}
	s.run() // and with the database there, all is as ever
	if got := s.calls(good.Key, 2); got[429] != 2 {
		t.Errorf("started anew: %v", got)
	}
}

// saysThatTheDatabaseIsAway tries what cannot work: each is answered at once, in
// plain words.
func (s *served) saysThatTheDatabaseIsAway(customerID, keyID string) {
	s.t.Helper()
	client := &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.PostForm(s.url+"/sign-in", url.Values{"email": {"ada@example.com"}, "password": {"not hers at all"}})
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body := new(strings.Builder)
	if err := response.Write(body); err != nil {
		s.t.Fatal(err)
	}
	if response.StatusCode != 503 || !strings.Contains(body.String(), "The database is away") {
		s.t.Errorf("signing in: %d %s", response.StatusCode, body)
	}
	if response, err = client.Get(s.admin() + "/readyz"); err != nil || response.StatusCode != 200 {
		s.t.Errorf("ready: %v %v", response, err)
	}
	for _, args := range [][]string{
		{"customer", "list"}, {"customer", "show", customerID}, {"customer", "create", "--name", "New", "--plan", "load"}, {"customer", "suspend", customerID},
		{"key", "list", "--customer", customerID}, {"key", "create", "--customer", customerID, "--name", "n"}, {"key", "roll", keyID}, {"key", "revoke", keyID},
		{"usage", "show", "--customer", customerID}, {"usage", "audit"}, {"billing", "preview", "--customer", customerID}, {"upgrade"},
	} {
		began := time.Now()
		line := refused(s.t, 1, append(args, "--config", s.file)...)
		if !strings.Contains(line, "database") {
			s.t.Errorf("tollhouse %v: %s", args, line)
		}
		s.t.Logf("tollhouse %s: %s (%s)", strings.Join(args, " "), line, time.Since(began).Round(time.Millisecond))
	}
}

func TestWithoutAUsableSnapshotThereIsNoStartWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	wire, database := newWire(t, pgserver.Database(t))
	service := httptest.NewServer(http.NotFoundHandler())
	defer service.Close()
	s := onPostgres(t, database, service.URL)
	ask[customer](t, "customer", "create", "--config", s.file, "--name", "ACME", "--plan", "load")
	s.run()
	until(t, "a snapshot", func() bool { _, err := os.Stat(s.snapshot()); return err == nil })
	if code := s.interrupt(t); code != 0 {
		t.Fatalf("exit %d", code)
	}
	wire.down()
	whole, err := os.ReadFile(s.snapshot())
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte{}, whole...)
	flipped[len(flipped)/2] ^= 1
	for _, c := range []struct {
		name, want string
		content    []byte
	}{
		{"one bit flipped", "does not fit its checksum", flipped},
		{"cut short", "does not fit its checksum", whole[:len(whole)-7]},
		{"empty", "is damaged, or is none", nil},
		{"something else", "is damaged, or is none", []byte("what is this?\n")},
		{"of a newer program", "of a newer Tollhouse", []byte("tollhouse snapshot 4\nwhatever comes")},
		{"of an older program", "of an older Tollhouse", []byte("tollhouse snapshot 1\nwhatever it had")},
	} {
		if err := os.WriteFile(s.snapshot(), c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		line := refused(t, 1, "serve", "--config", s.file)
		if !strings.Contains(line, c.want) || !strings.Contains(line, "cannot be reached") || !strings.Contains(line, s.snapshot()) {
			t.Errorf("%s: %s", c.name, line)
		}
		t.Logf("%s: %s", c.name, line)
		if now, err := os.ReadFile(s.snapshot()); err != nil || string(now) != string(c.content) {
			t.Errorf("%s: the file was touched (%v)", c.name, err)
		}
	}
	if err := os.WriteFile(s.snapshot(), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	s.edit("listen:", "time_zone: Europe/Paris\nlisten:")
	if line := refused(t, 1, "serve", "--config", s.file); !strings.Contains(line, "time zone") {
		t.Errorf("another time zone: %s", line)
	}
	s.edit("time_zone: Europe/Paris\n", "")
	if err := os.Remove(s.snapshot()); err != nil {
		t.Fatal(err)
	}
	if line := refused(t, 1, "serve", "--config", s.file); !strings.Contains(line, "cannot be reached") || strings.Contains(line, "snapshot") {
		t.Errorf("none at all: %s", line)
	}
}
