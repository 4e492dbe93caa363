package edge_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const callerOrigin = "https://app.example.com" // of the page that calls

// sharing is a service that pages of one origin, and below one host, may call.
func sharing(s *toll.Service) {
	s.CORS = toll.CORS{
		Origins: []string{callerOrigin, "https://*.example.org"}, Methods: []string{"GET", "PUT"}, Headers: []string{"Authorization", "X-Own"},
		Expose: []string{"RateLimit", "X-Request-ID"}, Credentials: true, MaxAge: 10 * time.Minute,
	}
}

// cors gives what an answer says to browsers.
func cors(h http.Header) map[string]string {
	out := map[string]string{}
	for name := range h {
		if after, ok := strings.CutPrefix(name, "Access-Control-"); ok {
			out[after] = strings.Join(h[name], "; ")
		}
	}
	return out
}

func TestPreflightsAreAnsweredWithoutKeyAndCostNothing(t *testing.T) {
	t.Parallel()
	h := open(t, func(http.ResponseWriter, *http.Request) { t.Error("a preflight was forwarded") }, sharing)
	for range 10 { // more than the plan's limit
		response, body := h.call(t, "OPTIONS", "/v1/ner/x", "", "Authorization", "", "Origin", callerOrigin,
			"Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "x-own")
		if response.StatusCode != 204 || body != "" || response.Header.Get("Vary") != "Origin" || response.Header.Get("X-Request-Id") == "" {
			t.Fatalf("%s %v", response.Status, response.Header)
		}
		want := map[string]string{
			"Allow-Origin": callerOrigin, "Allow-Credentials": "true", "Allow-Methods": "GET, PUT",
			"Allow-Headers": "Authorization, X-Own", "Max-Age": "600", "Expose-Headers": "RateLimit, X-Request-ID",
		}
		if got := cors(response.Header); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("it says %v, want %v", got, want)
		}
	}
	for _, origin := range []string{"https://evil.test", "null", "https://evil.test#.example.org"} {
		response, _ := h.call(t, "OPTIONS", "/v1/ner/x", "", "Authorization", "", "Origin", origin, "Access-Control-Request-Method", "GET")
		if got := cors(response.Header); response.StatusCode != 204 || len(got) > 0 || response.Header.Get("Vary") != "Origin" {
			t.Errorf("%s: %s, told %v", origin, response.Status, got)
		}
	}
	if events, refusals := h.recorder.Events(), h.recorder.Refusals(); len(events)+len(refusals) > 0 {
		t.Errorf("preflights were counted: %v %v", events, refusals)
	}
}

func TestWhatIsNoPreflightNeedsAKey(t *testing.T) {
	t.Parallel()
	h := open(t, func(http.ResponseWriter, *http.Request) { t.Error("forwarded") }, sharing)
	for _, c := range []struct {
		method string
		fields []string
	}{
		{"OPTIONS", []string{"Origin", callerOrigin}},
		{"OPTIONS", []string{"Access-Control-Request-Method", "GET"}},
		{"GET", []string{"Origin", callerOrigin, "Access-Control-Request-Method", "GET"}},
	} {
		response, body := h.call(t, c.method, "/v1/ner/", "", append([]string{"Authorization", ""}, c.fields...)...)
		problemOf(t, response, body, 401, "key-missing")
	}
	without := open(t, func(http.ResponseWriter, *http.Request) { t.Error("forwarded") })
	response, body := without.call(t, "OPTIONS", "/v1/ner/", "", "Authorization", "", "Origin", callerOrigin, "Access-Control-Request-Method", "GET")
	problemOf(t, response, body, 401, "key-missing")
	if got := cors(response.Header); len(got) > 0 {
		t.Errorf("a service without cors says %v", got)
	}
}

func TestAllowedPagesCanReadEveryAnswerAndOthersNone(t *testing.T) {
	t.Parallel()
	service := func(w http.ResponseWriter, r *http.Request) {
		// What a service says itself does not count beside the configuration.
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Add("Vary", "Accept")
		if r.URL.Path == "/broken" {
			panic(http.ErrAbortHandler)
		}
	}
	public := open(t, service, sharing, func(s *toll.Service) { s.Access = toll.AccessPublic })
	keyed := open(t, service, sharing)
	for range 3 {
		keyed.call(t, "GET", "/v1/ner/", "")
	}
	for _, c := range []struct {
		h         *house
		path, key string
		status    int
	}{
		{public, "/v1/ner/", "", 200},
		{public, "/v1/ner/broken", "", 502},
		{keyed, "/v1/ner/", "", 401},
		{keyed, "/v1/ner/", "Bearer nonsense", 401},
		{keyed, "/v1/ner/", "Bearer " + keyed.key, 429},
	} {
		for origin, allowed := range map[string]bool{callerOrigin: true, "https://a.example.org": true, "https://evil.test": false, "": false} {
			fields := []string{"Authorization", c.key}
			if origin != "" {
				fields = append(fields, "Origin", origin)
			}
			response, _ := c.h.call(t, "GET", c.path, "", fields...)
			got := cors(response.Header)
			if response.StatusCode != c.status || !strings.Contains(response.Header.Get("Vary"), "Origin") {
				t.Errorf("%d from %q: %s, Vary %q", c.status, origin, response.Status, response.Header.Get("Vary"))
			}
			if allowed && (got["Allow-Origin"] != origin || got["Allow-Credentials"] != "true" || got["Expose-Headers"] == "") || !allowed && len(got) > 0 {
				t.Errorf("%d from %q: told %v", c.status, origin, got)
			}
		}
	}
}

func TestEverybodyIsToldSoWithoutCredentials(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, func(s *toll.Service) {
		s.Access = toll.AccessPublic
		s.CORS = toll.CORS{Origins: []string{"*"}, Methods: []string{"GET"}, Credentials: true} // as no configuration has it
	})
	for _, origin := range []string{callerOrigin, "https://evil.test", "null"} {
		response, _ := h.call(t, "GET", "/v1/ner/", "", "Origin", origin)
		if got := cors(response.Header); len(got) != 1 || got["Allow-Origin"] != "*" || response.Header.Get("Vary") != "" {
			t.Errorf("%s is told %v, Vary %q", origin, got, response.Header.Get("Vary"))
		}
	}
}

func TestRefusedAddressesComeBeforeTheKeyAndAreCounted(t *testing.T) {
	t.Parallel()
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	elsewhere := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	for _, c := range []struct {
		name        string
		allow, deny []netip.Prefix
		refused     bool
	}{
		{"allowed", loopback, nil, false},
		{"others are denied", nil, elsewhere, false},
		{"denied", nil, loopback, true},
		{"only others are allowed", elsewhere, nil, true},
		{"deny wins", loopback, loopback, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.refused {
					t.Error("forwarded")
				}
			}, sharing, func(s *toll.Service) { s.Allow, s.Deny = c.allow, c.deny })
			// Whoever it says it comes from: this peer is no trusted proxy.
			response, body := h.call(t, "GET", "/v1/ner/", "", "X-Forwarded-For", "203.0.113.9", "Forwarded", "for=203.0.113.9")
			if !c.refused {
				if response.StatusCode != 200 {
					t.Errorf("%s: %s", response.Status, body)
				}
				return
			}
			p := problemOf(t, response, body, 403, "address-refused")
			if !strings.Contains(p.Detail, "127.0.0.1") || response.Header.Get("RateLimit") != "" {
				t.Errorf("%q, RateLimit %q", p.Detail, response.Header.Get("RateLimit"))
			}
			response, body = h.call(t, "GET", "/v1/ner/", "", "Authorization", "Bearer nonsense")
			problemOf(t, response, body, 403, "address-refused")
			response, body = h.call(t, "OPTIONS", "/v1/ner/", "", "Origin", callerOrigin, "Access-Control-Request-Method", "GET")
			problemOf(t, response, body, 403, "address-refused")
			if refusals := h.recorder.Refusals(); len(refusals) != 3 || refusals[0].Reason != toll.RefusedAddress || refusals[0].Service != "ner" || refusals[0].Customer != "" {
				t.Errorf("the refusals are %+v", refusals)
			}
			if n := len(h.recorder.Events()); n != 0 {
				t.Errorf("%d events", n)
			}
		})
	}
}

func TestLongAddressesAre414(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, func(s *toll.Service) { s.MaxURL = 256 })
	path := func(length int) string { return "/v1/ner/x?q=" + strings.Repeat("x", length-len("/v1/ner/xq=")) }
	if response, body := h.call(t, "GET", path(256), ""); response.StatusCode != 204 {
		t.Errorf("as long as may be: %s %s", response.Status, body)
	}
	response, body := h.call(t, "GET", path(257), "")
	problemOf(t, response, body, 414, "url-too-long")
	response, body = h.call(t, "GET", "/v1/ner/"+strings.Repeat("x", 300), "", "Authorization", "")
	problemOf(t, response, body, 414, "url-too-long")
	if refusals := h.recorder.Refusals(); len(refusals) != 2 || refusals[0].Reason != toll.RefusedURL {
		t.Errorf("the refusals are %+v", refusals)
	}
}

func TestSecurityHeadersFillWhatTheServiceLeavesOut(t *testing.T) {
	t.Parallel()
	service := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "Apache/2.4.1")
		w.Header().Set("X-Powered-By", "PHP/5.2")
		switch r.URL.Path {
		case "/own":
			w.Header().Set("Referrer-Policy", "origin")
			w.Header().Set("X-Frame-Options", "DENY")
		case "/framed":
			w.Header().Set("Content-Security-Policy", "Frame-Ancestors https://partner.example")
		}
	}
	on := open(t, service, func(s *toll.Service) { s.SecurityHeaders, s.Access = true, toll.AccessPublic })
	for path, want := range map[string]map[string]string{
		"/": {
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "strict-origin-when-cross-origin", "X-Frame-Options": "SAMEORIGIN",
			"Cross-Origin-Opener-Policy": "same-origin-allow-popups", "Server": "", "X-Powered-By": "",
			"Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
		},
		"/own":    {"Referrer-Policy": "origin", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff"},
		"/framed": {"X-Frame-Options": "", "Content-Security-Policy": "Frame-Ancestors https://partner.example"},
	} {
		response, _ := on.call(t, "GET", "/v1/ner"+path, "")
		for name, value := range want {
			if got := response.Header.Get(name); got != value {
				t.Errorf("%s: %s %q, want %q", path, name, got, value)
			}
		}
	}
	off := open(t, service)
	response, _ := off.call(t, "GET", "/v1/ner/", "")
	if response.Header.Get("X-Frame-Options") != "" || response.Header.Get("Server") != "Apache/2.4.1" {
		t.Errorf("without security_headers: %v", response.Header)
	}
}

func TestXRateLimitFieldsTellTheTightestLimit(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Ratelimit-Limit", "the service's own") },
		func(s *toll.Service) {
			s.XRateLimit = true
			s.Policies = []toll.Policy{
				{Name: "wide", Kind: toll.RateLimit, Count: 1000, Window: time.Minute, Service: "ner"},
				{Name: "together", Kind: toll.ConcurrencyLimit, Count: 1, Service: "ner"},
				{Name: "shadow", Kind: toll.RateLimit, Count: 1, Window: time.Minute, Service: "ner", Shadow: true},
			}
		})
	for i := range 4 {
		before := time.Now().Unix()
		response, _ := h.call(t, "GET", "/v1/ner/", "")
		get := func(name string) int64 {
			n, err := strconv.ParseInt(response.Header.Get(name), 10, 64)
			if err != nil {
				t.Errorf("%s %q", name, response.Header.Get(name))
			}
			return n
		}
		if got := len(response.Header.Values("X-Ratelimit-Limit")); got != 1 {
			t.Errorf("%d fields", got)
		}
		if limit, left := get("X-Ratelimit-Limit"), get("X-Ratelimit-Remaining"); limit != 3 || left != max(0, int64(2-i)) {
			t.Errorf("call %d: %d of %d left", i+1, left, limit)
		}
		if at := get("X-Ratelimit-Reset"); at < before || at > time.Now().Unix()+61 {
			t.Errorf("call %d: reset at %d, now is %d", i+1, at, before)
		}
		if i == 3 {
			wait, _ := strconv.ParseInt(response.Header.Get("Retry-After"), 10, 64)
			if response.StatusCode != 429 || get("X-Ratelimit-Reset") < before+wait-1 {
				t.Errorf("%s: reset at %d, Retry-After %d from %d", response.Status, get("X-Ratelimit-Reset"), wait, before)
			}
		}
	}
	without := open(t, func(http.ResponseWriter, *http.Request) {})
	response, _ := without.call(t, "GET", "/v1/ner/", "")
	if got := response.Header.Get("X-Ratelimit-Limit"); got != "" {
		t.Errorf("without the switch: %q", got)
	}
}
