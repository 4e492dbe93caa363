package config

import (
	"strings"
	"testing"
)

func TestNoticesNameEachFieldThatIsNotActedUpon(t *testing.T) {
	t.Parallel()
	same(t, "the contract's notices", contract(t).Notices, []string{
		"testdata/contract.yml:8: listen.authorize: no service is delegated, so every question is answered with 404; say `delegated: true` on a service that another proxy forwards to",
	})
	c := mustParse(t, `listen: { admin: ":9900" }
console: { host: console.localhost }
services:
  a:
    balance: sticky
    upstreams: ["http://127.0.0.1:9001"]
    access: public
`)
	for _, want := range []string{
		"tollhouse.yml:1: listen.admin: other machines may reach \":9900\"",
	} {
		if !has(c.Notices, want) {
			t.Errorf("no notice %q in\n%s", want, strings.Join(c.Notices, "\n"))
		}
	}
	if len(c.Notices) != 1 {
		t.Errorf("%d notices:\n%s", len(c.Notices), strings.Join(c.Notices, "\n"))
	}
	if got := c.Services[0].Balance; got != "sticky" {
		t.Errorf("balances by %s", got)
	}
}

func has(list []string, prefix string) bool {
	for _, s := range list {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

func TestNoticesTellWhatIsOutOfReach(t *testing.T) {
	t.Parallel()
	const up = `upstreams: ["http://127.0.0.1:9001"]`
	for _, c := range []struct{ src, want string }{
		{"data: ./x\n", "tollhouse.yml:1: services: there are none"},
		{"services:\n  a: { host: a.example.com, " + up + " }\n", "tollhouse.yml:2: services.a: no plan includes it"},
		{"services:\n  a: { access: public, " + up + " }\n", "tollhouse.yml:2: services.a: it takes every host and path, so nobody reaches the console"},
		{"services:\n  a: { path: /a, access: public, " + up + " }\n", "tollhouse.yml:2: services.a: it takes its path on every host"},
		{"services:\n  a: { host: a.example.com, access: public, " + up + " }\nredis: redis://127.0.0.1:6379\n", "tollhouse.yml:3: redis: without `database` each server has customers and keys of its own"},
	} {
		if got := mustParse(t, c.src).Notices; len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
			t.Errorf("%q: got %q, want %q", c.src, got, c.want)
		}
	}
	quiet := "redis: redis://127.0.0.1:6379\ndatabase: postgres://u@127.0.0.1/t\nconsole: { host: c.example.com }\nservices:\n  a: { path: /a, " + up + " }\n  b: { path: /b, " + up + " }\nplans: { p: { includes: [a] } }\naddons: { more: { includes: [b] } }\n"
	if got := mustParse(t, quiet).Notices; len(got) != 0 {
		t.Errorf("notices without reason: %q", got)
	}
}

// A row of the table that names no field would never be said.
func TestEachRowOfTheTableIsAField(t *testing.T) {
	t.Parallel()
	known := map[string]spec{}
	eachSpec(func(path string, s spec) { known[path] = s })
	for _, row := range later {
		s, ok := known[row.pattern]
		if !ok {
			t.Errorf("%s is no field", row.pattern)
		}
		for _, word := range []string{row.word, row.instead} {
			if word != "" && !has(s.oneOf, word) {
				t.Errorf("%s is no word of %s", word, row.pattern)
			}
		}
		if row.says == "" || strings.HasSuffix(row.says, ".") {
			t.Errorf("%s: %q", row.pattern, row.says)
		}
	}
}
