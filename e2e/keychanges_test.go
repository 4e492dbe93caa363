package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// startAlone starts one program on SQLite, without Redis, as a fleet of one.
func startAlone(t *testing.T, limits string) *replicas {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	t.Cleanup(service.Close)
	s := &served{t: t, file: filepath.Join(t.TempDir(), "tollhouse.yml")}
	s.write(fmt.Sprintf(`
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: %q
access_log: %q
services:
  api: { path: /api, upstreams: [%q], access: key }
plans:
  load: { name: Load, includes: [api], %s }
`, filepath.Join(filepath.Dir(s.file), "data"), s.log(), service.URL, limits))
	p := planned{name: "load"}
	p.customer = ask[customer](t, "customer", "create", "--config", s.file, "--name", "ACME", "--plan", "load").ID
	made := ask[key](t, "key", "create", "--config", s.file, "--customer", p.customer, "--name", "k")
	p.keyID, p.key = made.ID, made.Key
	s.process = start(t, "serves at", "serve", "--config", s.file)
	s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &replicas{t: t, all: []*served{s}, plans: []planned{p}, client: &http.Client{Transport: transport, Timeout: patience}}
}

// effect is when a change held on all replicas.
type effect struct {
	what    string
	command time.Duration // how long the command took
	after   time.Duration // from its begin to when the last replica went by it
}

// hold makes a change while every replica is asked without pause, and waits until
// each answers with a status.
func (r *replicas) hold(what, key string, status int, change func()) effect {
	r.t.Helper()
	var group sync.WaitGroup
	took := make([]time.Duration, len(r.all))
	began := time.Now()
	for i := range r.all {
		group.Go(func() {
			deadline := time.Now().Add(patience)
			for {
				got, title := r.callWith(i, "/api/x", key)
				took[i] = time.Since(began)
				if got == status {
					return
				}
				if time.Now().After(deadline) {
					r.t.Errorf("%s: after %s replica %d still answers %d %s", what, patience, i, got, title)
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	change()
	e := effect{what: what, command: time.Since(began)}
	group.Wait()
	e.after = slices.Max(took)
	r.t.Logf("| %s | %d | %s | %s |", what, len(r.all), e.after.Round(time.Millisecond), e.command.Round(time.Millisecond))
	if proving() && e.after-e.command > time.Second {
		r.t.Errorf("%s: on all replicas %s after the command, want a second at most", what, e.after-e.command)
	}
	return e
}

func TestWhatIsChangedHoldsOnAllReplicasWithinASecond(t *testing.T) {
	t.Parallel()
	const limits = "limits: [ { name: second, rate: 100000/second } ]"
	for _, c := range []struct {
		name  string
		start func(t *testing.T) *replicas
	}{
		{"one node on SQLite", func(t *testing.T) *replicas { return startAlone(t, limits) }},
		{"three replicas on PostgreSQL", func(t *testing.T) *replicas { return startReplicas(t, 3, limits) }},
		{"three replicas, changed on one whose clock is an hour ahead", func(t *testing.T) *replicas {
			return startFleet(t, []string{skewed(t, time.Hour), binary, binary}, planned{name: "load", limits: limits})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := c.start(t)
			file, first := r.all[0].file, r.plans[0]
			for i := range r.all {
				if status, title := r.call(i, "/api/x"); status != 200 {
					t.Fatalf("replica %d answers %d %s", i, status, title)
				}
			}
			run := func(args ...string) func() {
				return func() { ask[any](t, append(args, "--config", file)...) }
			}
			r.hold("a suspended customer is refused", first.key, 403, run("customer", "suspend", first.customer))
			r.hold("a resumed customer is admitted", first.key, 200, run("customer", "resume", first.customer))
			r.hold("a smaller override holds", first.key, 429, run("customer", "override", first.customer, "--name", "second", "--rate", "1/hour"))
			r.hold("the plan's own limit holds again", first.key, 200, run("customer", "override", first.customer, "--name", "second", "--remove"))
			made := ask[key](t, "key", "create", "--config", file, "--customer", first.customer, "--name", "new")
			r.hold("a new key is admitted", made.Key, 200, func() {})
			r.hold("a revoked key is refused", made.Key, 401, run("key", "revoke", made.ID))
			rolled := ask[key](t, "key", "roll", first.keyID, "--overlap", "1h", "--config", file)
			r.hold("a rolled key is admitted in its overlap", first.key, 200, func() {})
			r.hold("the key in its place is admitted", rolled.Key, 200, func() {})
			r.hold("the rolled key is revoked before its time", first.key, 401, run("key", "revoke", first.keyID))
			r.hold("the key in its place is revoked", rolled.Key, 401, run("key", "revoke", rolled.ID))
		})
	}
}

// A key that ends is used on every replica without pause, and each request is
// held against its moment: not one before is refused, and not one after admitted.
func TestAKeyEndsInItsMomentOnEveryReplica(t *testing.T) {
	t.Parallel()
	const limits = "limits: [ { name: second, rate: 100000/second } ]"
	for _, c := range []struct {
		name  string
		start func(t *testing.T) *replicas
	}{
		{"one node on SQLite", func(t *testing.T) *replicas { return startAlone(t, limits) }},
		{"three replicas on PostgreSQL", func(t *testing.T) *replicas { return startReplicas(t, 3, limits) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := c.start(t)
			file, first := r.all[0].file, r.plans[0]
			// Both keys outlive the commands that follow on a machine that is slow just now.
			began := time.Now()
			ask[key](t, "key", "create", "--config", file, "--customer", first.customer, "--name", "how long a command takes")
			life := (5*time.Second + 3*time.Since(began)).Round(time.Second).String()
			expiring := ask[key](t, "key", "create", "--config", file, "--customer", first.customer, "--name", "short", "--expires", life)
			rolled := ask[key](t, "key", "roll", first.keyID, "--overlap", life, "--config", file)
			ended := func(text string) {
				var group sync.WaitGroup
				for i := range r.all {
					for range 4 {
						group.Go(func() {
							until(t, "the key ends", func() bool {
								for range 20 {
									if status, _ := r.callWith(i, "/api/x", text); status == 401 {
										return true
									}
								}
								return false
							})
						})
					}
				}
				group.Wait()
			}
			var group sync.WaitGroup
			group.Go(func() { ended(expiring.Key) })
			group.Go(func() { ended(first.key) })
			group.Wait()
			for i := range r.all {
				if status, title := r.callWith(i, "/api/x", rolled.Key); status != 200 {
					t.Errorf("replica %d answers %d %s to the key in the rolled one's place", i, status, title)
				}
			}
			type shown struct {
				ID        string
				ExpiresAt time.Time `json:"expires_at"`
			}
			ends := map[string]time.Time{}
			for _, k := range ask[struct{ Keys []shown }](t, "key", "list", "--config", file, "--customer", first.customer).Keys {
				ends[k.ID] = k.ExpiresAt
			}
			for i, s := range r.all {
				if status := s.interrupt(t); status != 0 {
					t.Errorf("exit %d", status)
				}
				for what, id := range map[string]string{"an expiring key": expiring.ID, "a rolled key": first.keyID} {
					end, before, after := ends[id], 0, 0
					if end.IsZero() {
						t.Fatalf("the list tells of no end of %s: %v", id, ends)
					}
					var last, next time.Duration = -time.Hour, time.Hour
					for _, l := range accessLines(t, s.log()) {
						if l.Key != id {
							continue
						}
						off := l.Time.Sub(end)
						if want := map[bool]int{true: 200, false: 401}[off < 0]; l.Status != want {
							t.Errorf("%s, replica %d: %s from its end it is answered %d, want %d", what, i, off, l.Status, want)
						}
						if off < 0 {
							before, last = before+1, max(last, off)
						} else {
							after, next = after+1, min(next, off)
						}
					}
					t.Logf("| %s | replica %d | %d before its end, the last %s before | %d after, the first %s after |", what, i, before, -last, after, next)
					if before == 0 || after == 0 {
						t.Errorf("%s, replica %d: %d before and %d after its end: the test decides nothing", what, i, before, after)
					}
				}
			}
		})
	}
}
