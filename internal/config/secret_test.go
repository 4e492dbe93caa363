package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretsDoNotShowInAnyForm(t *testing.T) {
	t.Parallel()
	src := `
database: postgres://tollhouse:opensesame-database@127.0.0.1/tollhouse
redis: redis://:opensesame-redis@127.0.0.1:6379
secrets:
  session: opensesame-session-0123456789
  authorize: opensesame-authorize-0123456789
  stripe: opensesame-stripe
console: { host: console.localhost }
`
	c := mustParse(t, src)
	if !strings.Contains(c.Database.Reveal(), "opensesame-database") || !strings.Contains(c.Secrets.Stripe.Reveal(), "opensesame-stripe") {
		t.Fatal("the secrets were not read")
	}
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&b, verb, *c)
	}
	slog.New(slog.NewJSONHandler(&b, nil)).Info("configuration", "config", c, "secrets", c.Secrets)
	if err := json.NewEncoder(&b).Encode(c); err != nil {
		t.Fatal(err)
	}
	b.WriteString(strings.Join(c.Notices, "\n"))
	if strings.Contains(b.String(), "opensesame") {
		t.Errorf("shown: %s", b.String())
	}
}

func TestExcerptsBlotOutLiteralSecretsAndNothingElse(t *testing.T) {
	t.Parallel()
	lines := [][2]string{
		{`database: "postgres://u:hunter2@h/d"`, `database: "postgres://u:[redacted]@h/d"`},
		{`database: "postgres://u:${PW}@h/d"`, `database: "postgres://u:${PW}@h/d"`},
		{`database: postgres://u:p@ss@h/d # x`, `database: postgres://u:[redacted]@h/d # x`},
		{`secrets: { session: hunter2, stripe: "x" }`, `secrets: { session: [redacted]`},
		{`secrets: { session: "${A}", stripe: hunter2 }`, `secrets: { session: "${A}", stripe: [redacted]`},
		{`secrets: # all of them`, `secrets: # all of them`},
		{`  session: ${file:/run/secrets/session}`, `  session: ${file:/run/secrets/session}`},
		{`  session: ${S:-hunter2}x`, `  session: [redacted]`},
		{`  session: ${S:-hunter2}`, `  session: [redacted]`},
		{`  session: "${S:-}" # none`, `  session: "${S:-}" # none`},
		{`  session:hunter2`, `  session:[redacted]`},
		{`  stripe: 'hunter2'`, `  stripe: [redacted]`},
		{`  stripe: |`, `  stripe: [redacted]`},
		{`    hunter2`, `    [redacted]`},
		{`  # a comment`, `  # a comment`},
		{`listen: { authorize: "127.0.0.1:9901" }`, `listen: { authorize: "127.0.0.1:9901" }`},
		{`  http: 8080`, `  http: 8080`},
	}
	s := &source{}
	for _, l := range lines {
		s.lines = append(s.lines, l[0])
	}
	for i, l := range lines {
		if got := s.blot(i + 1); got != l[1] {
			t.Errorf("%q: got %q, want %q", l[0], got, l[1])
		}
	}
}
