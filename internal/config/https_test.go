package config

import (
	"strings"
	"testing"
	"time"
)

func TestReadsWhatConcernsHTTPS(t *testing.T) {
	t.Parallel()
	const rest = "\nconsole: { host: console.example.com }\nservices: { a: { host: \"*.example.com\", access: public, upstreams: [\"http://127.0.0.1:9001\"] }, b: { host: api.example.com, path: /b, access: public, upstreams: [\"http://127.0.0.1:9001\"] } }\n"
	const half = 180 * 24 * time.Hour
	for _, c := range []struct {
		src      string
		redirect bool
		hsts     time.Duration
	}{
		{`listen: {}`, false, 0},
		{`listen: { redirect_http: true, hsts: 1d }`, false, 0}, // there is no HTTPS to go to
		{`listen: { https: ":443" }`, true, half},
		{`listen: { https: ":443", hsts: off }`, true, 0},
		{`listen: { https: ":443", hsts: 730d }`, true, 730 * 24 * time.Hour},
		{`listen: { https: ":443", redirect_http: false }`, false, 0},
		{`listen: { https: ":443", redirect_http: false, hsts: 1h }`, false, time.Hour},
	} {
		got := mustParse(t, c.src+rest)
		if got.Listen.RedirectHTTP != c.redirect || got.Listen.HSTS != c.hsts {
			t.Errorf("%s: redirect %v, HSTS %s", c.src, got.Listen.RedirectHTTP, got.Listen.HSTS)
		}
		same(t, "hosts", got.Hosts(), []string{"console.example.com", "*.example.com", "api.example.com"})
	}
	c := mustParse(t, `listen: { https: ":443" }
acme: { email: ops@example.com, staging: true }
certificates: [ { cert: a.pem, key: a.key }, { cert: b.pem, key: b.key } ]`+rest)
	same(t, "acme", c.ACME, ACME{Email: "ops@example.com", Staging: true})
	same(t, "certificates", c.Certificates, []Certificate{{"a.pem", "a.key"}, {"b.pem", "b.key"}})
}

func TestNoticesTellWhatNoCertificateCanBeHadFor(t *testing.T) {
	t.Parallel()
	const services = "services: { a: { host: HOST, access: public, upstreams: [\"http://127.0.0.1:9001\"] } }\n"
	const https = "listen: { https: \":443\" }\n"
	for _, c := range []struct{ head, host, want string }{
		{https, "app.localhost", "services.a.host: Let's Encrypt gives no certificate"},
		{https, "intranet", "services.a.host: Let's Encrypt gives no certificate"},
		{https, "nas.home.arpa", "services.a.host: Let's Encrypt gives no certificate"},
		{https, "app.example.com", ""},
		{https + "acme: { directory: https://ca.internal/dir }\n", "app.internal", ""},
		{https + "certificates: [ { cert: a, key: b } ]\n", "app.internal", ""},
		{"acme: { staging: true }\n", "app.example.com", "acme: it says something about HTTPS, which this file does not turn on"},
		{"listen: { hsts: 1d }\n", "app.example.com", "listen.hsts: it says something about HTTPS"},
		{"certificates: [ { cert: a, key: b } ]\n", "app.example.com", "certificates: it says something about HTTPS"},
	} {
		got := mustParse(t, c.head+strings.Replace(services, "HOST", c.host, 1)).Notices
		if c.want == "" && len(got) == 0 {
			continue
		}
		if len(got) != 1 || c.want == "" || !strings.Contains(got[0], c.want) {
			t.Errorf("%s%s: notices %q, want %q", c.head, c.host, got, c.want)
		}
	}
}
