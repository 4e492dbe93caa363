package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// errands is a load of mixed requests that goes on until it is stopped, and
// keeps account of what became of each.
type errands struct {
	key   string
	done  atomic.Int64
	moved chan struct{} // something was done
	stop  atomic.Bool
	all   sync.WaitGroup

	mu      sync.Mutex // guards what follows
	now     account
	by      map[string]int  // answers by the origin that gave them
	posted  map[string]bool // errands of POST requests that were answered 200
	reasons []string        // of the first failures that must not be
}

// account is what became of requests.
type account struct {
	idempotent int // requests that may be repeated: GET, HEAD, OPTIONS, PUT, DELETE
	failed     int // of those: no whole, right answer came
	posts      int
	lost       int // POST requests that were answered with a failure
	long       int // requests for an answer of 1 MiB
	cut        int // of those: the answer had begun, broke off, and the client saw that it did
	hidden     int // requests that the client itself sent again on another connection
	slowest    time.Duration
}

// run starts workers that send requests to a base address through a client.
func (e *errands) run(t *testing.T, client *http.Client, base string, workers int) {
	t.Helper()
	for worker := range workers {
		e.all.Go(func() {
			for n := 0; !e.stop.Load(); n++ {
				e.one(client, base, fmt.Sprintf("%s-%d-%d", base[:5], worker, n), n+worker)
				e.done.Add(1)
				select {
				case e.moved <- struct{}{}:
				default:
				}
			}
		})
	}
}

// one sends one request, of a kind that turns with n.
func (e *errands) one(client *http.Client, base, errand string, n int) {
	method, path, body := "GET", "/openapi.json", ""
	switch n % 10 {
	case 3:
		method = "HEAD"
	case 4:
		method = "OPTIONS"
	case 5:
		method, path, body = "PUT", "/documents/1", strings.Repeat("b", 2000)
	case 6:
		method, path = "DELETE", "/documents/1"
	case 7, 8:
		method, path, body = "POST", "/extractions", `{"text": "John Doe is a Go Developer at Google"}`
	case 9:
		if n%50 == 9 {
			path = "/long"
		}
	}
	request, err := http.NewRequest(method, base+path, bytes.NewReader([]byte(body)))
	if err != nil {
		panic(err) // it is the same at each run
	}
	if body == "" {
		request.Body, request.GetBody = nil, nil
	}
	request.Header.Set("X-API-Key", e.key)
	request.Header.Set(errandField, errand)
	connections := 0
	request = request.WithContext(httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connections++ },
	}))
	began := time.Now()
	response, err := client.Do(request)
	var content []byte
	var broke error
	if err == nil {
		content, broke = io.ReadAll(response.Body)
		_ = response.Body.Close()
	}
	took := time.Since(began)

	e.mu.Lock()
	defer e.mu.Unlock()
	e.now.hidden += max(connections-1, 0)
	if path != "/long" {
		e.now.slowest = max(e.now.slowest, took)
	}
	bad := ""
	switch want := fmt.Sprintf("%s %s of %d bytes ", method, path, len(body)); {
	case err != nil:
		bad = err.Error()
	case response.StatusCode != http.StatusOK:
		bad = fmt.Sprintf("%s %s %q", response.Status, response.Header.Get("Proxy-Status"), content)
	case path == "/long":
		if broke == nil && len(content) != longAnswer {
			bad = fmt.Sprintf("%d bytes look like a whole answer", len(content))
		}
	case broke != nil:
		bad = "the answer broke off: " + broke.Error()
	case method != "HEAD" && !bytes.HasPrefix(content, []byte(want)):
		bad = fmt.Sprintf("the answer is %.60q", content)
	}
	switch {
	case path == "/long":
		e.now.long++
		if bad == "" && broke != nil {
			e.now.cut++
		}
	case method == "POST":
		e.now.posts++
		if bad == "" {
			e.posted[errand] = true
		} else {
			e.now.lost++
			if response != nil && response.StatusCode == http.StatusBadGateway {
				bad = "" // it may have been done, so it is not sent again: the client is told
			}
		}
	default:
		e.now.idempotent++
	}
	if bad != "" {
		e.now.failed++
		if len(e.reasons) < 10 {
			e.reasons = append(e.reasons, method+" "+path+": "+bad)
		}
	}
	if err == nil {
		e.by[response.Header.Get(originField)]++
	}
}

// until waits for a condition, looking again each time something was done.
func (e *errands) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(patience)
	for !ok() {
		select {
		case <-e.moved:
		case <-limit:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// more waits until n more requests are done.
func (e *errands) more(t *testing.T, n int64) {
	t.Helper()
	goal := e.done.Load() + n
	e.until(t, "more requests", func() bool { return e.done.Load() >= goal })
}

// served waits until an origin gave n more answers.
func (e *errands) served(t *testing.T, origin string, n int) {
	t.Helper()
	count := func() int {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.by[origin]
	}
	goal := count() + n
	e.until(t, "answers of "+origin, func() bool { return count() >= goal })
}

// turn gives the account of what was done since the last turn, and begins
// another.
func (e *errands) turn() (account, []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	was, reasons := e.now, e.reasons
	e.now, e.reasons = account{}, nil
	return was, reasons
}

// halt ends the load when what is under way is answered.
func (e *errands) halt() {
	e.stop.Store(true)
	e.all.Wait()
}

// checkNotes compares what the origins noted with what was answered: no POST may
// have been done twice, and each that was answered must have been done.
func (e *errands) checkNotes(t *testing.T, notes string) (posts int) {
	t.Helper()
	content, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]int{}
	for line := range strings.Lines(string(content)) {
		if errand, is := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "POST "); is {
			if done[errand]++; done[errand] == 2 {
				t.Errorf("the POST %s was done twice", errand)
			}
		}
	}
	for errand := range e.posted {
		if done[errand] == 0 {
			t.Errorf("the POST %s was answered and not done", errand)
		}
	}
	return len(done)
}
