package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// settling makes the recipe's service one that settles, within a time.
func settling(within string) []string {
	return []string{
		"delegated: true                   # another proxy forwards; no upstreams here", "delegated: { settle: true, within: " + within + " }\n    units: [words]",
		"- { name: minute, rate: 5/minute }", "- { name: minute, rate: 500/minute }\n      - { name: parallel, concurrency: 1 }",
		"- { name: monthly, limit: 1000, every: month }", "- { name: monthly, limit: 1000, every: month }\n      - { name: words, unit: words, limit: 100, every: month }",
	}
}

// settle sends a settlement as a service does.
func (r *recipe) settle(document string) (*http.Response, string) {
	request, err := http.NewRequest("POST", "http://"+r.ask+"/settle", strings.NewReader(document))
	if err != nil {
		r.t.Error(err)
		return nil, ""
	}
	request.Header.Set("Authorization", "Bearer "+r.secret)
	response, err := new(http.Transport).RoundTrip(request)
	if err != nil {
		r.t.Error(err)
		return nil, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Error(err)
	}
	return response, string(body)
}

func (r *recipe) serveWith(then func(w http.ResponseWriter, hr *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.then = then
}

// A service behind nginx that tells what its requests used: units, quotas of
// units, what is given back, and how many at the same time.
func TestAServiceSettlesWhatItsProxyAskedAbout(t *testing.T) {
	t.Parallel()
	r := startRecipe(t, "nginx", settling("10m")...)
	r.serveWith(func(w http.ResponseWriter, hr *http.Request) {
		id, status := hr.Header.Get("Tollhouse-Decision"), http.StatusOK
		if hr.URL.Path == "/fails" {
			status = http.StatusBadGateway
		}
		document := fmt.Sprintf(`{"decision":%q,"status":%d,"units":{"words":40},"bytes_out":5,"duration":"12ms"}`, id, status)
		for range 2 { // a service that is not sure says it again
			if response, body := r.settle(document); response == nil || response.StatusCode != 200 || !strings.Contains(body, `"class"`) {
				t.Errorf("settled: %v %s", response, body)
			}
		}
		w.WriteHeader(status)
	})
	for i, want := range []int{200, 200, 200, 429} { // 120 words are more than 100
		if response, body := r.call("POST", "/hello", r.key); response.StatusCode != want {
			t.Fatalf("call %d: %s %s", i+1, response.Status, body)
		}
	}
	other := ask[customer](t, "customer", "create", "--config", r.file, "--name", "B", "--plan", "free").ID
	k := ask[key](t, "key", "create", "--config", r.file, "--customer", other, "--name", "k").Key
	if response, _ := r.call("GET", "/fails", k); response.StatusCode != 502 {
		t.Errorf("a failure of the service: %s", response.Status)
	}
	audit := r.audit()
	if got := audit["requests"]; got != (counts{Received: 4, Included: 3, NotBillable: 1}) {
		t.Errorf("requests: %+v", got)
	}
	if got := audit["words"]; got.Received != 160 || got.Included != 120 || got.NotBillable != 40 {
		t.Errorf("words: %+v", got)
	}

	// One at a time, until it is settled.
	var id string
	r.serveWith(func(_ http.ResponseWriter, hr *http.Request) { id = hr.Header.Get("Tollhouse-Decision") })
	if response, _ := r.call("GET", "/hello", k); response.StatusCode != 200 {
		t.Fatalf("%s", response.Status)
	}
	response, body := r.call("GET", "/hello", k)
	if p := problemOf(t, response, body); response.StatusCode != 429 || len(p.Violated) != 1 || p.Violated[0] != "parallel" {
		t.Errorf("a second one at the same time: %s %s", response.Status, body)
	}
	// Killed before it was settled: unknown, and so it stays.
	r.house.kill()
	r.house = start(t, "serves at", "serve", "--config", r.file)
	if response, body := r.settle(fmt.Sprintf(`{"decision":%q,"status":200}`, id)); response.StatusCode != 404 || !strings.Contains(body, "#decision-unknown") {
		t.Errorf("settled after a crash: %s %s", response.Status, body)
	}
	if got := r.audit()["requests"]; got != (counts{Received: 5, Included: 3, NotBillable: 1, Unknown: 1}) {
		t.Errorf("requests after a crash: %+v", got)
	}
	if response, _ := r.call("GET", "/hello", k); response.StatusCode != 200 {
		t.Errorf("its place is not free after a crash: %s", response.Status)
	}
	if status := r.house.interrupt(t); status != 0 { // with one open, which it waits for a while
		t.Errorf("exit %d", status)
	}
	if got := r.audit()["requests"]; got != (counts{Received: 6, Included: 3, NotBillable: 1, Unknown: 2}) {
		t.Errorf("requests after the end: %+v", got)
	}
}

func TestADecisionThatIsNotSettledInTimeIsUnknown(t *testing.T) {
	t.Parallel()
	r := startRecipe(t, "nginx", settling("1s")...)
	var id string
	r.serveWith(func(_ http.ResponseWriter, hr *http.Request) { id = hr.Header.Get("Tollhouse-Decision") })
	if response, body := r.call("GET", "/hello", r.key); response.StatusCode != 200 {
		t.Fatalf("%s %s", response.Status, body)
	}
	waitFor(t, r.house, "decisions were not settled in time")
	if response, body := r.settle(fmt.Sprintf(`{"decision":%q,"status":200}`, id)); response.StatusCode != 410 && response.StatusCode != 404 {
		t.Errorf("settled too late: %s %s", response.Status, body)
	}
	if got := r.audit()["requests"]; got != (counts{Received: 1, Unknown: 1}) {
		t.Errorf("the books have %+v", got)
	}
	limit := time.After(patience)
	for { // its place is free again
		if response, _ := r.call("GET", "/hello", r.key); response.StatusCode == 200 {
			return
		}
		select {
		case <-limit:
			t.Fatal("its place is not free again")
		default:
		}
	}
}
