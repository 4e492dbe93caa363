package config

import (
	"slices"
	"strings"
	"testing"
)

const changeBase = `listen: { http: "127.0.0.1:8080" }
database: "postgres://u:hunter2@db/tollhouse"
secrets:
  authorize: "literal-secret-of-mine-0123456789"
  session: "${SESSION}"
services:
  ner:
    path: /v1/ner
    upstreams: ["http://127.0.0.1:9001", "http://127.0.0.1:9002"]
    max_in_flight: 64
    cache: { purge_hooks: [ { on: [all], url: "https://cdn.example/purge", headers: [ { name: Fastly-Key, value: "literal-key-of-mine" } ] } ] }
plans:
  free:
    name: Free
    includes: [ner]
    limits:
      - { name: minute, rate: 10/minute }
      - { name: parallel, concurrency: 2 }
`

func changesOf(t *testing.T, edit func(string) string, session string) []string {
	t.Helper()
	load := func(text, session string) *Config {
		env := environment{lookup: func(string) (string, bool) { return session, true }}
		c, err := parseWith("tollhouse.yml", []byte(text), env)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const first = "a-session-secret-0123456789abcdef"
	if session == "" {
		session = first
	}
	var out []string
	for _, c := range Changes(load(changeBase, first), load(edit(changeBase), session)) {
		out = append(out, c.String())
	}
	return out
}

func TestSaysWhatAConfigurationHasOtherwise(t *testing.T) {
	t.Parallel()
	swap := func(pairs ...string) func(string) string {
		return func(s string) string {
			for i := 0; i < len(pairs); i += 2 {
				if !strings.Contains(s, pairs[i]) {
					t.Fatalf("%q is not in the file", pairs[i])
				}
			}
			return strings.NewReplacer(pairs...).Replace(s)
		}
	}
	for name, c := range map[string]struct {
		edit    func(string) string
		session string
		want    []string
	}{
		"nothing":                   {edit: func(s string) string { return s }},
		"a comment and blank lines": {edit: func(s string) string { return "# mine\n\n" + s + "\n# end\n" }},
		"another order": {edit: swap(`    path: /v1/ner
    upstreams: ["http://127.0.0.1:9001", "http://127.0.0.1:9002"]
`, `    upstreams: ["http://127.0.0.1:9001", "http://127.0.0.1:9002"]
    path: /v1/ner
`)},
		"a value":              {edit: swap("max_in_flight: 64", "max_in_flight: 65"), want: []string{"services.ner.max_in_flight: 64 → 65"}},
		"a limit, by its name": {edit: swap("10/minute", "20/minute"), want: []string{"plans.free.limits[minute].rate: 10/minute → 20/minute"}},
		"limits in another order": {edit: swap(`      - { name: minute, rate: 10/minute }
      - { name: parallel, concurrency: 2 }
`, `      - { name: parallel, concurrency: 2 }
      - { name: minute, rate: 10/minute }
`)},
		"a list": {edit: swap(`, "http://127.0.0.1:9002"`, ""), want: []string{"services.ner.upstreams: [http://127.0.0.1:9001, http://127.0.0.1:9002] → [http://127.0.0.1:9001]"}},
		"new":    {edit: swap("    max_in_flight: 64", "    max_in_flight: 64\n    strip_path: true"), want: []string{"services.ner.strip_path: new, true"}},
		"gone":   {edit: swap("    max_in_flight: 64\n", ""), want: []string{"services.ner.max_in_flight: gone, was 64"}},
		"a password": {
			edit: swap("hunter2", "hunter3"),
			want: []string{"database: postgres://u:[redacted]@db/tollhouse stands for another value"},
		},
		"a secret": {
			edit: swap("literal-secret-of-mine", "literal-secret-of-yours"),
			want: []string{"secrets.authorize: [redacted] stands for another value"},
		},
		"a CDN's key": {
			edit: swap("literal-key-of-mine", "literal-key-of-yours"),
			want: []string{"services.ner.cache.purge_hooks[0].headers[Fastly-Key].value: [redacted] stands for another value"},
		},
		"the environment": {
			edit: func(s string) string { return s }, session: "another-session-secret-0123456789",
			want: []string{"secrets.session: ${SESSION} stands for another value"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := changesOf(t, c.edit, c.session); !slices.Equal(got, c.want) {
				t.Errorf("changes are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}
