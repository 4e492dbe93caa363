package upstream

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// sticky keeps a client on one upstream by a cookie. The cookie holds a keyed
// hash of the upstream's address: it says nothing to who has no key, and stays
// the same across restarts, replicas and other upstreams that come and go. It
// is not signed, for who makes one up gets no more than one of the upstreams
// that serve him anyway.
type sticky struct {
	key  []byte
	name string
	path string
}

func newSticky(svc toll.Service, key []byte) *sticky {
	if len(key) == 0 {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // it never fails
	}
	path := svc.Path
	if path == "" {
		path = "/"
	}
	// By its name, the cookie of one service does not hide that of another on
	// the same host. It must not begin like the console's, which no service sees.
	return &sticky{key: key, name: "th_sticky_" + svc.Name, path: path}
}

// id is what stands in the cookie for an upstream.
func (s *sticky) id(upstream string) string {
	h := hmac.New(sha256.New, s.key)
	_, _ = h.Write([]byte("tollhouse sticky\x00" + s.name + "\x00" + upstream))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:12])
}

// pinned takes the cookie off a request, and gives the upstream that it names;
// nil for none that is there.
func (p *Pool) pinned(fields http.Header) *upstream {
	value := p.sticky.takeOff(fields)
	if value == "" {
		return nil
	}
	for _, u := range p.upstreams {
		if u.id == value {
			return u
		}
	}
	return nil
}

// takeOff removes the cookie and returns its value; the first, when there are
// several. The service does not see it: it is between the client and us.
func (s *sticky) takeOff(fields http.Header) (value string) {
	lines := fields["Cookie"]
	var kept []string // a copy: the client's fields are not ours to change
	for i, line := range lines {
		if !strings.Contains(line, s.name) {
			if kept != nil {
				kept = append(kept, line)
			}
			continue
		}
		if kept == nil {
			kept = append(make([]string, 0, len(lines)), lines[:i]...)
		}
		var pairs []string
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.TrimSpace(pair)
			if name, v, _ := strings.Cut(pair, "="); name != s.name {
				pairs = append(pairs, pair)
			} else if value == "" {
				value = v
			}
		}
		if len(pairs) > 0 {
			kept = append(kept, strings.Join(pairs, "; "))
		}
	}
	switch {
	case kept == nil:
	case len(kept) == 0:
		delete(fields, "Cookie")
	default:
		fields["Cookie"] = kept
	}
	return value
}

// pin tells the client where it stays from now on. One whose upstream was only
// full goes back there next time.
func (p *Pool) pin(resp *exchange.Response, req *exchange.Request, u, before *upstream) {
	if u.weight == 0 || before != nil && !before.unhealthy.Load() && before.circuit.closed() {
		return
	}
	cookie := p.sticky.name + "=" + u.id + "; Path=" + p.sticky.path + "; HttpOnly; SameSite=Lax"
	if req.Secure {
		cookie += "; Secure"
	}
	resp.Header.Add("Set-Cookie", cookie)
}
