package config

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const protection = `
console: { host: console.localhost }
services:
  all:
    path: /all
    access: public
    upstreams: ["http://127.0.0.1:9001"]
    allow: [203.0.113.0/24, "2001:db8::/32", "::ffff:10.0.0.0/104"]
    deny: [203.0.113.7]
    max_url: 2KB
    cors:
      origins: ["https://App.Example.com:443", "https://*.example.org", "http://[::1]:3000", "capacitor://localhost"]
      methods: [GET, PUT]
      headers: [X-Own]
      expose: [X-Told]
      credentials: true
      max_age: 1h
    security_headers: true
    x_ratelimit_headers: true
  some:
    path: /some
    access: public
    upstreams: ["http://127.0.0.1:9001"]
    cors: { origins: ["*"], expose: [] }
  none:
    path: /none
    access: public
    upstreams: ["http://127.0.0.1:9001"]
`

func TestReadsWhatAServiceIsProtectedBy(t *testing.T) {
	t.Parallel()
	c := mustParse(t, protection)
	all, _ := c.Service("all")
	same(t, "allow", all.Allow, []netip.Prefix{
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("10.0.0.0/8"),
	})
	same(t, "deny", all.Deny, []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32")})
	same(t, "max_url", all.MaxURL, 2000)
	same(t, "cors", all.CORS, toll.CORS{
		Origins: []string{"https://app.example.com", "https://*.example.org", "http://[::1]:3000", "capacitor://localhost"},
		Methods: []string{"GET", "PUT"}, Headers: []string{"X-Own"}, Expose: []string{"X-Told"}, Credentials: true, MaxAge: time.Hour,
	})
	same(t, "the two switches", []bool{all.SecurityHeaders, all.XRateLimit}, []bool{true, true})
	some, _ := c.Service("some")
	same(t, "cors by default", some.CORS, toll.CORS{
		Origins: []string{"*"}, Methods: []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"},
		Headers: []string{"Authorization", "Content-Type", "X-API-Key"}, MaxAge: 10 * time.Minute,
	})
	none, _ := c.Service("none")
	same(t, "no cors", none.CORS, toll.CORS{})
	same(t, "no lists", len(none.Allow)+len(none.Deny), 0)
	same(t, "max_url by default", none.MaxURL, 8<<10)
	same(t, "the two switches by default", []bool{none.SecurityHeaders, none.XRateLimit}, []bool{false, false})
}

func TestOriginsAreWhatBrowsersSend(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"*": "*", "HTTPS://App.Example.COM": "https://app.example.com", "http://a:80": "http://a", "https://a:80": "https://a:80",
		"https://*.Example.com:8443": "https://*.example.com:8443", "http://127.0.0.1:3000": "http://127.0.0.1:3000",
		"http://[0:0::1]": "http://[::1]", "moz-extension://b1c2": "moz-extension://b1c2",

		"null": "", "": "", "example.com": "", "//example.com": "", "https://": "", "https://*": "", "https://*.": "", "*.example.com": "",
		"https://a/": "", "https://a?": "", "https://a#": "", "https://a?x": "", "https://u@a": "", "https://a:": "", "https://a:0": "", "https://a:99999": "",
		"https://*.*.a": "", "https://a.*.b": "", "https://*a.b": "", "https://a b": "", "https://a,https://b": "", "https://a\r\nX: y": "",
		"https://ä.example": "", "https://*.127.0.0.1": "", "1https://a": "",
	} {
		var o origin
		err := o.parse(s)
		if (err == nil) != (want != "") || string(o) != want {
			t.Errorf("%q: %q, %v; want %q", s, o, err, want)
		}
	}
}
