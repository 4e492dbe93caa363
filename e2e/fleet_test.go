package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit/redislimit/redistest"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

// replicas are some processes on one PostgreSQL and one Redis, with a service
// behind them and a customer in front.
type replicas struct {
	t       *testing.T
	redis   *redistest.Server
	all     []*served
	client  *http.Client
	held    chan struct{} // closed: the service answers /api/held
	running atomic.Int64  // calls of /api/held in the service
	plans   []planned
}

// planned is a plan of a fleet's configuration, and who is on it.
type planned struct {
	name, limits         string
	customer, keyID, key string // set by startFleet
}

// startReplicas starts replicas whose only plan, load, has these limits.
func startReplicas(t *testing.T, n int, limits string) *replicas {
	t.Helper()
	var binaries []string
	for range n {
		binaries = append(binaries, binary)
	}
	return startFleet(t, binaries, planned{name: "load", limits: limits})
}

// startFleet starts a replica of each program, with a customer and a key for
// each plan.
func startFleet(t *testing.T, binaries []string, plans ...planned) *replicas {
	t.Helper()
	r := &replicas{t: t, redis: redistest.Start(t), held: make(chan struct{})}
	database := pgserver.Database(t)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/api/held" {
			r.running.Add(1)
			<-r.held
			r.running.Add(-1)
		}
		fmt.Fprint(w, "fine")
	}))
	t.Cleanup(service.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	r.client = &http.Client{Transport: transport, Timeout: patience}
	var lines strings.Builder
	for _, p := range plans {
		fmt.Fprintf(&lines, "  %s: { name: Load, includes: [api], %s }\n", p.name, p.limits)
	}
	for i, program := range binaries {
		dir := t.TempDir()
		s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
		s.write(fmt.Sprintf(`
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: %q
access_log: %q
database: %q
redis: %q
services:
  api: { path: /api, upstreams: [%q], access: key }
plans:
%s
`, filepath.Join(dir, "data"), s.log(), database, r.redis.URL(), service.URL, &lines))
		if i == 0 { // before they start, so that all know them
			for k := range plans {
				p := &plans[k]
				p.customer = ask[customer](t, "customer", "create", "--config", s.file, "--name", p.name, "--plan", p.name).ID
				made := ask[key](t, "key", "create", "--config", s.file, "--customer", p.customer, "--name", "k")
				p.keyID, p.key = made.ID, made.Key
			}
			r.plans = plans
		}
		s.process = await(t, "", "serves at", exec.Command(program, "serve", "--config", s.file))
		s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]
		r.all = append(r.all, s)
	}
	for _, s := range r.all { // each takes its share of as many as it knows
		until(t, "every replica knows the others", func() bool {
			return strings.Contains(r.get(s.admin()+"/metrics"), fmt.Sprintf("tollhouse_shared_limits_replicas %d\n", len(r.all)))
		})
	}
	return r
}

// log is where a replica's access log is.
func (s *served) log() string { return filepath.Join(filepath.Dir(s.file), "access.log") }

// stop ends the replicas and their Redis, where a run was spoiled.
func (r *replicas) stop() {
	for _, s := range r.all {
		s.kill()
	}
	r.redis.Kill()
}

// undisturbed repeats a run that a stall of the machine spoiled: where Redis did
// not answer for a second the replicas took it for away, and what they do then is
// another test. It never passes without a run that was judged.
func undisturbed(t *testing.T, run func() (r *replicas, judge func())) *replicas {
	t.Helper()
	const tries = 5
	for try := 1; ; try++ {
		r, judge := run()
		if r.outages() == 0 {
			judge()
			return r
		}
		if try == tries {
			t.Fatalf("this machine stalls: in each of %d runs Redis seemed to be away, so that nothing was proved", tries)
		}
		t.Logf("run %d of at most %d was spoiled: this machine stalled for so long that Redis seemed to be away", try, tries)
		r.stop()
	}
}

// outages is how often replicas found Redis away.
func (r *replicas) outages() (n int) {
	for _, s := range r.all {
		if !strings.Contains(r.get(s.admin()+"/metrics"), "tollhouse_shared_limits_outages_total 0\n") {
			n++
		}
	}
	return n
}

// admin is where a replica's metrics are.
func (s *served) admin() string {
	return strings.TrimRight(strings.TrimSpace(strings.SplitAfter(s.stdout.String(), "admin: ")[1]), ")")
}

// get reads a page of a replica's own.
func (r *replicas) get(url string) string {
	response, err := r.client.Get(url)
	if err != nil {
		r.t.Error(err)
		return ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Error(err)
	}
	return string(body)
}

// call sends one request with the first plan's key to a replica and gives the
// status, with the problem's title.
func (r *replicas) call(i int, path string) (int, string) { return r.callWith(i, path, r.plans[0].key) }

func (r *replicas) callWith(i int, path, key string) (int, string) {
	request, err := http.NewRequest("GET", r.all[i%len(r.all)].url+path, nil)
	if err != nil {
		r.t.Error(err)
		return 0, ""
	}
	request.Header.Set("X-API-Key", key)
	response, err := r.client.Do(request)
	if err != nil {
		r.t.Error(err)
		return 0, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Error(err)
	}
	var problem struct{ Title string }
	_ = json.Unmarshal(body, &problem) // the service's own answer is no JSON
	return response.StatusCode, problem.Title
}

// load has many callers send requests to all replicas, and counts the answers.
func (r *replicas) load(callers, each int) map[int]int {
	return r.loadWith(r.plans[0].key, callers, each)
}

func (r *replicas) loadWith(key string, callers, each int) map[int]int {
	var mu sync.Mutex
	var group sync.WaitGroup
	statuses := map[int]int{}
	for c := range callers {
		group.Go(func() {
			for i := range each {
				status, _ := r.callWith(c+i, "/api/x", key)
				mu.Lock()
				statuses[status]++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return statuses
}

// until asks until a condition holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	if !eventually(holds) {
		t.Fatalf("%s: not so after %s", what, patience)
	}
}

// eventually tells whether a condition comes to hold.
func eventually(holds func() bool) bool {
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}
