package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const decidedOutside = `
listen: { http: "127.0.0.1:0", authorize: "127.0.0.1:0" }
data: %q
console: { host: console.localhost }
services:
  app:
    path: /app
    access: forward_auth
    forward_auth: { url: %q, timeout: 10s, headers: [Remote-User] }
    upstreams: [%q]
  api: { host: api.example.com, delegated: true }
plans: { any: { includes: [api] } }
`

func TestAnOutsideAddressDecidesByConfiguration(t *testing.T) {
	t.Parallel()
	authority := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cookie, err := r.Cookie("session"); err != nil || cookie.Value != "good" {
			http.Redirect(w, r, "https://sso.example.com/?to="+r.Header.Get("X-Forwarded-Uri"), http.StatusFound)
			return
		}
		w.Header().Set("Remote-User", "ann")
	}))
	t.Cleanup(authority.Close)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", r.Header.Values("Remote-User")) }))
	t.Cleanup(service.Close)
	dir := t.TempDir()
	s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
	s.write(fmt.Sprintf(decidedOutside, filepath.Join(dir, "data"), authority.URL, service.URL))
	s.process = start(t, "serves at", "serve", "--config", s.file)
	s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]

	plain := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, _ := get(t, plain, s.url+"/app/x?y=z")
	if response.StatusCode != 302 || response.Header.Get("Location") != "https://sso.example.com/?to=/app/x?y=z" {
		t.Errorf("without a session: %s %v", response.Status, response.Header)
	}
	request, err := http.NewRequest("GET", s.url+"/app/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Cookie", "session=good")
	request.Header.Set("Remote-User", "root")
	response, err = plain.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body [100]byte
	if n, _ := response.Body.Read(body[:]); response.StatusCode != 200 || string(body[:n]) != "hello [ann]" {
		t.Errorf("with a session: %s %s", response.Status, body[:n])
	}

	// A delegated service is not there for who comes here.
	request.Host = "api.example.com"
	if direct, err := plain.Do(request); err != nil || direct.StatusCode != 404 {
		t.Errorf("a delegated service without its proxy: %v %v", direct, err)
	} else {
		direct.Body.Close()
	}

	secret, err := os.ReadFile(filepath.Join(dir, "data", "authorize.secret"))
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "data", "authorize.secret")); err != nil || info.Mode().Perm() != 0o600 || len(strings.TrimSpace(string(secret))) < 40 {
		t.Errorf("the secret's file: %v %v", info, err)
	}

	authority.Close()
	response, text := get(t, plain, s.url+"/app/x")
	if response.StatusCode != 503 || !strings.Contains(text, "#access-undecided") {
		t.Errorf("with nobody to decide: %s %s", response.Status, text)
	}
	waitFor(t, s.process, "the forward-auth address did not decide")

	yes := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(yes.Close)
	s.edit(authority.URL, yes.URL)
	s.becomes("/app/x", 200)
	if status := s.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
	if again, err := os.ReadFile(filepath.Join(dir, "data", "authorize.secret")); err != nil || string(again) != string(secret) {
		t.Errorf("the secret is another one after a start: %v", err)
	}
}
