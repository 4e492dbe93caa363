package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// served is a tollhouse before a service of the test's own, by a file that the
// test rewrites.
type served struct {
	*process
	t         *testing.T
	file, url string
	key       string
	customer  customer
}

const reloadable = `
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: %q
services:
  api: { path: /api, upstreams: [%q], access: key }
plans:
  load: { name: Load, includes: [api], limits: [ { name: second, rate: 1000000/second } ] }
  spare: { name: Spare, includes: [api] }
`

func serveReloadable(t *testing.T) *served {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	t.Cleanup(service.Close)
	dir := t.TempDir()
	s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
	s.write(fmt.Sprintf(reloadable, filepath.Join(dir, "data"), service.URL))
	s.customer = ask[customer](t, "customer", "create", "--config", s.file, "--name", "ACME", "--plan", "load")
	s.key = ask[key](t, "key", "create", "--config", s.file, "--customer", s.customer.ID, "--name", "k").Key
	s.process = start(t, "serves at", "serve", "--config", s.file)
	s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]
	return s
}

func (s *served) write(config string) {
	s.t.Helper()
	if err := os.WriteFile(s.file, []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// edit replaces a part of the file.
func (s *served) edit(was, now string) {
	s.t.Helper()
	content, err := os.ReadFile(s.file)
	if err != nil || !strings.Contains(string(content), was) {
		s.t.Fatalf("the file lacks %q (%v)", was, err)
	}
	s.write(strings.Replace(string(content), was, now, 1))
}

func (s *served) status(path string) int {
	s.t.Helper()
	request, err := http.NewRequest("GET", s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("X-API-Key", s.key)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		s.t.Fatal(err)
	}
	response.Body.Close()
	return response.StatusCode
}

// becomes waits until a path answers with a status.
func (s *served) becomes(path string, want int) {
	s.t.Helper()
	limit := time.After(patience)
	for got := 0; got != want; {
		select {
		case <-limit:
			s.t.Fatalf("%s answers %d, want %d", path, got, want)
		case <-time.After(20 * time.Millisecond):
			got = s.status(path)
		}
	}
}

func TestAChangedFileHoldsForTheNextRequest(t *testing.T) {
	t.Parallel()
	s := serveReloadable(t)
	if got := s.status("/api/x"); got != 200 {
		t.Fatalf("before: %d", got)
	}
	s.edit("path: /api,", "path: /moved,")
	out := ask[struct{ Changed, Restart []string }](t, "reload", "--config", s.file)
	if got := s.status("/moved/x"); got != 200 {
		t.Errorf("the new path answers %d right after the reload; it said %v", got, out)
	}
	s.edit("path: /moved,", "path: /signalled,")
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.becomes("/signalled/x", 200)
	s.edit("path: /signalled,", "path: /watched,") // and nobody is told
	s.becomes("/watched/x", 200)
	s.edit("rate: 1000000/second", "rate: 1/hour")
	ask[struct{}](t, "reload", "--config", s.file)
	if first, second := s.status("/watched/x"), s.status("/watched/x"); first != 200 && second != 429 {
		t.Errorf("with one call an hour: %d, %d", first, second)
	}
	if status := s.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
}

func TestABadFileChangesNothingAndSaysSo(t *testing.T) {
	t.Parallel()
	s := serveReloadable(t)
	s.edit("path: /api,", "path: /moved, acess: key,")
	if line := refused(t, 1, "reload", "--config", s.file); !strings.Contains(line, "acess") || !strings.Contains(line, "access") {
		t.Errorf("the message is %q", line)
	}
	if moved, still := s.status("/moved/x"), s.status("/api/x"); moved == 200 || still != 200 {
		t.Errorf("/moved answers %d, /api %d", moved, still)
	}
	s.edit(", acess: key", "")
	s.becomes("/moved/x", 200)

	s.edit("  load: { name", "  lod: { name")
	if line := refused(t, 1, "reload", "--config", s.file); !strings.Contains(line, s.customer.ID) || !strings.Contains(line, `"load"`) {
		t.Errorf("a plan in use: %q", line)
	}
	if got := s.status("/moved/x"); got != 200 {
		t.Errorf("after the refusal: %d", got)
	}
	s.edit("  lod: { name", "  load: { name")
	s.edit("  spare: { name: Spare, includes: [api] }", "") // nobody is on it
	s.edit(`admin: "127.0.0.1:0"`, `admin: "127.0.0.1:1"`)
	out := ask[struct{ Changed, Restart []string }](t, "reload", "--config", s.file)
	if len(out.Restart) != 1 || out.Restart[0] != "listen" { // out.Changed may have been seen by the server itself already
		t.Errorf("the reload said %+v", out)
	}
	refused(t, 1, "customer", "create", "--config", s.file, "--name", "Late", "--plan", "spare")
	line := refused(t, 1, "reload", "--data", t.TempDir())
	if !strings.Contains(line, "no server") {
		t.Errorf("without a server: %q", line)
	}
}

func TestCheckSaysWhatWouldChangeInTheRunningServer(t *testing.T) {
	t.Parallel()
	s := serveReloadable(t)
	check := func() (string, string, int) { return tollhouse(t, "check", "--config", s.file) }
	if out, errs, status := check(); status != 0 || !strings.Contains(out, "The running server runs by the same already.") {
		t.Errorf("nothing changed: exit %d, %s%s", status, out, errs)
	}

	next := filepath.Join(filepath.Dir(s.file), "next.yml") // beside it, so that the server does not take it over
	content, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("1000000/second", "5/minute", "127.0.0.1:0\", admin", "127.0.0.1:1\", admin").Replace(string(content))
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, status := tollhouse(t, "check", "--config", next)
	for _, want := range []string{
		"Against the running server (" + s.file + "):",
		"plans.load.limits[second].rate: 1000000/second → 5/minute",
		"listen.http: 127.0.0.1:0 → 127.0.0.1:1",
		"listen would hold only after a restart.",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("check does not say %q; it says\n%s%s", want, out, errs)
		}
	}
	if status != 0 {
		t.Errorf("exit %d, want 0", status)
	}
	if got := s.status("/api/"); got != 200 {
		t.Errorf("after a check the server answers %d: it must change nothing", got)
	}

	if err := os.WriteFile(next, []byte(strings.Replace(text, "  load: { name: Load", "  other: { name: Other", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, status = tollhouse(t, "check", "--config", next)
	if status != 1 || !strings.Contains(errs, "customers are still on the plan") || strings.Count(errs, "\n") != 1 {
		t.Errorf("a plan in use dropped: exit %d, %s%s", status, out, errs)
	}
}

func TestASuspendedCustomerIsRefusedAtOnceAndResumes(t *testing.T) {
	t.Parallel()
	s := serveReloadable(t)
	type shown struct {
		Status, Plan string
		Keys         []struct{ ID, Name, State string }
	}
	if got := ask[shown](t, "customer", "show", "--config", s.file, s.customer.ID); got.Status != "active" || got.Plan != "load" || len(got.Keys) != 1 || got.Keys[0].State != "valid" {
		t.Errorf("show says %+v", got)
	}
	if got := ask[shown](t, "customer", "suspend", "--config", s.file, s.customer.ID); got.Status != "suspended" {
		t.Errorf("suspend says %+v", got)
	}
	if got := s.status("/api/"); got != 403 {
		t.Errorf("a suspended customer gets %d, want 403", got)
	}
	if got := ask[shown](t, "customer", "resume", "--config", s.file, s.customer.ID); got.Status != "active" {
		t.Errorf("resume says %+v", got)
	}
	if got := s.status("/api/"); got != 200 {
		t.Errorf("a resumed customer gets %d, want 200", got)
	}
	if line := refused(t, 1, "customer", "suspend", "--config", s.file, "cus_nobody"); !strings.Contains(line, "customer") {
		t.Errorf("nobody suspended: %q", line)
	}
}
