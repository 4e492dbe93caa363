package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// limitSeconds is how long the loads of the proofs of limits are: short in every
// run, and as long as make proof-limits says.
func limitSeconds(t *testing.T, usual int) time.Duration {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv("TOLLHOUSE_LIMIT_SECONDS")); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	return time.Duration(usual) * time.Second
}

// proving tells whether this is the proof and not a test among others: then
// what takes a second at most must.
func proving() bool { return os.Getenv("TOLLHOUSE_LIMIT_SECONDS") != "" }

// logLine is what these tests read of a line of the access log.
type logLine struct {
	Time, Decided time.Time
	ID            string
	Status        int
	MS            float64
	Customer, Key string
	Refusal       string
}

// decidedAt is the moment for which its limits were decided.
func (l *logLine) decidedAt() time.Time {
	if l.Decided.IsZero() {
		return l.Time
	}
	return l.Decided
}

// accessLines reads an access log; the process that writes it has ended.
func accessLines(t *testing.T, file string) (all []logLine) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l logLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		all = append(all, l)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// told is one answer as its client got it.
type told struct {
	id       string
	status   int
	left     int64    // of the quota, as the RateLimit field says
	violated []string // limits, as the problem says
}

var quotaLeft = regexp.MustCompile(`"bought";r=(\d+)`)

// hammer sends requests over many connections, each of which rests up to pause
// between two, until a time is over or so many were answered with 200.
func hammer(t *testing.T, url, key string, connections int, during, pause time.Duration, most int) (answers []told) {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	var mu sync.Mutex
	var group sync.WaitGroup
	until, passed := time.Now().Add(during), 0
	for range connections {
		group.Go(func() {
			for time.Now().Before(until) {
				mu.Lock()
				enough := most > 0 && passed >= most
				if most > 0 {
					passed++
				}
				mu.Unlock()
				if enough {
					return
				}
				request, err := http.NewRequest("GET", url+"/api/x", nil)
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("X-API-Key", key)
				response, err := client.Do(request)
				if err != nil {
					t.Error(err)
					return
				}
				a := told{id: response.Header.Get("X-Request-Id"), status: response.StatusCode, left: -1}
				if m := quotaLeft.FindStringSubmatch(response.Header.Get("RateLimit")); m != nil {
					a.left, _ = strconv.ParseInt(m[1], 10, 64)
				}
				var problem struct {
					Violated []string `json:"violated-policies"`
				}
				if a.status != 200 {
					err = json.NewDecoder(response.Body).Decode(&problem)
				}
				response.Body.Close()
				if err != nil {
					t.Error(err)
					return
				}
				a.violated = problem.Violated
				mu.Lock()
				answers = append(answers, a)
				mu.Unlock()
				if pause > 0 {
					time.Sleep(time.Duration(rand.Int64N(int64(pause)))) // a light load goes on for long
				}
			}
		})
	}
	group.Wait()
	return answers
}

const exactPlans = `
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: %q
access_log: %q
services:
  api: { path: /api, upstreams: [%q], access: key }
plans:
  before:
    includes: [api]
    limits: [ { name: wide, rate: 1000000/second } ]
    quotas: [ { name: bought, unit: requests, limit: 5000, every: month } ]
  four:
    includes: [api]
    limits: [ { name: second, rate: 10/second }, { name: minute, rate: 100/minute }, { name: hour, rate: 1000/hour } ]
    quotas: [ { name: bought, unit: requests, limit: 5000, every: month } ]
  steep:
    includes: [api]
    limits: [ { name: second, rate: 10/second }, { name: minute, rate: 100/minute, burst: 13 }, { name: hour, rate: 1000/hour, burst: 16 } ]
    quotas: [ { name: bought, unit: requests, limit: 5000, every: month } ]
`

// The times that decisions were made for stand in the access log, and their
// order is read off the quota that each answer tells: so a model that takes one
// request after the other can be held against every one of them.
func TestOneNodeAdmitsExactlyWhatASequentialModelAdmits(t *testing.T) {
	t.Parallel()
	const quota, connections, short = 5000, 64, 30 * time.Second // steep needs no longer
	during := limitSeconds(t, 4)
	left, pause := 30, time.Duration(0) // reached in the time there is
	if during >= 12*time.Minute {
		left, pause = 1190, 400*time.Millisecond // behind what an hour lets pass
	}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	t.Cleanup(service.Close)
	dir := t.TempDir()
	log := filepath.Join(dir, "access.log")
	s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
	s.write(fmt.Sprintf(exactPlans, filepath.Join(dir, "data"), log, service.URL))
	s.process = start(t, "serves at", "serve", "--config", s.file)
	s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]
	admin := s.admin()

	rates := map[string][]modelRate{
		"four":  {{name: "second", count: 10, window: time.Second}, {name: "minute", count: 100, window: time.Minute}, {name: "hour", count: 1000, window: time.Hour}},
		"steep": {{name: "second", count: 10, window: time.Second}, {name: "minute", count: 100, window: time.Minute, burst: 13}, {name: "hour", count: 1000, window: time.Hour, burst: 16}},
	}
	type party struct {
		plan, customer, key string
		before, answers     []told
	}
	parties := []*party{{plan: "four"}, {plan: "steep"}}
	var group sync.WaitGroup
	for _, p := range parties {
		p.customer = ask[customer](t, "customer", "create", "--config", s.file, "--name", p.plan, "--plan", "before").ID
		p.key = ask[key](t, "key", "create", "--config", s.file, "--customer", p.customer, "--name", "k").Key
	}
	parties[0].before = hammer(t, s.url, parties[0].key, connections, patience, 0, quota-left)
	for _, p := range parties {
		ask[any](t, "customer", "plan", "--config", s.file, p.customer, p.plan)
	}
	group.Go(func() { parties[0].answers = hammer(t, s.url, parties[0].key, connections, during, pause, 0) })
	group.Go(func() {
		parties[1].answers = hammer(t, s.url, parties[1].key, connections, min(during, 30*time.Second), 20*time.Millisecond, 0)
	})
	group.Wait()
	if got := page(t, admin+"/metrics"); !strings.Contains(got, "tollhouse_access_log_dropped_total 0\n") {
		t.Fatal("lines of the access log are missing: it tells nothing")
	}
	if status := s.interrupt(t); status != 0 {
		t.Fatalf("exit %d", status)
	}
	decided := map[string]logLine{}
	for _, l := range accessLines(t, log) {
		decided[l.ID] = l
	}
	for _, p := range parties {
		var first logLine
		model := newLimitModel(time.Now().Add(-24*time.Hour), rates[p.plan]...)
		model.quota = &modelQuota{name: "bought", limit: quota, used: map[string]int64{}}
		for _, a := range p.before {
			first = decided[a.id]
			if a.status != 200 || first.Status != 200 {
				t.Fatalf("before: %+v, in the log %+v", a, first)
			}
			model.quota.used[month(first.decidedAt())]++
		}
		model.base = time.Time{}
		// A refused one stands between the admitted one that left what it saw left,
		// and the next: where among the refused of the same place makes no difference.
		slices.SortFunc(p.answers, func(a, b told) int {
			x, y := decided[a.id], decided[b.id]
			if by := strings.Compare(month(x.decidedAt()), month(y.decidedAt())); by != 0 {
				return by
			}
			if a.left != b.left {
				return int(b.left - a.left)
			}
			return a.status - b.status
		})
		admitted, wanted, wrong, moved := 0, 0, 0, 0
		binding := map[string]int{}
		for i, a := range p.answers {
			l, ok := decided[a.id]
			if !ok || l.Status != a.status || l.Customer != p.customer || a.left < 0 {
				t.Fatalf("the answer %+v is in the log as %+v", a, l)
			}
			if i == 0 {
				model.base = l.decidedAt()
			}
			if !l.Decided.IsZero() {
				moved++
			}
			violated := model.decide(l.decidedAt())
			for _, name := range violated {
				binding[name]++
			}
			if a.status == 200 {
				admitted++
			}
			if len(violated) == 0 {
				wanted++
			}
			if (a.status == 200) != (len(violated) == 0) || !slices.Equal(violated, a.violated) {
				if wrong++; wrong <= 5 {
					t.Errorf("%s, request %d, decided for %s with %d left: answered %d (violates %v), the model says %v", p.plan, i+1, l.decidedAt(), a.left, a.status, a.violated, violated)
				}
			}
		}
		took := during
		if p.plan == "steep" {
			took = min(during, short)
		}
		t.Logf("%s: %d decisions over %d connections in %s: admitted %d, the model admits %d, %d decided otherwise; refused by second %d, minute %d, hour %d, quota %d; used before %d; %d decided for a later moment than their arrival",
			p.plan, len(p.answers), connections, took, admitted, wanted, wrong, binding["second"], binding["minute"], binding["hour"], binding["bought"], len(p.before), moved)
		if admitted != wanted || wrong > 0 {
			t.Errorf("%s: admitted %d, the model admits %d; %d decisions differ", p.plan, admitted, wanted, wrong)
		}
		must := []string{"second", "bought"}
		if p.plan == "steep" {
			must = []string{"second", "minute", "hour"}
		} else if during >= 12*time.Minute {
			must = []string{"second", "minute", "hour", "bought"}
		}
		for _, name := range must {
			if binding[name] == 0 {
				t.Errorf("%s: nothing was refused by %s: the test decides nothing about it", p.plan, name)
			}
		}
	}
}

// page reads a page.
func page(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer response.Body.Close()
	var all strings.Builder
	if _, err := bufio.NewReader(response.Body).WriteTo(&all); err != nil {
		t.Error(err)
	}
	return all.String()
}
