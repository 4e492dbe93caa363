package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// knownCacheFailures are the required tests of the public suite that fail here,
// each with its reason in docs/caching.md.
var knownCacheFailures = []string{
	"headers-store-Set-Cookie", "headers-store-Content-Range", "headers-store-Transfer-Encoding",
}

const suiteConfig = `
listen: { http: "127.0.0.1:%d", admin: "127.0.0.1:0" }
data: %q
console: { host: console.localhost }
services:
  suite: { access: public, upstreams: ["http://127.0.0.1:%d"], cache: { default_ttl: 1m } }
`

// The suite's own configuration for nginx (docker/nginx there).
const suiteNginx = `
daemon off;
%[1]s
pid %[2]s/pid;
error_log %[2]s/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[2]s/b; fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s; proxy_temp_path %[2]s/p;
  proxy_cache_path %[2]s/cache levels=1:2 keys_zone=my-cache:8m max_size=1000m inactive=600m;
  server {
    listen 127.0.0.1:%[3]d;
    location / { proxy_pass http://127.0.0.1:%[4]d; proxy_cache my-cache; proxy_cache_revalidate on; proxy_http_version 1.1; }
  }
}
`

// TestKeepsToTheRulesAsThePublicSuiteHasThem runs http-tests/cache-tests, of which
// CACHE_TESTS names a checkout, against the cache, and beside it against nginx and
// Varnish where they are installed (make proof-cache).
func TestKeepsToTheRulesAsThePublicSuiteHasThem(t *testing.T) {
	suite := os.Getenv("CACHE_TESTS")
	if suite == "" {
		t.Skip("CACHE_TESTS names no checkout of http-tests/cache-tests; make proof-cache says how")
	}
	suite, err := filepath.Abs(suite)
	if err != nil {
		t.Fatal(err)
	}
	cases := suiteCases(t, suite)
	dir, origin := t.TempDir(), freePort(t)
	spawn(t, origin, "node", []string{"npm_config_protocol=http", fmt.Sprintf("npm_config_port=%d", origin), "npm_config_pidfile=" + filepath.Join(dir, "pid-origin")},
		filepath.Join(suite, "test-engine", "server", "server.mjs"))

	at := freePort(t)
	file := filepath.Join(dir, "tollhouse.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, suiteConfig, at, filepath.Join(dir, "data"), origin), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, "serves at", "serve", "--config", file)
	names, results := []string{"Tollhouse"}, []map[string]any{runSuite(t, suite, at)}

	if _, err := exec.LookPath("nginx"); err == nil {
		at, conf, user := freePort(t), filepath.Join(dir, "nginx.conf"), ""
		if os.Getuid() == 0 {
			user = "user root;"
		}
		if err := os.WriteFile(conf, fmt.Appendf(nil, suiteNginx, user, dir, at, origin), 0o600); err != nil {
			t.Fatal(err)
		}
		spawn(t, at, "nginx", nil, "-p", dir, "-c", conf)
		names, results = append(names, "nginx"), append(results, runSuite(t, suite, at))
	}
	if _, err := exec.LookPath("varnishd"); err == nil {
		at := freePort(t)
		spawn(t, at, "varnishd", nil, "-F", "-n", filepath.Join(dir, "varnish"), "-s", "malloc,64m",
			"-a", fmt.Sprintf("127.0.0.1:%d", at), "-b", fmt.Sprintf("127.0.0.1:%d", origin))
		names, results = append(names, "Varnish"), append(results, runSuite(t, suite, at))
	}

	table(t, cases, names, results)
	for _, c := range cases {
		if c.Kind == "required" && results[0][c.ID] != true && !slices.Contains(knownCacheFailures, c.ID) {
			t.Errorf("%s (%s): %v", c.ID, c.Name, results[0][c.ID])
		}
	}
}

// suiteCase is one test of the suite.
type suiteCase struct{ ID, Suite, Name, Kind string }

// suiteCases lists what can be asked of a shared cache.
func suiteCases(t *testing.T, suite string) (all []suiteCase) {
	t.Helper()
	program := fmt.Sprintf(`import tests from %q
		console.log(JSON.stringify(tests.flatMap(s => s.tests.filter(x => !x.browser_only).map(x => ({ id: x.id, suite: s.name, name: x.name, kind: x.kind ?? 'required' })))))`,
		filepath.Join(suite, "tests", "index.mjs"))
	out, err := exec.Command("node", "--input-type=module", "-e", program).Output()
	if err != nil {
		t.Fatalf("reading the suite at %s: %v", suite, err)
	}
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// runSuite runs all tests against a port, and gives what became of each: true, or
// the kind of failure and its text.
func runSuite(t *testing.T, suite string, port int) (results map[string]any) {
	t.Helper()
	cmd := exec.Command("node", "--no-warnings", filepath.Join(suite, "test-engine", "cli.mjs"))
	cmd.Env = append(os.Environ(), fmt.Sprintf("npm_config_base=http://127.0.0.1:%d", port), "npm_config_id=", "npm_package_config_id=")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the suite: %v", err)
	}
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("the suite printed %.200q: %v", out, err)
	}
	return results
}

// spawn starts a server, which ends with the test, and waits for its port.
func spawn(t *testing.T, port int, program string, env []string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	said := newWatched()
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // with its children
		_ = cmd.Wait()
	})
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("localhost:%d", port))
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not listen: %v: %s", program, err, said)
		}
	}
}

// table logs how many tests of each part of the suite each cache passes, and which
// required ones ours does not.
func table(t *testing.T, cases []suiteCase, names []string, results []map[string]any) {
	t.Helper()
	type tally struct{ of, passed []int } // required, optimal; by cache
	part := func(kind string) int {
		return map[string]int{"required": 0, "optimal": 1}[kind]
	}
	sums, parts := map[string]*[2]tally{}, []string{}
	for _, c := range cases {
		if c.Kind == "check" { // it says what a cache does, not what it should
			continue
		}
		for _, name := range []string{c.Suite, "all"} {
			s := sums[name]
			if s == nil {
				s = &[2]tally{}
				for i := range s {
					s[i] = tally{of: make([]int, len(names)), passed: make([]int, len(names))}
				}
				sums[name] = s
				if name != "all" {
					parts = append(parts, name)
				}
			}
			for i, r := range results {
				s[part(c.Kind)].of[i]++
				if r[c.ID] == true {
					s[part(c.Kind)].passed[i]++
				}
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n| part of the suite |")
	for _, name := range names {
		fmt.Fprintf(&b, " %s: required | optional |", name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|---|", len(names)))
	for _, name := range append(parts, "all") {
		shown := cmp.Or(map[bool]string{true: "**all**"}[name == "all"], name)
		fmt.Fprintf(&b, "\n| %s |", shown)
		for i := range names {
			for kind := range 2 {
				s := sums[name][kind]
				if s.of[i] == 0 {
					b.WriteString(" – |")
					continue
				}
				fmt.Fprintf(&b, " %d of %d |", s.passed[i], s.of[i])
			}
		}
	}
	t.Log(b.String())
	for _, c := range cases {
		if c.Kind == "required" && results[0][c.ID] != true {
			t.Logf("not passed: %s (%s): %v", c.ID, c.Name, results[0][c.ID])
		}
	}
}
