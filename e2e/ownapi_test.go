package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What the README says under "Put it before your own API", from an empty directory.
func TestOnesOwnAPIHasAConsoleBesideIt(t *testing.T) {
	t.Parallel()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "for ", r.Header.Get("Tollhouse-Plan"))
	}))
	t.Cleanup(service.Close)
	file := filepath.Join(t.TempDir(), "tollhouse.yml")
	data := filepath.Join(filepath.Dir(file), "data")
	if stdout, stderr, status := tollhouse(t, "init", "--config", file, "--upstream", service.URL); status != 0 || !strings.Contains(stdout, "tollhouse serve --config "+file) {
		t.Fatalf("init: exit %d\n%s%s", status, stdout, stderr)
	}
	// The flags win over the file, also when the server has looked at it again.
	p := start(t, "serves at", "serve", "--config", file, "--data", data, "--listen", "127.0.0.1:0")
	said := p.stdout.String()
	if strings.Contains(said, "admin") {
		t.Errorf("there is no admin listener, and it said %q", said)
	}
	url := strings.Fields(strings.SplitAfter(said, "serves at ")[1])[0]
	out := ask[struct{ Changed, Restart []string }](t, "reload", "--data", data)
	if len(out.Changed)+len(out.Restart) != 0 {
		t.Errorf("a reload of the same file: %+v", out)
	}

	sign := ask[signIn](t, "operator", "create", "--data", data, "--email", "you@example.com")
	c := ask[customer](t, "customer", "create", "--data", data, "--name", "ACME", "--plan", "free")
	k := ask[key](t, "key", "create", "--data", data, "--customer", c.ID, "--name", "ci", "--expires", "30d", "--service", "api")

	at := func(method, host, path string, fields ...string) (*http.Response, string) {
		t.Helper()
		request, err := http.NewRequest(method, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		for i := 0; i < len(fields); i += 2 {
			request.Header.Set(fields[i], fields[i+1])
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		return response, body(t, response)
	}
	if response, text := at("GET", "localhost", "/hello", "X-API-Key", k.Key); response.StatusCode != 200 || text != "for free" {
		t.Errorf("the API: %s %s", response.Status, text)
	}
	// The service takes every host, and yet not the console's.
	if response, text := at("GET", "console.localhost", "/sign-in", "Accept", "text/html"); response.StatusCode != 200 || !strings.Contains(text, `name="password"`) {
		t.Errorf("the console: %s %s", response.Status, text)
	}
	if sign.Password == "" {
		t.Error("the operator has no password")
	}
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	var all bytes.Buffer
	if _, err := all.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// From the wrong directory, the data directory of the file is another one.
func TestACommandInTheWrongDirectorySaysSoAndMakesNothing(t *testing.T) {
	t.Parallel()
	dir, wrong := t.TempDir(), t.TempDir()
	file := filepath.Join(dir, "tollhouse.yml")
	in := func(where string, args ...string) (stdout, stderr string, err error) {
		cmd := exec.CommandContext(t.Context(), binary, append(args, "--config", file)...)
		var out, errs bytes.Buffer
		cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = where, &out, &errs, time.Second
		err = cmd.Run()
		return out.String(), errs.String(), err
	}
	if _, stderr, err := in(dir, "init"); err != nil {
		t.Fatal(stderr, err)
	}
	_, stderr, err := in(dir, "customer", "create", "--name", "ACME", "--plan", "free")
	if err != nil || !strings.Contains(stderr, "begun in "+filepath.Join(dir, "tollhouse-data")) {
		t.Errorf("the first customer: %q %v", stderr, err)
	}
	if stdout, stderr, err := in(dir, "customer", "list"); err != nil || !strings.Contains(stdout, "ACME") || stderr != "" {
		t.Errorf("in the right directory: %q %q %v", stdout, stderr, err)
	}
	for _, args := range [][]string{{"customer", "list"}, {"usage", "audit"}, {"billing", "preview"}} {
		stdout, stderr, err := in(wrong, args...)
		if err == nil || !strings.Contains(stderr, filepath.Join(wrong, "tollhouse-data")) || !strings.Contains(stderr, "--data") {
			t.Errorf("%v in the wrong directory: %q %q %v", args, stdout, stderr, err)
		}
	}
	if left, err := os.ReadDir(wrong); err != nil || len(left) != 0 {
		t.Errorf("it left %v (%v)", left, err)
	}
}
