package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

const balanced = `
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: %q
console: { host: console.localhost }
services:
  shares:
    path: /shares
    access: public
    upstreams: [ { url: %q, weight: 3 }, { url: %q } ]
    retry: { on: [connect, lost, 503], tries: 2 }
  stays:
    path: /stays
    access: public
    upstreams: [ %q, %q ]
    balance: sticky
`

// TestAConfigurationSaysHowRequestsAreSpread goes through the file, the program
// and real services, one of which falls ill.
func TestAConfigurationSaysHowRequestsAreSpread(t *testing.T) {
	t.Parallel()
	var asked [2]atomic.Int64
	var ill atomic.Bool
	var urls []string
	for i := range asked {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked[i].Add(1)
			if i == 1 && ill.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			fmt.Fprintf(w, "%d %s", i, r.Header.Get("Cookie"))
		}))
		t.Cleanup(s.Close)
		urls = append(urls, s.URL)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "tollhouse.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, balanced, filepath.Join(dir, "data"), urls[0], urls[1], urls[0], urls[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "serves at", "serve", "--config", file)
	home := strings.Fields(strings.SplitAfter(p.stdout.String(), "serves at ")[1])[0]
	get := func(c *http.Client, method, path string) (int, string) {
		t.Helper()
		request, err := http.NewRequest(method, home+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}

	for range 40 {
		get(http.DefaultClient, "GET", "/shares/x")
	}
	if a, b := asked[0].Load(), asked[1].Load(); a != 30 || b != 10 {
		t.Errorf("at 3 to 1 they got %d and %d", a, b)
	}

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	_, first := get(browser, "GET", "/stays/x")
	for range 10 {
		if _, who := get(browser, "GET", "/stays/x"); who != first {
			t.Errorf("the browser went from %q to %q", first, who)
		}
	}
	if !strings.HasSuffix(first, " ") {
		t.Errorf("the service saw the cookie: %q", first)
	}

	before := asked[1].Load()
	ill.Store(true)
	for range 40 {
		if status, _ := get(http.DefaultClient, "GET", "/shares/x"); status != 200 {
			t.Fatalf("a GET is answered %d", status)
		}
	}
	// Five of the 40 found it ill, and then it was left alone but for a trial now and then.
	if n := asked[1].Load() - before; n < 5 || n > 9 {
		t.Errorf("while it was ill it was asked %d times", n)
	}
	if status := p.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
}
