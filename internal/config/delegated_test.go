package config

import (
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const delegating = `listen: { https: ":443", authorize: "127.0.0.1:9901" }
console: { host: console.example.com }
services:
  plain: { host: plain.example.com, delegated: true }
  open: { host: open.example.com, access: public, delegated: {} }
  told: { host: told.example.com, delegated: { settle: true, within: 5m }, units: [words], bill: [2xx] }
  waits: { host: waits.example.com, delegated: { settle: true } }
  here: { host: here.example.com, delegated: false, upstreams: ["http://127.0.0.1:9001"] }
plans:
  any:
    includes: [plain, told, waits, here]
    limits: [ { name: minute, rate: 5/minute }, { name: parallel, concurrency: 2, service: told } ]
    quotas: [ { name: words, unit: words, limit: 100, every: month } ]
`

func TestReadsWhatIsDelegated(t *testing.T) {
	t.Parallel()
	c := mustParse(t, delegating)
	for name, want := range map[string]toll.Delegated{
		"plain": {On: true}, "open": {On: true}, "here": {},
		"told":  {On: true, Settle: true, Within: 5 * time.Minute},
		"waits": {On: true, Settle: true, Within: time.Minute},
	} {
		s, _ := c.Service(name)
		same(t, name, s.Delegated, want)
	}
	same(t, "hosts that need a certificate here", c.Hosts(), []string{"console.example.com", "here.example.com"})
	for _, n := range c.Notices {
		if !strings.Contains(n, "Let's Encrypt") { // example.com is nobody's
			t.Errorf("a notice without reason: %s", n)
		}
	}
}

func TestReadsWhoDecidesOutside(t *testing.T) {
	t.Parallel()
	c := mustParse(t, `console: { host: console.localhost }
services:
  a: { path: /a, access: forward_auth, forward_auth: { url: "https://sso.example.com/auth?rd=1", headers: [Remote-User, X_Groups] }, upstreams: ["http://127.0.0.1:9001"], limits: [ { name: flood, rate: 5/second } ] }
  b: { path: /b, access: forward_auth, forward_auth: { url: "http://127.0.0.1:4180", timeout: 300ms, max_body: 1MiB }, upstreams: ["http://127.0.0.1:9001"] }
`)
	a, _ := c.Service("a")
	same(t, "a", a.ForwardAuth, toll.ForwardAuth{URL: "https://sso.example.com/auth?rd=1", Timeout: 5 * time.Second, Headers: []string{"Remote-User", "X_Groups"}, MaxBody: 64 << 10})
	if len(a.Policies) != 1 || a.Policies[0].Partition != toll.PerIP { // nobody else can be told apart
		t.Errorf("its limits are %+v", a.Policies)
	}
	b, _ := c.Service("b")
	same(t, "b", b.ForwardAuth, toll.ForwardAuth{URL: "http://127.0.0.1:4180", Timeout: 300 * time.Millisecond, MaxBody: 1 << 20})
	if len(c.Notices) != 0 {
		t.Errorf("notices: %q", c.Notices)
	}
}

func TestSaysThatAPublicAuthorizeListenerIsDangerous(t *testing.T) {
	t.Parallel()
	c := mustParse(t, strings.Replace(delegating, "127.0.0.1:9901", "0.0.0.0:9901", 1))
	if !has(c.Notices, "tollhouse.yml:1: listen.authorize: other machines may reach") {
		t.Errorf("notices: %q", c.Notices)
	}
}
