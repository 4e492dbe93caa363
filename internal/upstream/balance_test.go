package upstream

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// names makes a pool of n upstreams that are never asked.
func names(t testing.TB, svc toll.Service, opts Options, n int) *Pool {
	t.Helper()
	addresses := make([]string, n)
	for i := range addresses {
		addresses[i] = "http://10.0.0." + string(rune('1'+i))
	}
	return poolTo(t, svc, opts, addresses...)
}

// turns picks n times, gives each place back, and counts who was picked.
func turns(p *Pool, n int) map[string]int {
	count := map[string]int{}
	for range n {
		u, _ := p.pick(nil, nil)
		count[u.host]++
		p.release(u)
	}
	return count
}

func TestRoundRobinIsEvenOverWhoIsThere(t *testing.T) {
	t.Parallel()
	p := names(t, toll.Service{Balance: toll.RoundRobin}, Options{}, 4)
	for host, n := range turns(p, 400) {
		if n != 100 {
			t.Errorf("%s got %d of 400", host, n)
		}
	}
	p.upstreams[1].unhealthy.Store(true)
	got := turns(p, 300)
	for i, u := range p.upstreams {
		want := 100
		if i == 1 {
			want = 0
		}
		if got[u.host] != want {
			t.Errorf("%s got %d of 300 beside an unhealthy one", u.host, got[u.host])
		}
	}
}

func TestLeastRequestsTakesOneOfTheLeastBusy(t *testing.T) {
	t.Parallel()
	p := names(t, toll.Service{Balance: toll.LeastRequests}, Options{}, 5)
	rapid.Check(t, func(t *rapid.T) {
		held := rapid.SliceOfN(rapid.IntRange(0, 5), 5, 5).Draw(t, "in flight")
		least := 99
		for i, n := range held {
			p.upstreams[i].inFlight.Store(int64(n))
			p.upstreams[i].unhealthy.Store(false)
			least = min(least, n)
		}
		u, _ := p.pick(nil, nil)
		if n := u.inFlight.Load(); int(n) != least+1 {
			t.Fatalf("of %v one with %d was taken", held, n-1)
		}
	})
}

func TestLeastRequestsIsEvenAmongIdleOnes(t *testing.T) {
	t.Parallel()
	p := names(t, toll.Service{Balance: toll.LeastRequests}, Options{}, 3)
	for host, n := range turns(p, 300) {
		if n != 100 {
			t.Errorf("%s got %d of 300", host, n)
		}
	}
}

func TestEWMALeavesASlowOneAndForgivesIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	p := names(t, toll.Service{Balance: toll.EWMA}, Options{Clock: func() time.Time { return now }}, 3)
	if got := turns(p, 3); len(got) != 3 {
		t.Errorf("not each was tried at first: %v", got)
	}
	for i, u := range p.upstreams {
		u.latency.observe(p.now(), time.Duration(10+i)*time.Millisecond)
	}
	slow := p.upstreams[0]
	slow.latency.observe(p.now(), time.Second) // one peak counts at once
	if got := turns(p, 300); got[slow.host] != 0 {
		t.Errorf("the slow one got %d of 300", got[slow.host])
	}
	now = now.Add(time.Minute)
	for _, u := range p.upstreams[1:] {
		u.latency.observe(p.now(), 10*time.Millisecond)
	}
	if got := turns(p, 300); got[slow.host] == 0 {
		t.Error("after a minute without a request it is not forgiven")
	}
	slow.latency.observe(p.now(), 10*time.Millisecond)
	for range 3 { // what is in flight counts as well
		if u, _ := p.pick(nil, nil); u == nil {
			t.Fatal("nobody was picked")
		}
	}
	for _, u := range p.upstreams {
		if u.inFlight.Load() != 1 {
			t.Errorf("%s has %d of 3", u.host, u.inFlight.Load())
		}
	}
}

func TestEWMAPrefersTheFasterServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.serve(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/slow") {
				time.Sleep(200 * time.Millisecond)
			} else {
				time.Sleep(5 * time.Millisecond)
			}
			_, _ = io.WriteString(w, "ok")
		})
		p := poolTo(t, toll.Service{Balance: toll.EWMA}, Options{dial: m.dial}, "http://127.0.0.1:9001/slow", "http://127.0.0.1:9001/fast")
		for range 50 {
			answer(t, p, request("GET", "/", ""))
		}
		if s := p.Status(); s[0].Answered != 1 || s[1].Answered != 49 {
			t.Errorf("slow %d, fast %d", s[0].Answered, s[1].Answered)
		}
	})
}

func TestPickingAllocatesNothing(t *testing.T) {
	for _, balance := range []toll.Balance{toll.RoundRobin, toll.LeastRequests, toll.EWMA} {
		p := names(t, toll.Service{Balance: balance, MaxInFlight: 8}, Options{}, 8)
		if n := testing.AllocsPerRun(100, func() {
			u, f := p.take(t.Context(), nil, nil)
			if f != nil {
				t.Fatal(f.cause)
			}
			p.release(u)
		}); n != 0 {
			t.Errorf("%s allocates %v times", balance, n)
		}
	}
}

func TestRefusesAServiceItCannotServe(t *testing.T) {
	t.Parallel()
	for name, svc := range map[string]toll.Service{
		"balance":   {Name: "ner", Balance: "best", Upstreams: []string{"http://127.0.0.1:9001"}},
		"upstreams": {Name: "ner"},
		"weights":   {Name: "ner", Upstreams: []string{"http://127.0.0.1:9001"}, Weights: []int{1, 1}},
		"weight":    {Name: "ner", Upstreams: []string{"http://127.0.0.1:9001"}, Weights: []int{-1}},
		"drained":   {Name: "ner", Upstreams: []string{"http://127.0.0.1:9001"}, Weights: []int{0}},
	} {
		_, err := NewPool(svc, Options{})
		if toll.CodeOf(err) != toll.Invalid || !strings.Contains(err.Error(), "ner") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadsAnUpstreamsAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]address{
		"http://127.0.0.1:9001":      {scheme: "http", host: "127.0.0.1:9001", base: ""},
		"http://ner.internal":        {scheme: "http", host: "ner.internal:80", base: ""},
		"https://ner.internal/":      {scheme: "https", host: "ner.internal:443", base: ""},
		"http://[::1]:9001/b%20c/v1": {scheme: "http", host: "[::1]:9001", base: "/b%20c/v1"},
		"h2c://ner.internal:9001":    {scheme: "http", h2c: true, host: "ner.internal:9001"},
		"http://[fe80::1%25eth0]":    {scheme: "http", host: "[fe80::1%eth0]:80", base: ""},
	} {
		if got, err := parseAddress(text); err != nil || got != want {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "127.0.0.1:9001", "ner", "http://", "http://:9001", "ftp://ner", "http://ner/?a=b", "http://ner/?", "http://ner/#x",
		"http://user:pass@ner", "http://ner:port", "http://a b", "http://ner\n"} {
		_, err := parseAddress(text)
		if toll.CodeOf(err) != toll.Invalid {
			t.Errorf("%q is taken: %v", text, err)
		} else if strings.Contains(err.Error(), "pass") {
			t.Errorf("the message shows a password: %v", err)
		}
	}
}

func FuzzReadsAnUpstreamsAddress(f *testing.F) {
	for _, seed := range []string{"http://127.0.0.1:9001", "https://[::1]/a%2fb", "http://u:p@h", "http://h?#", "//h", "http://h/\x7f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAddress(text)
		if err != nil {
			return
		}
		scheme := a.scheme
		if a.h2c {
			scheme = "h2c"
		}
		if again, err := parseAddress(scheme + "://" + strings.ReplaceAll(a.host, "%", "%25") + a.base); err != nil || again != a {
			t.Errorf("%q is %+v, which is %+v, %v", text, a, again, err)
		}
		if !printable(a.base) {
			t.Errorf("%q has the path %q", text, a.base)
		}
	})
}
