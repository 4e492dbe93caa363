package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const cached = `
listen: { http: "127.0.0.1:0" }
data: %q
console: { host: console.localhost }
services:
  shop: { path: /shop, strip_path: true, upstreams: [%q], access: public, cache: { max_size: 8MB, max_object: 100KB } }
  api: { path: /api, upstreams: [%q], access: key, units: [words], cache: { counts: false } }
plans:
  load: { name: Load, includes: [api], quotas: [ { name: monthly, limit: 5, every: month } ] }
`

// shop is a service that numbers its answers, so that a stored one is known by
// its number.
type shop struct {
	asked   atomic.Int64
	entered chan struct{} // one for each request of /slow
	release chan struct{} // /slow waits for it
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.asked.Add(1)
	w.Header().Set("Cache-Control", "public, max-age=600")
	w.Header().Set("Surrogate-Key", "all "+strings.ReplaceAll(strings.Trim(r.URL.Path, "/"), "/", "-"))
	switch r.URL.Path {
	case "/mine":
		w.Header().Set("Cache-Control", "private")
	case "/slow":
		s.entered <- struct{}{}
		<-s.release
	case "/large":
		fmt.Fprint(w, strings.Repeat("x", 200_000))
		return
	case "/page":
		w.Header().Set("Vary", "HX-Request")
	case "/api/words":
		w.Header().Set("Tollhouse-Usage", "words=3")
		w.Header().Set("Cache-Control", "s-maxage=600")
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n))
	fmt.Fprintf(w, "answer %d", n)
}

// serveCached starts the program before a shop.
func serveCached(t *testing.T) (*served, *shop) {
	t.Helper()
	behind := &shop{entered: make(chan struct{}, 100), release: make(chan struct{})}
	service := httptest.NewServer(behind)
	t.Cleanup(service.Close)
	dir := t.TempDir()
	s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
	s.write(fmt.Sprintf(cached, filepath.Join(dir, "data"), service.URL, service.URL))
	s.customer = ask[customer](t, "customer", "create", "--config", s.file, "--name", "ACME", "--plan", "load")
	s.key = ask[key](t, "key", "create", "--config", s.file, "--customer", s.customer.ID, "--name", "k").Key
	s.process = start(t, "serves at", "serve", "--config", s.file)
	s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]
	return s, behind
}

// get asks for a path and gives the answer, its body and what the cache says.
func (s *served) get(path string, fields ...string) (*http.Response, string, string) {
	s.t.Helper()
	request, err := http.NewRequest("GET", s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		request.Header.Set(fields[i], fields[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		s.t.Error(err)
		return &http.Response{}, "", ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Error(err)
	}
	return response, string(body), response.Header.Get("Cache-Status")
}

func TestTheCacheAnswersInTheServicesPlace(t *testing.T) {
	t.Parallel()
	s, behind := serveCached(t)
	first, body, status := s.get("/shop/a")
	if first.StatusCode != 200 || body != "answer 1" || !strings.HasPrefix(status, "tollhouse; fwd=uri-miss; ") || !strings.Contains(status, "stored") {
		t.Fatalf("the first: %s %q, %q", first.Status, body, status)
	}
	second, body, status := s.get("/shop/a")
	if body != "answer 1" || !strings.HasPrefix(status, "tollhouse; hit; ttl=") || second.Header.Get("Age") == "" || second.Header.Get("Surrogate-Key") != "" {
		t.Errorf("the second: %q, %q, %v", body, status, second.Header)
	}
	if r, body, _ := s.get("/shop/a", "If-None-Match", `"1"`); r.StatusCode != 304 || body != "" {
		t.Errorf("a client that has it: %s %q", r.Status, body)
	}
	_, page, _ := s.get("/shop/page")
	_, fragment, _ := s.get("/shop/page", "HX-Request", "true")
	_, again, _ := s.get("/shop/page")
	if page == fragment || again != page {
		t.Errorf("page %q, fragment %q, page again %q", page, fragment, again)
	}
	_, one, _ := s.get("/shop/mine")
	if _, two, status := s.get("/shop/mine"); one == two || strings.Contains(status, "stored") {
		t.Errorf("a private answer was shared: %q, %q", two, status)
	}
	before := behind.asked.Load()
	for range 2 {
		if _, body, _ := s.get("/shop/large"); len(body) != 200_000 {
			t.Errorf("the large answer has %d bytes", len(body))
		}
	}
	if n := behind.asked.Load() - before; n != 2 {
		t.Errorf("an answer larger than max_object was asked for %d times, want 2", n)
	}
	if status := s.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
	if log := s.stderr.String(); !strings.Contains(log, `"cache":"hit"`) || !strings.Contains(log, `"cache":"miss"`) {
		t.Errorf("the access log does not say how the cache answered:\n%s", tail(log))
	}
}

func TestManyClientsOfASlowServiceAreOneRequestToIt(t *testing.T) {
	t.Parallel()
	s, behind := serveCached(t)
	var wait sync.WaitGroup
	for range 30 {
		wait.Go(func() {
			if _, body, _ := s.get("/shop/slow"); body != "answer 1" {
				t.Errorf("got %q", body)
			}
		})
	}
	<-behind.entered
	close(behind.release)
	wait.Wait()
	if n := behind.asked.Load(); n != 1 {
		t.Errorf("the service was asked %d times", n)
	}
}

func TestPurgeReachesTheRunningServer(t *testing.T) {
	t.Parallel()
	s, _ := serveCached(t)
	paths := []string{"/shop/items", "/shop/items/1", "/shop/items/2", "/shop/other"}
	type purged struct{ Purged int }
	for _, c := range []struct {
		args []string
		gone int
	}{
		{[]string{"--url", "/shop/items"}, 1},
		{[]string{"--url", s.url + "/shop/items/1"}, 1},
		{[]string{"--prefix", "/shop/items/"}, 2},
		{[]string{"--tag", "items-2"}, 1},
		{[]string{"--all"}, 4},
	} {
		bodies := map[string]string{}
		for _, p := range paths {
			_, bodies[p], _ = s.get(p)
		}
		out := ask[purged](t, append([]string{"cache", "purge", "--config", s.file, "--service", "shop"}, c.args...)...)
		changed := 0
		for _, p := range paths {
			if _, body, _ := s.get(p); body != bodies[p] {
				changed++
			}
		}
		if out.Purged != c.gone || changed != c.gone {
			t.Errorf("purge %v: said %d, %d answers are new; want %d", c.args, out.Purged, changed, c.gone)
		}
	}
	if line := refused(t, 1, "cache", "purge", "--config", s.file, "--service", "shp", "--all"); !strings.Contains(line, "shop") {
		t.Errorf("a service that is not there: %q", line)
	}
	refused(t, 1, "cache", "purge", "--config", s.file, "--service", "shop", "--url", "items")
	refused(t, 2, "cache", "purge", "--config", s.file, "--service", "shop")
	refused(t, 2, "cache", "purge", "--config", s.file, "--service", "shop", "--all", "--tag", "x")
	refused(t, 2, "cache", "purge", "--config", s.file, "--all")
	s.interrupt(t)
	if line := refused(t, 1, "cache", "purge", "--config", s.file, "--service", "shop", "--all"); !strings.Contains(line, "no server") {
		t.Errorf("without a server: %q", line)
	}
}

func TestAnAnswerFromTheCacheCostsNothingWhereTheServiceSaysSo(t *testing.T) {
	t.Parallel()
	s, behind := serveCached(t)
	other := ask[key](t, "key", "create", "--config", s.file, "--name", "k", "--customer",
		ask[customer](t, "customer", "create", "--config", s.file, "--name", "Other", "--plan", "load").ID).Key
	for i := range 10 { // of five a month
		response, body, status := s.get("/api/words", "X-API-Key", s.key)
		if response.StatusCode != 200 || body != "answer 1" || strings.Contains(status, "hit") != (i > 0) {
			t.Fatalf("call %d: %s %q %q", i, response.Status, body, status)
		}
	}
	if _, body, _ := s.get("/api/words", "X-API-Key", other); body != "answer 2" || behind.asked.Load() != 2 {
		t.Errorf("another customer got %q", body)
	}
	audit := ask[map[string]struct {
		Received, Included, Billed int64
		NotBillable                int64 `json:"not_billable"`
	}](t, "usage", "audit", "--config", s.file)
	if r := audit["requests"]; r.Received != 11 || r.NotBillable != 9 {
		t.Errorf("requests: %+v", r)
	}
	if w := audit["words"]; w.Received != 33 || w.NotBillable != 27 {
		t.Errorf("words: %+v", w)
	}
}

func TestAReloadKeepsWhatIsStoredUnlessTheServiceIsAnotherOne(t *testing.T) {
	t.Parallel()
	s, _ := serveCached(t)
	_, first, _ := s.get("/shop/a")
	s.edit("max_size: 8MB", "max_size: 9MB")
	ask[struct{}](t, "reload", "--config", s.file)
	if _, body, _ := s.get("/shop/a"); body != first {
		t.Errorf("another size made it forget: %q", body)
	}
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "another") }))
	t.Cleanup(second.Close)
	s.edit(`shop: { path: /shop, strip_path: true, upstreams: [`, `shop: { path: /shop, strip_path: true, upstreams: ["`+second.URL+`", `)
	ask[struct{}](t, "reload", "--config", s.file)
	if _, _, status := s.get("/shop/a"); strings.Contains(status, "hit") {
		t.Errorf("with other upstreams: %q", status)
	}
}

// A purge is told to a CDN in front, and has happened whatever the CDN says.
func TestAPurgeIsToldToTheCDN(t *testing.T) {
	t.Parallel()
	var fails atomic.Bool
	heard := make(chan string, 10)
	cdn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Fastly-Key")
		if fails.Load() {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(cdn.Close)
	s, _ := serveCached(t)
	s.edit("max_object: 100KB }", "max_object: 100KB, purge_hooks: [ { on: [tag], url: \""+cdn.URL+"/purge/{tag}\", headers: [ { name: Fastly-Key, value: a-very-secret-key } ] } ] }")
	ask[struct{}](t, "reload", "--config", s.file)
	s.get("/shop/item")
	type purged struct {
		Purged int
		Told   []struct{ Hook, Error string }
		Untold bool
	}
	done := ask[purged](t, "cache", "purge", "--config", s.file, "--service", "shop", "--tag", "item")
	if said := <-heard; done.Purged != 1 || len(done.Told) != 1 || done.Told[0].Error != "" || said != "POST /purge/item a-very-secret-key" {
		t.Errorf("purged %+v, and the CDN heard %q", done, said)
	}
	if done := ask[purged](t, "cache", "purge", "--config", s.file, "--service", "shop", "--all"); !done.Untold {
		t.Errorf("no hook is for this, and it said %+v", done)
	}
	fails.Store(true)
	s.get("/shop/item")
	stdout, stderr, status := tollhouse(t, "cache", "purge", "--config", s.file, "--service", "shop", "--tag", "item")
	if status != 1 || !strings.Contains(stdout, "1 stored answer.") || !strings.Contains(stderr, "403") || strings.Contains(stdout+stderr+s.stderr.String(), "very-secret") {
		t.Errorf("a CDN that refuses: exit %d\n%s%s", status, stdout, stderr)
	}
	if _, _, word := s.get("/shop/item"); !strings.Contains(word, "uri-miss") {
		t.Errorf("it is purged here all the same, and the cache says %q", word)
	}
}
