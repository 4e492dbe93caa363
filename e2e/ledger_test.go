package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ledger is what the clients and the service know of their calls, so that it can
// be compared with what was counted. Each call has a number of its own, which
// the service reports as its words: so an event tells whose it is.
type ledger struct {
	mu      sync.Mutex
	calls   []call         // by number; there is no call 0
	streams map[string]int // the round of each event stream whose head a client read, by its request ID
	begun   int            // event streams begun
	open    atomic.Int64   // calls that have reached the service and were not read whole
	slow    atomic.Bool    // the service takes its time, as a model does
	crowded chan struct{}  // closed when so many calls are open for the first time in a round
	round   int
	padding string // further units that the service reports
}

// call is one request with an answer that ends.
type call struct {
	round   int
	arrived bool          // at the service, through the gateway
	whole   bool          // its answer was read whole: it is acknowledged
	refused bool          // the gateway answered 503: it was not counted, and says so
	at      time.Time     // when it was read whole
	age     time.Duration // of that, when power was cut
}

func newLedger() *ledger { return &ledger{calls: make([]call, 1), streams: map[string]int{}} }

// failing tells whether the service answers a call with 500, which is counted
// and not billed.
func failing(n int) bool { return n%16 == 0 }

// service is what stands behind the gateway. Most answers have a length, some
// come in chunks and say their words in a trailer, some are failures; an event
// stream never ends.
func (l *ledger) service(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/call", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err != nil {
			t.Error(err)
			return
		}
		l.arrive(n)
		if l.slow.Load() {
			select {
			case <-time.After(rand.N(12 * time.Millisecond)):
			case <-r.Context().Done():
			}
		}
		words := "words=" + strconv.Itoa(n) + l.padding
		switch {
		case failing(n):
			w.Header().Set("Tollhouse-Usage", words)
			w.WriteHeader(http.StatusInternalServerError)
		case n%4 == 0:
			w.Header().Set("Trailer", "Tollhouse-Usage")
			fmt.Fprint(w, "the beginning, ")
			_ = http.NewResponseController(w).Flush()
			fmt.Fprint(w, "and the end")
			w.Header().Set("Tollhouse-Usage", words)
		default:
			w.Header().Set("Tollhouse-Usage", words)
			fmt.Fprint(w, `{"an answer": "of some length"}`)
		}
	})
	mux.HandleFunc("GET /api/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// begin starts a call and gives its number.
func (l *ledger) begin() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call{round: l.round})
	return len(l.calls) - 1
}

func (l *ledger) arrive(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := &l.calls[n]; !c.arrived && c.round == l.round {
		c.arrived = true
		if l.open.Add(1) == wantedOpen {
			select {
			case <-l.crowded:
			default:
				close(l.crowded)
			}
		}
	}
}

func (l *ledger) finish(n, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &l.calls[n]
	c.whole, c.refused = status != http.StatusServiceUnavailable, status == http.StatusServiceUnavailable
	c.at = time.Now()
	if c.arrived {
		l.open.Add(-1)
	}
}

// cut notes when power was cut in this round.
func (l *ledger) cut(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := len(l.calls) - 1; n > 0 && l.calls[n].round == l.round; n-- {
		if c := &l.calls[n]; !c.at.IsZero() {
			c.age = at.Sub(c.at)
		}
	}
}

// age is how long a call's answer had been read when power was cut.
func (l *ledger) age(n int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls[n].age
}

// next begins another round: what was open is not any more.
func (l *ledger) next(round int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.round, l.crowded = round, make(chan struct{})
	l.open.Store(0)
}

// load is clients at work until their server is gone.
type load struct {
	all    sync.WaitGroup
	client *http.Client
	over   atomic.Bool
}

// load lets so many clients call, and so many follow an event stream. Where
// refusing is set, a 503 of the gateway is an answer as good as another, and no
// acknowledgement.
func (l *ledger) load(t *testing.T, url, key string, callers, followers int, refusing bool) *load {
	g := &load{client: &http.Client{Transport: &http.Transport{MaxConnsPerHost: callers + followers, MaxIdleConnsPerHost: callers + followers}}}
	get := func(path string) (*http.Response, error) {
		request, err := http.NewRequest("GET", url+path, nil)
		if err != nil {
			return nil, err
		}
		request.Header.Set("X-API-Key", key)
		return g.client.Do(request)
	}
	for range callers {
		g.all.Go(func() {
			for !g.over.Load() {
				n := l.begin()
				response, err := get("/api/call?n=" + strconv.Itoa(n))
				if err != nil {
					return // killed
				}
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				want := http.StatusOK
				if failing(n) {
					want = http.StatusInternalServerError
				}
				switch {
				case err != nil:
					return
				case response.StatusCode != want && (!refusing || response.StatusCode != http.StatusServiceUnavailable):
					t.Errorf("answer %s", response.Status)
					return
				}
				l.finish(n, response.StatusCode)
			}
		})
	}
	for range followers {
		g.all.Go(func() {
			l.mu.Lock()
			l.begun++
			l.mu.Unlock()
			response, err := get("/api/stream")
			if err != nil {
				return
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusOK {
				if !refusing || response.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("the stream's answer is %s", response.Status)
				}
				return
			}
			l.mu.Lock()
			l.streams[response.Header.Get("X-Request-Id")] = l.round
			l.mu.Unlock()
			_, _ = io.Copy(io.Discard, response.Body) // until it is killed
		})
	}
	return g
}

// ended waits until every client has noticed that its server is gone.
func (g *load) ended() {
	g.all.Wait()
	g.client.CloseIdleConnections()
}

// stop ends the load while its server lives.
func (g *load) stop() {
	g.over.Store(true)
	g.ended()
}

// sums are how many calls came to what.
type sums struct{ whole, refused int }

func (l *ledger) sum() (s sums) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if c.whole {
			s.whole++
		}
		if c.refused {
			s.refused++
		}
	}
	return s
}
