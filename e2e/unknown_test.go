package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAnOperatorSettlesWhatACrashLeftUnknown kills a server under two calls and
// settles one beside the next server, whose quotas follow at once, and the other
// without a server; the audit balances at each step.
func TestAnOperatorSettlesWhatACrashLeftUnknown(t *testing.T) {
	t.Parallel()
	hanging, free := make(chan struct{}, 2), make(chan struct{})
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
      - { name: all, unit: words, limit: 2000, every: month }
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
	type unit struct {
		Received, Billed, Included, Test, Unknown int64
		NotBillable                               int64 `json:"not_billable"`
	}
	audit := func(what string, words, requests unit) {
		t.Helper()
		got := ask[map[string]unit](t, "usage", "audit", "--config", file)
		if got["words"] != words || got["requests"] != requests {
			t.Errorf("%s: words %+v and requests %+v, want %+v and %+v", what, got["words"], got["requests"], words, requests)
		}
	}

	p := run()
	left("the first", map[string]string{"words": "900", "service": "999", "keyed": "49", "key-quota": "19"})
	cut := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := call("?hang")
			cut <- err
		}()
		<-hanging
	}
	p.kill()
	for range 2 {
		if err := <-cut; err == nil {
			t.Error("a call that was killed has an answer")
		}
	}

	p = run()
	left("after the kill", map[string]string{"words": "870", "all": "1870", "service": "998", "keyed": "48", "key-quota": "18"})
	type listed struct {
		Unknown []struct {
			Event     string
			RequestID string `json:"request_id"`
		}
		Settled []struct{ Event, As, By, Reason string }
	}
	list := ask[listed](t, "usage", "unknown", "--config", file)
	if len(list.Unknown) != 2 {
		t.Fatalf("unknown are %+v, want two", list.Unknown)
	}
	one, two := list.Unknown[0], list.Unknown[1]
	// Nothing is priced in this plan, so all that counts is included.
	audit("two are unknown", unit{Received: 60, Included: 60}, unit{Received: 4, Included: 2, Unknown: 2})
	for want, args := range map[string][]string{
		"there is no request": {"nobody's", "--as", "free"},
		"there is no unit":    {one.Event, "--as", "billed", "--unit", "wrods=5"},
	} {
		if line := refused(t, 1, append([]string{"usage", "settle", "--config", file}, args...)...); !strings.Contains(line, want) {
			t.Errorf("%v: %q does not hold %q", args, line, want)
		}
	}

	// Beside the server: its counters know it when the command is back.
	settled := ask[struct {
		Event, As string
		Units     map[string]int64
	}](t, "usage", "settle", one.RequestID, "--as", "billed", "--unit", "words=30", "--reason", "in the service's log", "--config", file)
	if settled.Event != one.Event || settled.As != "billed" || settled.Units["words"] != 30 || settled.Units["requests"] != 1 {
		t.Errorf("settled: %+v", settled)
	}
	// What each of the two calls before used is 30 words; the reservation of this one is 100.
	left("after the settlement", map[string]string{"words": "810", "all": "1810", "service": "996", "keyed": "46", "key-quota": "16"})
	audit("one is settled", unit{Received: 120, Included: 120}, unit{Received: 5, Included: 4, Unknown: 1})
	if line := refused(t, 1, "usage", "settle", one.Event, "--as", "free", "--config", file); !strings.Contains(line, "was settled already, as chargeable") {
		t.Errorf("a second settlement: %q", line)
	}
	if status := p.interrupt(t); status != 0 {
		t.Fatalf("the server ended with %d", status)
	}

	// Without one: on the database itself.
	ask[struct{}](t, "usage", "settle", two.Event, "--as", "free", "--config", file)
	audit("both are settled", unit{Received: 120, Included: 120}, unit{Received: 5, Included: 4, NotBillable: 1})
	list = ask[listed](t, "usage", "unknown", "--settled", "--config", file)
	if len(list.Settled) != 2 || list.Settled[0].Event != one.Event || list.Settled[0].As != "billed" || list.Settled[0].Reason != "in the service's log" || list.Settled[1].As != "free" {
		t.Errorf("the entries are %+v", list.Settled)
	}
	if list = ask[listed](t, "usage", "unknown", "--config", file); len(list.Unknown) != 0 {
		t.Errorf("still unknown: %+v", list.Unknown)
	}

	run() // counters are rebuilt from the same sums
	left("after a restart", map[string]string{"words": "780", "all": "1780", "service": "995", "keyed": "45", "key-quota": "15"})
}
