package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	killRequests    = 1000
	killConnections = 20
)

// killRounds is how often the server is killed: a few times in every run,
// twenty and more in the proof (make proof-kill).
func killRounds(t *testing.T) int {
	t.Helper()
	rounds, err := strconv.Atoi(os.Getenv("TOLLHOUSE_KILLS"))
	if err != nil || rounds < 1 {
		return 3
	}
	return rounds
}

func TestKilledUnderLoadLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Tollhouse-Usage", "words=3")
		fmt.Fprint(w, `{"an answer": "of some length"}`)
	}))
	defer service.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "tollhouse.yml")
	config := fmt.Sprintf(`
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: %q
services:
  api: { path: /api, upstreams: [%q], access: key, units: [words] }
plans:
  load: { name: Load, includes: [api], limits: [ { name: second, rate: 1000000/second } ] }
`, filepath.Join(dir, "data"), service.URL)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c := ask[customer](t, "customer", "create", "--config", file, "--name", "ACME", "--plan", "load")
	k := ask[key](t, "key", "create", "--config", file, "--customer", c.ID, "--name", "load")

	whole := map[string]bool{} // request IDs of answers that were read whole
	extras := map[string]bool{}
	dice := rand.New(rand.NewPCG(7, 11))
	for round := range killRounds(t) {
		p := start(t, "serves at", "serve", "--config", file)
		url := strings.Fields(strings.SplitAfter(p.stdout.String(), "serves at ")[1])[0]
		killAt := 50 + dice.IntN(killRequests-100)
		answered := load(t, p, url, k.Key, killAt)
		for _, id := range answered {
			if whole[id] {
				t.Fatalf("the request ID %s was given twice", id)
			}
			whole[id] = true
		}

		p = start(t, "serves at", "serve", "--config", file) // drains what the killed one left
		stored := map[string]int{}
		for _, e := range ask[struct {
			Events []struct {
				RequestID string `json:"request_id"`
			}
		}](t, "usage", "export", "--config", file).Events {
			stored[e.RequestID]++
		}
		doubts := map[string]bool{}
		for _, d := range ask[struct {
			Doubts []struct {
				RequestID string `json:"request_id"`
			}
		}](t, "usage", "audit", "--doubts", "--config", file).Doubts {
			doubts[d.RequestID] = true
		}
		lost, doubled, fresh, unlisted := 0, 0, 0, 0
		for id := range whole {
			if stored[id] == 0 {
				lost++
			}
		}
		for id, n := range stored {
			if n > 1 {
				doubled++
			}
			if !whole[id] && !extras[id] {
				extras[id] = true
				fresh++
				if !doubts[id] {
					unlisted++
				}
			}
		}
		t.Logf("kill %2d after %4d whole answers: lost %d, doubled %d, extras %d (not listed: %d)", round+1, len(answered), lost, doubled, fresh, unlisted)
		if lost+doubled+unlisted > 0 || fresh > killConnections {
			t.Errorf("kill %d: lost %d, doubled %d, extras %d, of which %d are not listed; at most %d calls were open", round+1, lost, doubled, fresh, unlisted, killConnections)
		}
		if status := p.interrupt(t); status != 0 {
			t.Errorf("exit %d", status)
		}
	}
	audit := ask[map[string]struct{ Received, Included int64 }](t, "usage", "audit", "--config", file)
	if got, want := audit["requests"].Received, int64(len(whole)+len(extras)); got != want {
		t.Errorf("the audit has %d requests, want %d", got, want)
	}
	if got := audit["words"].Received; got != 3*audit["requests"].Received {
		t.Errorf("%d words for %d requests, want three each", got, audit["requests"].Received)
	}
}

// load sends requests over twenty connections and kills the server after so
// many whole answers. It returns the request IDs of the answers read whole.
func load(t *testing.T, p *process, url, key string, killAt int) []string {
	t.Helper()
	var sent, read atomic.Int64
	var mu sync.Mutex
	var ids []string
	var once sync.Once
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: killConnections, MaxIdleConnsPerHost: killConnections}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for range killConnections {
		all.Go(func() {
			for sent.Add(1) <= killRequests {
				request, err := http.NewRequest("GET", url+"/api/x", nil)
				if err != nil {
					t.Error(err)
					return
				}
				request.Header.Set("X-API-Key", key)
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
					t.Errorf("answer %s", response.Status)
					return
				}
				mu.Lock()
				ids = append(ids, response.Header.Get("X-Request-Id"))
				mu.Unlock()
				if read.Add(1) >= int64(killAt) {
					once.Do(func() { _ = p.cmd.Process.Kill() })
				}
			}
		})
	}
	all.Wait()
	p.kill()
	return ids
}
