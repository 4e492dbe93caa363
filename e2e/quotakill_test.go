package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// quotaKills is how often the server is killed: a few times in every run, fifty
// in the proof.
func quotaKills() int {
	if n, err := strconv.Atoi(os.Getenv("TOLLHOUSE_QUOTA_KILLS")); err == nil && n > 0 {
		return n
	}
	return 3
}

// midMonth is a time zone in which no month ends within the next hours.
func midMonth() string {
	if now := time.Now().UTC(); month(now) != month(now.Add(3*time.Hour)) {
		return "Etc/GMT+12" // twelve hours behind
	}
	return "UTC"
}

var monthlyLeft = regexp.MustCompile(`"monthly";r=(\d+)`)

// What was used of a monthly quota is read off the first answer after each
// restart: it is the number that refuses.
func TestAQuotaSurvivesKillAfterKill(t *testing.T) {
	t.Parallel()
	const quota, connections = 1_000_000, 20
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	t.Cleanup(service.Close)
	s := &served{t: t, file: filepath.Join(t.TempDir(), "tollhouse.yml")}
	s.write(fmt.Sprintf(`
listen: { http: "127.0.0.1:0" }
data: %q
access_log: off
time_zone: %s
services:
  api: { path: /api, upstreams: [%q], access: key }
plans:
  load: { includes: [api], quotas: [ { name: monthly, unit: requests, limit: %d, every: month } ] }
`, filepath.Join(filepath.Dir(s.file), "data"), midMonth(), service.URL, quota))
	s.customer = ask[customer](t, "customer", "create", "--config", s.file, "--name", "ACME", "--plan", "load")
	s.key = ask[key](t, "key", "create", "--config", s.file, "--customer", s.customer.ID, "--name", "k").Key
	run := func() {
		s.process = start(t, "serves at", "serve", "--config", s.file)
		s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]
	}
	// used is what was used before this very request, which uses one more.
	used := func() int64 {
		t.Helper()
		request, err := http.NewRequest("GET", s.url+"/api/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-API-Key", s.key)
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		m := monthlyLeft.FindStringSubmatch(response.Header.Get("RateLimit"))
		if response.StatusCode != 200 || m == nil {
			t.Fatalf("answer %s, RateLimit %q", response.Status, response.Header.Get("RateLimit"))
		}
		left, err := strconv.ParseInt(m[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return quota - left - 1
	}
	run()
	before := used() + 1
	if before != 1 {
		t.Fatalf("%d are used of a fresh quota", before-1)
	}
	dice := rand.New(rand.NewPCG(5, 3))
	for kill := range quotaKills() {
		answered, open := s.killAmid(connections, int64(50+dice.IntN(1500)))
		began := time.Now()
		run()
		up := time.Since(began)
		got := used() - before
		t.Logf("| %d | %d | %d | %d | %d | %s |", kill+1, before, answered, open, got, up.Round(time.Millisecond))
		if got < answered || got > answered+open {
			t.Errorf("kill %d: %d were used, want %d, which were answered, to %d, with the %d that were open", kill+1, got, answered, answered+open, open)
		}
		before += got + 1
	}
	// The quota ends where the sum of all lives says.
	ask[any](t, "customer", "override", "--config", s.file, s.customer.ID, "--name", "monthly", "--quota", strconv.FormatInt(before+25, 10))
	statuses := map[int]int{}
	for range 40 {
		statuses[s.status("/api/x")]++
	}
	if statuses[200] != 25 || statuses[429] != 15 {
		t.Errorf("with 25 left: %v", statuses)
	}
	audit := ask[map[string]struct{ Received, Included int64 }](t, "usage", "audit", "--config", s.file)
	if got := audit["requests"].Received; got != before+25 {
		t.Errorf("the audit has %d requests, and the quota counted %d", got, before+25)
	}
	t.Logf("used after %d kills: %d by the quota, %d in the audit; 25 more passed, and then none", quotaKills(), before+25, audit["requests"].Received)
}

// killAmid loads the server until so many answers were read whole, and kills it.
// It returns how many were, and how many requests were open then.
func (s *served) killAmid(connections int, after int64) (answered, open int64) {
	transport := &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	var begun, whole atomic.Int64
	var killed atomic.Bool
	var group sync.WaitGroup
	for range connections {
		group.Go(func() {
			for !killed.Load() {
				request, err := http.NewRequest("GET", s.url+"/api/x", nil)
				if err != nil {
					s.t.Error(err)
					return
				}
				request.Header.Set("X-API-Key", s.key)
				begun.Add(1)
				response, err := client.Do(request)
				if err != nil {
					return // killed
				}
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if err != nil {
					return
				}
				if response.StatusCode != 200 {
					s.t.Errorf("answer %s", response.Status)
					return
				}
				if whole.Add(1) == after {
					killed.Store(true)
					_ = s.cmd.Process.Kill()
				}
			}
		})
	}
	group.Wait()
	s.kill()
	return whole.Load(), begun.Load() - whole.Load()
}
