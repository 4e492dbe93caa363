package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/app"
	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/handover"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// TestMain is also the new program of these tests: this test binary, started
// with one argument that says what it does.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "heir ") {
		os.Exit(beHeir(strings.Fields(os.Args[1])[1:]))
	}
	os.Exit(m.Run())
}

// beHeir is a new program: "serve FILE" takes over as the real one does, "die
// STEP" goes as far as before the end of a step, and is gone then.
func beHeir(args []string) int {
	if args[0] == "serve" {
		heir, err := app.Inherit()
		if err != nil || heir == nil {
			return 3
		}
		cfg, err := config.Load(args[1])
		if err != nil {
			heir.Fail(err)
			return 1
		}
		if err := app.Run(context.Background(), cfg, app.Options{File: args[1], Heir: heir}); err != nil {
			return 1
		}
		return 0
	}
	dies := func(at handover.Step) bool { return string(at) == args[1] }
	errDies := errors.New("dies")
	if dies(handover.Start) {
		return 9
	}
	h, err := handover.Begin("v2")
	if err != nil {
		return 3
	}
	if _, err := h.Listeners(func(handover.Facts) error { return nil }); err != nil || dies(handover.Listeners) {
		return 9
	}
	if err := h.Lock(func(*os.File) error { return nil }); err != nil || dies(handover.Lock) {
		return 9
	}
	if dies(handover.Prepare) {
		select {} // and is never ready
	}
	err = h.Drainer(func() error {
		if dies(handover.Drainer) {
			return errDies
		}
		return nil
	})
	if err != nil {
		return 9
	}
	err = h.Counters(nil, func() error {
		if dies(handover.Counters) {
			return errDies
		}
		return nil
	})
	if err != nil || dies(handover.Open) {
		return 9 // told to go on, and gone before it accepts
	}
	return 0
}

// running is a server in this process, with one customer.
type running struct {
	*app.App
	at       app.Installation
	file     string
	key      string
	answered int64
	ended    chan error
	stop     context.CancelFunc
	log      *lines
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

const upgradable = `
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0", authorize: "127.0.0.1:0" }
data: %q
services:
  api: { path: /api, upstreams: [%q], access: key }
  elsewhere: { host: elsewhere.example.com, delegated: { settle: true }, units: [words] }
plans:
  small: { name: Small, includes: [api, elsewhere], limits: [ { name: parallel, concurrency: 2 } ], quotas: [ { name: monthly, unit: requests, limit: 40, every: month } ] }
`

func serve(t *testing.T) *running {
	t.Helper()
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	t.Cleanup(behind.Close)
	dir := t.TempDir()
	r := &running{file: filepath.Join(dir, "tollhouse.yml"), ended: make(chan error, 1), log: new(lines)}
	data := filepath.Join(dir, "data")
	if err := os.WriteFile(r.file, fmt.Appendf(nil, upgradable, data, behind.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(r.file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	ready := make(chan *app.App, 1)
	over := make(chan struct{})
	go func() {
		err := app.Run(ctx, cfg, app.Options{
			Log: r.log, File: r.file, Ready: func(a *app.App) { ready <- a },
			Program: &app.Program{Path: os.Args[0], Args: []string{"heir serve " + r.file}},
		})
		close(over)
		r.ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-over: // before its directory is taken away
		case <-time.After(time.Minute):
			t.Error("the server did not end")
		}
		if t.Failed() {
			t.Log(r.log)
		}
	})
	select {
	case r.App = <-ready:
	case err := <-r.ended:
		t.Fatal(err)
	}
	if r.at, err = app.FindInstallation(r.file, ""); err != nil {
		t.Fatal(err)
	}
	c := operate[app.CustomerCreated](t, r.at, "customer.create", app.CustomerCreate{Name: "ACME", Plan: "small"})
	r.key = operate[app.KeyCreated](t, r.at, "key.create", app.KeyCreate{Customer: c.ID, Name: "k"}).Key
	return r
}

// operate runs an operation in whichever process serves.
func operate[Out any](t *testing.T, at app.Installation, name string, in any) Out {
	t.Helper()
	out, err := app.Call[Out](t.Context(), at, name, in)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// call sends one request on a new connection and returns its status.
func (r *running) call(t *testing.T) int {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, r.URL()+"/api/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-Key", r.key)
	request.Close = true
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	if response.StatusCode == http.StatusOK {
		r.answered++
	}
	return response.StatusCode
}

// counts checks that the audit has every answered request once.
func (r *running) counts(t *testing.T) {
	t.Helper()
	audit := operate[app.UsageAudited](t, r.at, "usage.audit", app.UsagePeriod{})
	if got := audit.Units["requests"]; got.Received != r.answered || got.Unknown != 0 {
		t.Errorf("the audit has %+v, want %d received", got, r.answered)
	}
}

func TestWhateverTheNewProcessDiesOfTheOldOneServesAndCountsAsBefore(t *testing.T) {
	t.Parallel()
	r := serve(t)
	self := os.Args[0]
	for _, step := range handover.Steps {
		if status := r.call(t); status != 200 {
			t.Fatalf("before %s: %d", step, status)
		}
		// The server's own arguments are the program's: this one says what to die of.
		wrapper := filepath.Join(t.TempDir(), "dies")
		script := fmt.Sprintf("#!/bin/sh\nexec %q \"heir die %s\"\n", self, step)
		if err := os.WriteFile(wrapper, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		timeout := time.Minute
		if step == handover.Prepare {
			timeout = time.Second
		}
		out, err := r.Upgrade(t.Context(), app.UpgradeRequest{Binary: wrapper, Timeout: timeout})
		if err == nil || !strings.Contains(app.Say(err), "nothing was changed") {
			t.Fatalf("%s: %+v %v", step, out, err)
		}
		t.Logf("%s: %s", step, app.Say(err))
		for range 2 {
			if status := r.call(t); status != 200 {
				t.Errorf("after %s: %d", step, status)
			}
		}
		r.counts(t)
	}
	// And then one that lives: limits and usage go on where they were.
	out, err := r.Upgrade(t.Context(), app.UpgradeRequest{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(out.PID, syscall.SIGKILL) })
	if err := <-r.ended; err != nil {
		t.Errorf("the old one ended with %v", err)
	}
	for r.answered < 40 {
		if status := r.call(t); status != 200 {
			t.Fatalf("request %d of a quota of 40: %d", r.answered+1, status)
		}
	}
	if status := r.call(t); status != 429 {
		t.Errorf("the 41st: %d", status)
	}
	r.counts(t)
}

func TestASecondUpgradeAtTheSameTimeIsRefused(t *testing.T) {
	t.Parallel()
	r := serve(t)
	never := filepath.Join(t.TempDir(), "never")
	started := filepath.Join(t.TempDir(), "started")
	if err := os.WriteFile(never, fmt.Appendf(nil, "#!/bin/sh\n: > %q\nexec sleep 600\n", started), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := r.Upgrade(ctx, app.UpgradeRequest{Binary: never, Timeout: time.Minute})
		first <- err
	}()
	for limit := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(started); err == nil {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("the first one does not start")
		}
	}
	if _, err := r.Upgrade(t.Context(), app.UpgradeRequest{Timeout: time.Minute}); toll.CodeOf(err) != toll.Conflict {
		t.Errorf("the second: %v", err)
	}
	if _, err := r.Reload(t.Context()); toll.CodeOf(err) != toll.Unavailable {
		t.Errorf("a reload meanwhile: %v", err)
	}
	cancel() // as Ctrl-C in the command does
	if err := <-first; err == nil || !strings.Contains(app.Say(err), "broken off") {
		t.Errorf("the first: %v", err)
	}
	if status := r.call(t); status != 200 {
		t.Errorf("afterwards: %d", status)
	}
	if _, err := r.Reload(t.Context()); err != nil {
		t.Errorf("a reload afterwards: %v", err)
	}
}

func TestAConfigurationThatCannotBeTakenOverIsToldAndChangesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ was, now, want string }{
		"a mistake":        {"path: /api,", "path: /api, acess: key,", "acess"},
		"other data":       {`/data"`, `/elsewhere"`, "another data"},
		"another zone":     {"services:", "time_zone: Europe/Paris\nservices:", "another time_zone"},
		"a taken address":  {`http: "127.0.0.1:0"`, `http: "192.0.2.1:1"`, "192.0.2.1:1"},
		"another database": {"services:", "database: postgres://nobody:secret@127.0.0.1:1/none\nservices:", "another database"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serve(t)
			content, err := os.ReadFile(r.file)
			if err != nil || !strings.Contains(string(content), c.was) {
				t.Fatalf("the file lacks %q (%v)", c.was, err)
			}
			next := filepath.Join(t.TempDir(), "next.yml") // the server's own goes on being read by itself
			if err := os.WriteFile(next, []byte(strings.Replace(string(content), c.was, c.now, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			wrapper := filepath.Join(t.TempDir(), "next")
			if err := os.WriteFile(wrapper, fmt.Appendf(nil, "#!/bin/sh\nexec %q \"heir serve %s\"\n", os.Args[0], next), 0o700); err != nil {
				t.Fatal(err)
			}
			_, err = r.Upgrade(t.Context(), app.UpgradeRequest{Binary: wrapper, Timeout: time.Minute})
			if err == nil || !strings.Contains(app.Say(err), c.want) || strings.Contains(app.Say(err), "secret") {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if status := r.call(t); status != 200 {
				t.Errorf("afterwards: %d", status)
			}
			r.counts(t)
		})
	}
}

func TestChangesDuringAndAfterAnUpgradeHoldInBothProcesses(t *testing.T) {
	t.Parallel()
	r := serve(t)
	out, err := r.Upgrade(t.Context(), app.UpgradeRequest{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(out.PID, syscall.SIGKILL) })
	if status := r.call(t); status != 200 {
		t.Fatalf("after the upgrade: %d", status)
	}
	if _, err := r.Upgrade(t.Context(), app.UpgradeRequest{Timeout: time.Minute}); toll.CodeOf(err) != toll.Conflict {
		t.Errorf("another upgrade of the process that leaves: %v", err)
	}
	c := operate[app.CustomerCreated](t, r.at, "customer.create", app.CustomerCreate{Name: "Later", Plan: "small"})
	r.key = operate[app.KeyCreated](t, r.at, "key.create", app.KeyCreate{Customer: c.ID, Name: "k"}).Key
	if status := r.call(t); status != 200 {
		t.Errorf("a key of after the upgrade: %d", status)
	}
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	r.counts(t)
}

// delegated asks about a request of the delegated service as a foreign proxy does.
func (r *running) delegated(t *testing.T, client *http.Client) (status int, decision string) {
	t.Helper()
	response := r.foreign(t, client, http.MethodGet, "/authorize", "", http.Header{
		"X-Forwarded-Method": {"GET"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"elsewhere.example.com"},
		"X-Forwarded-Uri": {"/x"}, "X-Forwarded-For": {"198.51.100.1"}, "X-Api-Key": {r.key},
	})
	return response.StatusCode, response.Header.Get("Tollhouse-Decision")
}

func (r *running) settle(t *testing.T, client *http.Client, decision string, words int) int {
	t.Helper()
	body := fmt.Sprintf(`{"decision": %q, "status": 200, "units": {"words": %d}}`, decision, words)
	return r.foreign(t, client, http.MethodPost, "/settle", body, http.Header{"Content-Type": {"application/json"}}).StatusCode
}

func (r *running) foreign(t *testing.T, client *http.Client, method, path, body string, h http.Header) *http.Response {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(r.at.Data, "authorize.secret"))
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(method, r.AuthorizeURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = h
	request.Header.Set("Tollhouse-Authorize", strings.TrimSpace(string(secret)))
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response
}

func TestDelegatedDecisionsAreSettledAcrossAnUpgrade(t *testing.T) {
	t.Parallel()
	r := serve(t)
	keeps, fresh := &http.Client{}, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	status, first := r.delegated(t, keeps)
	if status != 200 || first == "" {
		t.Fatalf("asked: %d %q", status, first)
	}
	if status, _ := r.delegated(t, fresh); status != 200 { // nobody will settle it
		t.Fatalf("asked: %d", status)
	}
	out, err := r.Upgrade(t.Context(), app.UpgradeRequest{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(out.PID, syscall.SIGKILL) })
	if status, _ := r.delegated(t, fresh); status != 429 {
		t.Errorf("a third at the same time: %d, want 429", status)
	}
	for range 2 { // the second time changes nothing
		if status := r.settle(t, fresh, first, 7); status != 200 {
			t.Fatalf("settled at the new process: %d", status)
		}
	}
	status, second := r.delegated(t, keeps) // on the old process's connection
	if status != 200 {
		t.Fatalf("a place was free: %d", status)
	}
	if status := r.settle(t, fresh, second, 5); status != 200 {
		t.Errorf("settled: %d", status)
	}
	if status := r.settle(t, fresh, "01ARZ3NDEKTSV4RRFFQ69G5FAV", 5); status != 404 {
		t.Errorf("a decision that nobody made: %d", status)
	}
	select {
	case err := <-r.ended:
		t.Errorf("the old one ended (%v), and a decision waits", err)
	default:
	}
	r.stop() // it is not waited for when the program is to end
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	audit := operate[app.UsageAudited](t, r.at, "usage.audit", app.UsagePeriod{})
	if got := audit.Units["requests"]; got.Received != 3 || got.Unknown != 1 || audit.Units["words"].Received != 12 {
		t.Errorf("the audit has %+v, want three requests, one of them unknown, and 12 words", audit.Units)
	}
}
