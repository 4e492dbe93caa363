package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExpandsReferences(t *testing.T) {
	t.Parallel()
	env := environment{
		lookup: func(name string) (string, bool) {
			v, ok := map[string]string{"HOST": "db", "EMPTY": "", "NESTED": "${HOST}"}[name]
			return v, ok
		},
		read: func(path string) (string, error) { return "<" + path + ">", nil },
	}
	for _, c := range []struct {
		in, want string
		expanded bool
	}{
		{"plain $HOST and $ and }", "plain $HOST and $ and }", false},
		{"${HOST}", "db", true},
		{"a ${HOST} b ${HOST} c", "a db b db c", true},
		{"${EMPTY}", "", true},
		{"${EMPTY:-x}", "x", true},
		{"${NONE:-}", "", true},
		{"${NONE:-postgres://a:b@c/d}", "postgres://a:b@c/d", true},
		{"${HOST:-x}", "db", true},
		{"${NESTED}", "${HOST}", true}, // what came in is taken as it is
		{"${file:/a b/c}", "</a b/c>", true},
		{"$${HOST}", "${HOST}", false},
		{"$$${HOST}", "$${HOST}", false},
	} {
		got, expanded, err := env.expand(c.in)
		if err != nil || got != c.want || expanded != c.expanded {
			t.Errorf("%q: got %q, %v, %v; want %q, %v", c.in, got, expanded, err, c.want, c.expanded)
		}
	}
	for in, says := range map[string]string{
		"${NONE}":     "the environment variable NONE is not set",
		"${HOST":      "is not closed",
		"${}":         "names no variable",
		"${1A}":       "names no variable",
		"${HOST:+x}":  "names no variable",
		"a ${NONE} b": "NONE is not set",
	} {
		if got, _, err := env.expand(in); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %q, %v; want an error with %q", in, got, err, says)
		}
	}
}

func TestReadsSecretsFromSmallRegularFilesOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if got, err := readSecret(write("good", "a secret \r\n\n")); err != nil || got != "a secret " {
		t.Errorf("got %q, %v", got, err)
	}
	for path, says := range map[string]string{
		"":                              "the path is missing",
		filepath.Join(dir, "none"):      "there is no such file",
		dir:                             "not a regular file",
		"/dev/null":                     "not a regular file",
		write("empty", "\n"):            "the file is empty",
		filepath.Join(dir, "good", "x"): "not a directory",
		write("large", strings.Repeat("x", maxSecretBytes+1)): "a secret has at most",
	} {
		if got, err := readSecret(path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %q, %v; want an error with %q", path, got, err, says)
		}
	}
}

func TestReferencesWorkInEveryValueAndInNoName(t *testing.T) {
	t.Parallel()
	env := environment{lookup: func(name string) (string, bool) {
		v, ok := map[string]string{"N": "7", "D": "3s", "YES": "true", "UP": "http://127.0.0.1:9001", "NAME": "api"}[name]
		return v, ok
	}}
	src := `
services:
  api:
    path: /${NAME}
    access: "${A:-public}"
    upstreams: ["${UP}"]
    strip_path: ${YES}
    max_in_flight: ${N}
    timeouts:
      connect: ${D}
    limits: [ { name: "l${N}", rate: "${N}/minute" } ]
`
	c, err := parseWith("tollhouse.yml", []byte(src), env)
	if err != nil {
		t.Fatal(err)
	}
	api := c.Services[0]
	if api.Path != "/api" || !api.StripPath || api.MaxInFlight != 7 || api.Timeouts.Connect.String() != "3s" || api.Policies[0].Name != "l7" || api.Policies[0].Count != 7 {
		t.Errorf("got %+v", api)
	}
	if _, err := parseWith("tollhouse.yml", []byte("services:\n  ${NAME}:\n    upstreams: [\"${UP}\"]\n"), env); err == nil {
		t.Error("a name was expanded")
	}
}
