package upstream

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// stuck makes a sticky pool over n real servers that say their number and the
// Cookie field that they got.
func stuck(t *testing.T, n int, svc toll.Service) *Pool {
	var all []string
	for i := range n {
		all = append(all, server(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Add("Set-Cookie", "own=1")
			_, _ = io.WriteString(w, string(rune('0'+i))+" "+strings.Join(r.Header.Values("Cookie"), "|"))
		}))
	}
	svc.Balance, svc.Path = toll.Sticky, "/v1"
	return poolTo(t, svc, Options{StickyKey: []byte("key")}, all...)
}

// visit sends a request with cookies and gives who answered, what Cookie it
// saw, and our cookie of the answer, whole and as its pair.
func visit(t *testing.T, p *Pool, secure bool, cookies ...string) (who, saw, set, pair string) {
	t.Helper()
	req := request("GET", "/", "")
	req.Secure = secure
	for _, c := range cookies {
		req.Header.Add("Cookie", c)
	}
	resp, body := answer(t, p, req)
	for _, v := range resp.Header.Values("Set-Cookie") {
		if strings.HasPrefix(v, "th_sticky_ner=") {
			set = v
		}
	}
	if own := resp.Header.Values("Set-Cookie"); len(own) == 0 || own[0] != "own=1" {
		t.Errorf("the service's own cookie is lost: %v", own)
	}
	who, saw, _ = strings.Cut(body, " ")
	pair, _, _ = strings.Cut(set, ";")
	return who, saw, set, pair
}

func TestACookieKeepsAClientOnOneUpstream(t *testing.T) {
	t.Parallel()
	p := stuck(t, 3, toll.Service{})
	seen := map[string]bool{}
	for range 3 { // three clients, spread in turn
		first, _, set, pair := visit(t, p, false)
		if !strings.HasSuffix(set, "; Path=/v1; HttpOnly; SameSite=Lax") || strings.Contains(set, "127.0.0.1") {
			t.Errorf("the cookie is %q", set)
		}
		seen[first] = true
		for range 5 {
			who, saw, again, _ := visit(t, p, false, "a=b; "+pair+"; c=\"d\"", pair, "e=f")
			if who != first || again != "" {
				t.Errorf("it went from %s to %s, with %q", first, who, again)
			}
			if saw != "a=b; c=\"d\"|e=f" {
				t.Errorf("the service saw %q", saw)
			}
		}
	}
	if len(seen) != 3 {
		t.Errorf("three clients went to %v", seen)
	}
	if _, _, set, _ := visit(t, p, true); !strings.HasSuffix(set, "; Secure") {
		t.Errorf("over TLS the cookie is %q", set)
	}
	if _, saw, set, _ := visit(t, p, false, "th_sticky_ner=made-up"); set == "" || saw != "" {
		t.Errorf("one that nobody made: %q, and the service saw %q", set, saw)
	}
	if _, saw, _, _ := visit(t, p, false, "th_sticky_nerd=x; not_th_sticky_ner=y"); saw != "th_sticky_nerd=x; not_th_sticky_ner=y" {
		t.Errorf("of others' cookies the service saw %q", saw)
	}
}

func TestAClientMovesWhenItsUpstreamIsOut(t *testing.T) {
	t.Parallel()
	p := stuck(t, 2, toll.Service{MaxInFlight: 1})
	first, _, _, pair := visit(t, p, false)
	home := p.upstreams[first[0]-'0']

	home.inFlight.Add(1) // full
	if who, _, set, _ := visit(t, p, false, pair); who == first || set != "" {
		t.Errorf("while it is full: %s, %q", who, set)
	}
	home.inFlight.Add(-1)
	if who, _, set, _ := visit(t, p, false, pair); who != first || set != "" {
		t.Errorf("after that: %s, %q", who, set)
	}
	p.bad(home, refusedConnection)
	who, _, _, moved := visit(t, p, false, pair)
	if who == first || moved == "" || moved == pair {
		t.Errorf("while it is out: %s, %q", who, moved)
	}
	p.good(home, true)
	if again, _, set, _ := visit(t, p, false, moved); again != who || set != "" {
		t.Errorf("it does not stay: %s, %q", again, set)
	}
}

func TestADrainedUpstreamKeepsItsClients(t *testing.T) {
	t.Parallel()
	p := stuck(t, 2, toll.Service{Weights: []int{0, 1}})
	drained := "th_sticky_ner=" + p.upstreams[0].id
	for range 4 {
		if who, _, _, _ := visit(t, p, false); who != "1" {
			t.Errorf("a new client went to %s", who)
		}
		if who, _, set, _ := visit(t, p, false, drained); who != "0" || set != "" {
			t.Errorf("an old client went to %s, %q", who, set)
		}
	}
}

func TestCookiesAreTheSameForAllReplicas(t *testing.T) {
	t.Parallel()
	svc := toll.Service{Balance: toll.Sticky}
	a := names(t, svc, Options{StickyKey: []byte("key")}, 3)
	b := names(t, svc, Options{StickyKey: []byte("key")}, 4)
	c := names(t, svc, Options{}, 3)
	for i, u := range a.upstreams {
		if u.id != b.upstreams[i].id || u.id == c.upstreams[i].id || len(u.id) != 16 {
			t.Errorf("%s is %s, %s and %s", u.name, u.id, b.upstreams[i].id, c.upstreams[i].id)
		}
	}
}

func FuzzTakesOnlyItsOwnCookieOff(f *testing.F) {
	for _, seed := range []string{"", "a=b", "th_sticky_ner=x", " th_sticky_ner=x ;a", "a=b;; th_sticky_ner; c", ";", "th_sticky_ner==;="} {
		f.Add(seed)
	}
	s := newSticky(toll.Service{Name: "ner"}, []byte("key"))
	f.Fuzz(func(t *testing.T, line string) {
		from := exchange.Fields{"Cookie": {"first=1", line}}
		fields := http.Header{"Cookie": from["Cookie"]}
		s.takeOff(fields)
		if from["Cookie"][1] != line {
			t.Error("the client's own fields were changed")
		}
		for _, kept := range fields["Cookie"] {
			for pair := range strings.SplitSeq(kept, ";") {
				if name, _, _ := strings.Cut(strings.TrimSpace(pair), "="); name == s.name {
					t.Errorf("%q is left of %q", kept, line)
				}
			}
		}
		if fields["Cookie"][0] != "first=1" {
			t.Errorf("what stood beside it is %q", fields["Cookie"])
		}
		if !strings.Contains(line, s.name) && fields["Cookie"][1] != line {
			t.Errorf("%q became %q", line, fields["Cookie"][1])
		}
	})
}
