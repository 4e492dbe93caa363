package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
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
	key     string
	keyID   string
	client  *http.Client
	held    chan struct{} // closed: the service answers /api/held
	running atomic.Int64  // calls of /api/held in the service
}

func startReplicas(t *testing.T, n int, plan string) *replicas {
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
	for i := range n {
		dir := t.TempDir()
		s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
		s.write(fmt.Sprintf(`
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: %q
database: %q
redis: %q
services:
  api: { path: /api, upstreams: [%q], access: key }
plans:
  load: { name: Load, includes: [api], %s }
`, filepath.Join(dir, "data"), database, r.redis.URL(), service.URL, plan))
		if i == 0 {
			s.customer = ask[customer](t, "customer", "create", "--config", s.file, "--name", "ACME", "--plan", "load")
			k := ask[key](t, "key", "create", "--config", s.file, "--customer", s.customer.ID, "--name", "k")
			r.key, r.keyID = k.Key, k.ID
		}
		s.key = r.key
		s.process = start(t, "serves at", "serve", "--config", s.file)
		s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]
		r.all = append(r.all, s)
	}
	for _, s := range r.all { // each takes its share of as many as it knows
		until(t, "every replica knows the others", func() bool {
			return strings.Contains(r.get(s.admin()+"/metrics"), fmt.Sprintf("tollhouse_shared_limits_replicas %d\n", n))
		})
	}
	return r
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

// call sends one request to a replica and gives the status, with the problem's title.
func (r *replicas) call(i int, path string) (int, string) {
	request, err := http.NewRequest("GET", r.all[i%len(r.all)].url+path, nil)
	if err != nil {
		r.t.Error(err)
		return 0, ""
	}
	request.Header.Set("X-API-Key", r.key)
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
	var mu sync.Mutex
	var group sync.WaitGroup
	statuses := map[int]int{}
	for c := range callers {
		group.Go(func() {
			for i := range each {
				status, _ := r.call(c+i, "/api/x")
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

func TestThreeReplicasShareOneQuotaThroughRedis(t *testing.T) {
	t.Parallel()
	const quota = 1500
	r := startReplicas(t, 3, fmt.Sprintf("quotas: [ { name: monthly, unit: requests, limit: %d, every: month } ]", quota))
	began := time.Now()
	first := r.load(24, 100) // 2400, by 24 callers, to all three in turn
	admitted := first[200]
	t.Logf("%d callers, 3 replicas, quota %d: %v in %s", 24, quota, first, time.Since(began).Round(time.Millisecond))
	if len(first) > 2 || first[200]+first[429] != 2400 {
		t.Fatalf("answers %v", first)
	}
	ended, stranded := time.Now(), max(0, quota-admitted)
	until(t, "what was stranded is back", func() bool { // unused leases are, after a second
		admitted += r.load(6, 5)[200]
		return admitted >= quota
	})
	if r.outages() > 0 {
		t.Skip("skipped: this machine stalled for so long that Redis seemed to be away, and that is another test")
	}
	t.Logf("overshoot %d; stranded at the end of the load %d, all back after %s", max(0, admitted-quota), stranded, time.Since(ended).Round(time.Millisecond))
	if got := admitted + r.load(6, 20)[200]; got != quota {
		t.Errorf("%d were admitted in all, want %d", got, quota)
	}

	// The counter's only other copies are the store and the lanes.
	r.redis.Empty()
	if got := r.load(6, 20); got[200] != 0 {
		t.Errorf("an emptied Redis gave a fresh quota: %v", got)
	}
	r.redis.Kill()
	r.redis.Restart()
	if got := r.load(6, 20); got[200] != 0 {
		t.Errorf("a restarted Redis gave a fresh quota: %v", got)
	}

	// A replica that starts when Redis is empty brings what the store and its lane say.
	r.all[0].kill()
	r.redis.Empty()
	r.all[0].process = start(t, "serves at", "serve", "--config", r.all[0].file)
	r.all[0].url = strings.Fields(strings.SplitAfter(r.all[0].stdout.String(), "serves at ")[1])[0]
	if got := r.load(6, 20); got[200] != 0 {
		t.Errorf("after a kill and an emptied Redis: %v", got)
	}
}

func TestThreeReplicasLetNoMoreThanTheLimitPassAtOnce(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, 3, "limits: [ { name: parallel, concurrency: 7 } ]")
	var group sync.WaitGroup
	var refused, answered atomic.Int64
	for i := range 21 {
		group.Go(func() {
			switch status, _ := r.call(i, "/api/held"); status {
			case 200:
				answered.Add(1)
			case 429:
				refused.Add(1)
			default:
				t.Errorf("answer %d", status)
			}
		})
	}
	until(t, "21 calls, held or refused", func() bool { return r.running.Load()+refused.Load() == 21 })
	if got := r.running.Load(); got != 7 {
		t.Errorf("%d calls at once, want 7", got)
	}
	// A replica that is killed holds its places no longer than it takes to be missed.
	close(r.held)
	group.Wait()
	if answered.Load() != 7 {
		t.Errorf("%d were answered, want 7", answered.Load())
	}
	until(t, "places are free again", func() bool { status, _ := r.call(0, "/api/x"); return status == 200 })
}

func TestWhileRedisIsAwayReplicasDoWhatTheLimitSays(t *testing.T) {
	t.Parallel()
	const quota = 600
	for _, c := range []struct {
		mode             string
		least, most, bad int // admitted in the outage of 400 requests, and what the others are answered
	}{
		{"local-share", 1, quota, 429},
		{"open", 1200, 1200, 0},
		{"closed", 0, 0, 503},
	} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			r := startReplicas(t, 3, fmt.Sprintf("quotas: [ { name: monthly, unit: requests, limit: %d, every: month, when_shared_away: %s } ]", quota, c.mode))
			before := r.load(6, 20)
			if before[200] != 120 {
				t.Fatalf("before: %v", before)
			}
			// Under load: killed in its middle, and started again in its middle.
			middle := make(chan map[int]int)
			go func() { middle <- r.load(12, 20) }()
			r.redis.Kill()
			during := <-middle
			for i := range r.all {
				until(t, "the outage is known", func() bool { return strings.Contains(r.all[i].stderr.String(), "shared counters are away") })
			}
			away := r.load(12, 100)
			go func() { middle <- r.load(12, 20) }()
			r.redis.Restart()
			after := <-middle
			for i := range r.all {
				until(t, "recovery", func() bool { return strings.Contains(r.all[i].stderr.String(), "shared counters are back") })
			}
			last := r.load(12, 20)
			total := before[200] + during[200] + away[200] + after[200] + last[200]
			t.Logf("%s: before %v, killed in the middle of %v, away %v, started in the middle of %v, then %v; quota %d, admitted %d, overshoot %d", c.mode, before, during, away, after, last, quota, total, max(0, total-quota))
			for _, some := range []map[int]int{during, away, after, last} {
				for status, n := range some {
					if status != 200 && status != 429 && (status != 503 || c.mode != "closed") {
						t.Errorf("%d answers %d", n, status)
					}
				}
			}
			if away[200] < c.least || away[200] > c.most {
				t.Errorf("%d were admitted while it was away, want %d to %d", away[200], c.least, c.most)
			}
			if got := away[c.bad]; c.bad != 0 && got != 1200-away[200] {
				t.Errorf("while it was away: %v, want the others to be %d", away, c.bad)
			}
			if c.mode != "open" && total > quota+(quota-120)/2 { // open leases are never more than half of what is left
				t.Errorf("%d were admitted of %d", total, quota)
			}
			if c.mode == "closed" && last[200]+last[429] != 240 {
				t.Errorf("after recovery: %v", last)
			}
			if c.mode == "open" && last[200] != 0 {
				t.Errorf("what passed while it was away was forgotten: %v", last)
			}
		})
	}
}

func TestWhatOneReplicaChangesHoldsOnAllWithinASecond(t *testing.T) {
	t.Parallel()
	r := startReplicas(t, 3, "limits: [ { name: second, rate: 100000/second } ]")
	for i := range r.all {
		if status, title := r.call(i, "/api/x"); status != 200 {
			t.Fatalf("replica %d answers %d %s", i, status, title)
		}
	}
	// Each replica is asked without pause, from before the change on.
	hold := func(what string, status int, change func()) {
		t.Helper()
		var group sync.WaitGroup
		took := make([]time.Duration, len(r.all))
		began := time.Now()
		for i := range r.all {
			group.Go(func() {
				if !eventually(func() bool { got, _ := r.call(i, "/api/x"); return got == status }) {
					t.Errorf("%s: not so on replica %d after %s", what, i, patience)
				}
				took[i] = time.Since(began)
			})
		}
		change()
		command := time.Since(began)
		group.Wait()
		t.Logf("%s: on all three replicas %s after the command began, which took %s itself", what, slices.Max(took).Round(time.Millisecond), command.Round(time.Millisecond))
	}
	file := r.all[0].file
	hold("a suspended customer is refused", 403, func() { ask[any](t, "customer", "suspend", "--config", file, r.all[0].customer.ID) })
	hold("a resumed customer is admitted", 200, func() { ask[any](t, "customer", "resume", "--config", file, r.all[0].customer.ID) })
	old, made := r.key, ask[key](t, "key", "create", "--config", file, "--customer", r.all[0].customer.ID, "--name", "new")
	r.key = made.Key
	hold("a new key is admitted", 200, func() {})
	r.key = old
	hold("a revoked key is refused", 401, func() { ask[any](t, "key", "revoke", "--config", file, r.keyID) })
}
