package upstream

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/toll"
)

var probes = toll.Health{Path: "/healthz?deep=1", Every: 2 * time.Second, Timeout: time.Second, Healthy: 2, Unhealthy: 3}

func TestProbesNeverStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var status, asked atomic.Int64
		status.Store(200)
		m := newMemory()
		m.serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.RequestURI != "/base/healthz?deep=1" || r.Host != "127.0.0.1:9001" || r.UserAgent() != "Tollhouse-Health" {
				t.Errorf("probed with %s %s %s", r.RequestURI, r.Host, r.UserAgent())
			}
			asked.Add(1)
			if status.Load() == 0 {
				<-r.Context().Done() // hangs
				return
			}
			w.WriteHeader(int(status.Load()))
		})
		var changes []Status
		p := poolTo(t, toll.Service{Health: probes}, Options{dial: m.dial, Changed: func(s Status) { changes = append(changes, s) }},
			"http://127.0.0.1:9001/base")
		began := time.Now()
		// pass lets n probes happen and says what the upstream is then.
		pass := func(n int) Status {
			time.Sleep(time.Duration(n) * probes.Every)
			synctest.Wait()
			return p.Status()[0]
		}
		synctest.Wait()
		if s := p.Status()[0]; s.Health != Unknown || !s.Since.Equal(began) || asked.Load() != 1 {
			t.Errorf("at first: %+v after %d probes", s, asked.Load())
		}
		if s := pass(1); s.Health != Healthy || s.Reason != "" || !s.Since.Equal(time.Now()) {
			t.Errorf("after two good probes: %+v", s)
		}
		status.Store(503)
		if s := pass(2); s.Health != Healthy || !strings.Contains(s.Reason, "/healthz?deep=1 answered 503") {
			t.Errorf("after two bad probes: %+v", s)
		}
		if s := pass(1); s.Health != Unhealthy {
			t.Errorf("after three bad probes: %+v", s)
		}
		status.Store(0)
		if s := pass(1000); s.Health != Unhealthy || !strings.Contains(s.Reason, "within 1s") {
			t.Errorf("after an hour of hanging: %+v", s)
		}
		before := asked.Load()
		status.Store(302)
		if s := pass(1); s.Health != Unhealthy {
			t.Errorf("after one good probe: %+v", s)
		}
		if s := pass(1); s.Health != Healthy {
			t.Errorf("after two good probes again: %+v", s)
		}
		if n := asked.Load() - before; n != 2 {
			t.Errorf("%d probes for two", n)
		}
		if len(changes) != 3 || changes[0].Health != Healthy || changes[1].Health != Unhealthy || changes[2].Health != Healthy {
			t.Errorf("told of %v", changes)
		}
		p.Close()
		before = asked.Load()
		time.Sleep(time.Hour)
		if asked.Load() != before {
			t.Error("Close did not end the probes")
		}
	})
}

func TestServesWhenAllFailTheirProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/healthz" {
				w.WriteHeader(http.StatusNotFound)
			}
		})
		p := poolTo(t, toll.Service{Health: toll.Health{Path: "/healthz"}}, Options{dial: m.dial}, "http://127.0.0.1:9001", "http://127.0.0.1:9002")
		answer(t, p, request("GET", "/", ""))
		time.Sleep(defaultProbeEvery * defaultProbeCount)
		synctest.Wait()
		for range 10 {
			answer(t, p, request("GET", "/", ""))
		}
		for _, s := range p.Status() {
			if s.Health != Unhealthy || s.Answered < 5 {
				t.Errorf("%+v", s)
			}
		}
	})
}

func TestOneUnhealthyUpstreamIsLeftOut(t *testing.T) {
	t.Parallel()
	bad := make(chan struct{}, 8)
	changed := func(s Status) {
		if s.Health == Unhealthy {
			bad <- struct{}{}
		}
	}
	ok := server(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") })
	p := poolTo(t, toll.Service{Health: toll.Health{Path: "/healthz", Every: 10 * time.Millisecond}}, Options{Changed: changed},
		ok, raw(t, func(_ int, _ net.Conn, in *bufio.Reader) { readHead(in) }), ok)
	<-bad
	for range 30 {
		if _, body := answer(t, p, request("GET", "/", "")); body != "ok" {
			t.Fatal(body)
		}
	}
	if s := p.Status()[1]; s.Answered != 0 || !strings.Contains(s.Reason, "/healthz") {
		t.Errorf("%+v", s)
	}
}

func TestAGoodProbeClosesACircuitThatWantedAConnection(t *testing.T) {
	t.Parallel()
	p := names(t, toll.Service{}, Options{}, 4)
	p.bad(p.upstreams[0], refusedConnection)
	for range 5 {
		p.bad(p.upstreams[1], badAnswers[1])
	}
	if got := turns(p, 10); got[p.upstreams[0].host] != 0 || got[p.upstreams[1].host] != 0 {
		t.Errorf("while they are out they got %v", got)
	}
	p.note(p.upstreams[0], nil)
	p.note(p.upstreams[1], nil) // it answers its probes, as it did before
	if got := turns(p, 30); got[p.upstreams[0].host] != 10 || got[p.upstreams[1].host] != 0 {
		t.Errorf("after it, they got %v", got)
	}
}

// TestHealthFollowsTheLastProbes compares with the plain reading of the rule:
// the state is that of the last run of equal probes that was long enough.
func TestHealthFollowsTheLastProbes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rule := toll.Health{Healthy: rapid.IntRange(1, 4).Draw(t, "healthy"), Unhealthy: rapid.IntRange(1, 4).Draw(t, "unhealthy")}
		outcomes := rapid.SliceOf(rapid.Bool()).Draw(t, "good")
		h := health{state: Unknown}
		for i, good := range outcomes {
			before := h.state
			reason := "down"
			if good {
				reason = ""
			}
			now := time.Unix(int64(i), 0)
			if changed := h.observe(reason, now, rule); changed != (h.state != before) || changed && !h.since.Equal(now) {
				t.Fatalf("probe %d: changed is %v from %s to %s since %v", i, changed, before, h.state, h.since)
			}
			if want := plainReading(outcomes[:i+1], rule); h.state != want {
				t.Fatalf("after %v with %+v it is %s, want %s", outcomes[:i+1], rule, h.state, want)
			}
		}
	})
}

func plainReading(outcomes []bool, rule toll.Health) Health {
	for end := len(outcomes); end > 0; end-- {
		run := 1
		for run < end && outcomes[end-1-run] == outcomes[end-1] {
			run++
		}
		if outcomes[end-1] && run >= rule.Healthy {
			return Healthy
		}
		if !outcomes[end-1] && run >= rule.Unhealthy {
			return Unhealthy
		}
	}
	return Unknown
}
