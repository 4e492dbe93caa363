package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestScopedQuotasAndReservationsSurviveAKill calls a service whose calls
// reserve words, kills the server while one is under way, and finds every quota as
// it was, and the call as unknown.
func TestScopedQuotasAndReservationsSurviveAKill(t *testing.T) {
	t.Parallel()
	hanging, free := make(chan struct{}, 1), make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "hang" {
			hanging <- struct{}{}
			<-free
		}
		w.Header().Set("Tollhouse-Usage", "words=30")
		fmt.Fprint(w, "an answer")
	}))
	t.Cleanup(service.Close)
	t.Cleanup(func() { close(free) }) // before it closes
	dir := t.TempDir()
	file := filepath.Join(dir, "tollhouse.yml")
	config := fmt.Sprintf(`
listen: { http: "127.0.0.1:0" }
data: %q
console: { host: console.localhost }
services:
  api:
    path: /api
    strip_path: true
    upstreams: [%q]
    units: [words]
    endpoints: ["POST /texts"]
    costs: [ { endpoint: "POST /texts", reserve: words=100 } ]
    quotas: [ { name: service, limit: 1000, every: month } ]
plans:
  own:
    includes: [api]
    months: subscription
    quotas:
      - { name: words, unit: words, limit: 1000, every: month, endpoint: "api POST /texts" }
      - { name: keyed, limit: 50, every: month, per: key }
`, filepath.Join(dir, "data"), service.URL)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c := ask[customer](t, "customer", "create", "--config", file, "--name", "ACME", "--plan", "own")
	k := ask[key](t, "key", "create", "--config", file, "--customer", c.ID, "--name", "one", "--quota", "20")

	var url string
	call := func(query string) (*http.Response, error) {
		request, err := http.NewRequest("POST", url+"/api/texts"+query, strings.NewReader("a text"))
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+k.Key)
		response, err := http.DefaultTransport.RoundTrip(request)
		if err == nil {
			response.Body.Close()
		}
		return response, err
	}
	left := func(what string, want map[string]string) {
		t.Helper()
		response, err := call("")
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("%s: %v %v", what, response, err)
		}
		said := response.Header.Get("RateLimit")
		for name, n := range want {
			found := regexp.MustCompile(`"` + name + `";r=(\d+)`).FindStringSubmatch(said)
			if found == nil || found[1] != n {
				t.Errorf("%s: %s has not %s left: %s", what, name, n, said)
			}
		}
	}
	run := func() *process {
		p := start(t, "serves at", "serve", "--config", file)
		url = strings.Fields(strings.SplitAfter(p.stdout.String(), "serves at ")[1])[0]
		return p
	}

	p := run()
	left("the first", map[string]string{"words": "900", "service": "999", "keyed": "49", "key-quota": "19"})
	left("the second", map[string]string{"words": "870", "service": "998", "keyed": "48", "key-quota": "18"})
	cut := make(chan error, 1)
	go func() {
		_, err := call("?hang")
		cut <- err
	}()
	<-hanging
	left("beside one that is under way", map[string]string{"words": "740", "service": "996", "keyed": "46", "key-quota": "16"})
	p.kill()
	if err := <-cut; err == nil {
		t.Error("the call that was killed has an answer")
	}

	run()
	// Three were answered: 90 words. What the killed one reserved is nobody's any more.
	left("after the kill", map[string]string{"words": "810", "service": "996", "keyed": "46", "key-quota": "16"})
	type doubt struct {
		Kind     string `json:"kind"`
		Endpoint string `json:"endpoint"`
	}
	doubts := ask[struct {
		Doubts []doubt `json:"doubts"`
	}](t, "usage", "audit", "--doubts", "--config", file).Doubts
	// The kill may have come before the end of the answer beside it was noted.
	doubts = slices.DeleteFunc(doubts, func(d doubt) bool { return d.Kind == "undelivered?" })
	if len(doubts) != 1 || doubts[0].Kind != "unknown" || doubts[0].Endpoint != "POST /texts" {
		t.Errorf("in doubt are %+v, want the one call as unknown", doubts)
	}
}
