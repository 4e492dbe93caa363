package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// recipe is a foreign proxy before a service, that asks Tollhouse: with the
// files of docs/recipes as they are, but for the addresses and the secret.
type recipe struct {
	t       *testing.T
	at      string // the proxy
	file    string // Tollhouse's
	house   *process
	ask     string // listen.authorize
	secret  string
	service *httptest.Server
	id, key string // of the customer
	keyID   string

	mu       sync.Mutex
	requests []*http.Request // that came to the service
	then     func(w http.ResponseWriter, hr *http.Request)
}

const recipeSecret = "0123456789abcdefghijklmnopqrstuvwxyz"

// recipeProxies say how each proxy is started, by its command.
var recipeProxies = map[string]struct {
	files []string // below docs/recipes, the configuration first
	args  func(dir string) []string
}{
	"caddy": {[]string{"caddy/Caddyfile"}, func(string) []string { return []string{"run", "--config", "Around", "--adapter", "caddyfile"} }},
	"nginx": {[]string{"nginx/api.conf"}, func(dir string) []string {
		return []string{"-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr"}
	}},
	"haproxy": {[]string{"haproxy/haproxy.cfg", "haproxy/tollhouse.lua"}, func(string) []string { return []string{"-db", "-f", "haproxy.cfg"} }},
}

// nginxAround is what Debian's nginx.conf has around a server.
const nginxAround = `
daemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	include api.conf;
}
`

// startRecipe starts a service, Tollhouse and a proxy. What is replaced in the
// recipes are pairs of texts, each of which must be there.
func startRecipe(t *testing.T, proxy string, replaced ...string) *recipe {
	t.Helper()
	command, err := exec.LookPath(proxy)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed: %v", proxy, err)
		}
		t.Skipf("%s is not installed", proxy)
	}
	r := &recipe{t: t, secret: recipeSecret}
	r.service = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.service.Close)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // nginx's workers are somebody else
		t.Fatal(err)
	}
	port := freePort(t)
	r.ask, r.at = fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", port)
	r.file = filepath.Join(dir, "tollhouse.yml")
	r.write("tollhouse.yml", r.file, append([]string{
		"127.0.0.1:8080", "127.0.0.1:0", "127.0.0.1:9901", r.ask, "data: ./tollhouse-data", fmt.Sprintf("data: %q\nsecrets: { authorize: %s }", filepath.Join(dir, "data"), r.secret),
	}, replaced...)...)
	r.id = ask[customer](t, "customer", "create", "--config", r.file, "--name", "ACME", "--plan", "free").ID
	k := ask[key](t, "key", "create", "--config", r.file, "--customer", r.id, "--name", "k")
	r.key, r.keyID = k.Key, k.ID
	r.house = start(t, "serves at", "serve", "--config", r.file)

	how := recipeProxies[proxy]
	for _, file := range how.files {
		pairs := []string{"127.0.0.1:9901", r.ask, "127.0.0.1:3000", r.service.Listener.Addr().String(), "127.0.0.1:8000", r.at}
		switch file {
		case "caddy/Caddyfile":
			pairs[4], pairs[5] = "api.example.com:8000", fmt.Sprintf("api.example.com:%d", port)
		case "haproxy/haproxy.cfg":
			pairs = pairs[2:]
		case "haproxy/tollhouse.lua":
			pairs = pairs[:2]
		}
		r.write(file, filepath.Join(dir, filepath.Base(file)), pairs...)
	}
	if proxy == "caddy" { // its usual admin port can be taken only once
		r.put(filepath.Join(dir, "Around"), "{\n\tadmin off\n}\nimport Caddyfile\n")
	}
	if proxy == "nginx" {
		r.put(filepath.Join(dir, "nginx.conf"), nginxAround)
		r.put(filepath.Join(dir, "tollhouse-secret.conf"), fmt.Sprintf("proxy_set_header Tollhouse-Authorize %q;\n", r.secret))
	}
	cmd := exec.Command(command, how.args(dir)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TOLLHOUSE_AUTHORIZE="+r.secret, "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	output := newWatched()
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s: %s", proxy, tail(output.String()))
		}
	})
	limit := time.After(patience)
	for {
		conn, err := net.DialTimeout("tcp", r.at, time.Second)
		if err == nil {
			conn.Close()
			return r
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %s", proxy, output)
		case <-limit:
			t.Fatalf("%s does not listen: %s", proxy, output)
		case <-time.After(50 * time.Millisecond): // it says nowhere that it does
		}
	}
}

func (r *recipe) put(path, text string) {
	r.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// write copies a file of docs/recipes with other addresses in it.
func (r *recipe) write(file, to string, pairs ...string) {
	r.t.Helper()
	content, err := os.ReadFile(filepath.Join("../docs/recipes", file))
	if err != nil {
		r.t.Fatal(err)
	}
	text := string(content)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			r.t.Fatalf("%s lacks %q", file, pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	r.put(to, text)
}

// serve is the service behind the proxy.
func (r *recipe) serve(w http.ResponseWriter, hr *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, hr)
	then := r.then
	r.mu.Unlock()
	if then != nil {
		then(w, hr)
		return
	}
	if hr.URL.Path == "/forbidden" {
		http.Error(w, "the service's own 403", http.StatusForbidden)
		return
	}
	fmt.Fprint(w, "hello")
}

// came are the requests that reached the service since the last time.
func (r *recipe) came() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.requests
	r.requests = nil
	return all
}

// call asks the proxy for a path of api.example.com.
func (r *recipe) call(method, path, key string, fields ...string) (*http.Response, string) {
	r.t.Helper()
	request, err := http.NewRequest(method, "http://"+r.at+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Host = "api.example.com"
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i < len(fields); i += 2 {
		request.Header[fields[i]] = append(request.Header[fields[i]], fields[i+1])
	}
	response, err := new(http.Transport).RoundTrip(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response, string(body)
}

// problemOf reads a problem document, which an answer must be.
func problemOf(t *testing.T, response *http.Response, body string) (p struct {
	Type      string
	Status    int
	RequestID string   `json:"request_id"`
	Violated  []string `json:"violated-policies"`
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status != response.StatusCode || response.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s, %s: %q is no problem of that status (%v)", response.Status, response.Header.Get("Content-Type"), body, err)
	}
	return p
}

func TestRecipes(t *testing.T) {
	t.Parallel()
	for proxy := range recipeProxies {
		t.Run(proxy, func(t *testing.T) {
			t.Parallel()
			r := startRecipe(t, proxy)

			// Nobody, and who says they were somebody.
			response, body := r.call("GET", "/hello", "", "Tollhouse-Customer", "cus_forged", "Tollhouse-Decision", "forged")
			if p := problemOf(t, response, body); response.StatusCode != 401 || !strings.HasSuffix(p.Type, "#key-missing") {
				t.Errorf("without a key: %s %s", response.Status, body)
			}
			if got := response.Header.Values("WWW-Authenticate"); len(got) != 1 || !strings.HasPrefix(got[0], "Bearer ") {
				t.Errorf("WWW-Authenticate %q, want one challenge", got)
			}
			response, body = r.call("GET", "/a%2fb", r.key)
			if p := problemOf(t, response, body); response.StatusCode != 400 || !strings.HasSuffix(p.Type, "#bad-path") {
				t.Errorf("a path that can be read in two ways: %s %s", response.Status, body)
			}
			// What the client says of another request is not believed.
			for _, lie := range []string{"X-Forwarded-Uri", "X-Original-Url", "X-Original-Uri", "X-Forwarded-Host", "X-Original-Method", "X-Forwarded-Method"} {
				if response, _ = r.call("GET", "/hello", "", lie, "/elsewhere"); response.StatusCode != 401 && response.StatusCode != 400 {
					t.Errorf("%s from outside: %s", lie, response.Status)
				}
			}
			if came := r.came(); len(came) != 0 {
				t.Fatalf("%d of these came to the service", len(came))
			}

			// Somebody, who says to be somebody else.
			response, body = r.call("GET", "/hello?a=b", r.key,
				"Tollhouse-Customer", "cus_forged", "Tollhouse_customer", "cus_forged", "tollhouse-key", "forged", "Tollhouse-Plan", "forged",
				"Tollhouse-Features", "everything", "Tollhouse-Mode", "forged", "Tollhouse-Decision", "forged", "X-Request-Id", "forged-too",
				"X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "forged.example", "X-Forwarded-Prefix", "/forged", "X-Real-Ip", "203.0.113.9", "Forwarded", "for=203.0.113.9")
			came := r.came()
			if response.StatusCode != 200 || body != "hello" || len(came) != 1 {
				t.Fatalf("with a key: %s %q, %d came", response.Status, body, len(came))
			}
			if got := response.Header.Get("RateLimit"); !strings.Contains(got, `"minute";r=4`) {
				t.Errorf("RateLimit %q", got)
			}
			if came[0].URL.Path != "/hello" || came[0].URL.RawQuery != "a=b" {
				t.Errorf("the service is asked for %s", came[0].URL)
			}
			h := came[0].Header
			for name, want := range map[string]string{
				"Tollhouse-Customer": r.id, "Tollhouse-Key": r.keyID, "Tollhouse-Plan": "free", "Tollhouse-Mode": "live",
				"Authorization": "", "X-Api-Key": "", "Tollhouse-Features": "", "Tollhouse-Authorize": "", "X-Forwarded-For": "127.0.0.1",
				"X-Forwarded-Host": "api.example.com", "X-Forwarded-Proto": "http", "X-Forwarded-Prefix": "", "X-Real-Ip": "", "Forwarded": "",
			} {
				if got := strings.Join(h.Values(name), "|"); got != want {
					t.Errorf("the service gets %s %q, want %q", name, got, want)
				}
			}
			for _, name := range []string{"Tollhouse-Decision", "X-Request-Id"} {
				if len(h.Get(name)) != 26 {
					t.Errorf("the service gets %s %q, want an identity of ours", name, h.Get(name))
				}
			}
			if all := fmt.Sprint(h); strings.Contains(all, "forged") || strings.Contains(all, r.secret) {
				t.Errorf("the service gets %v", h)
			}

			// The service's own refusals are its own.
			if response, body = r.call("GET", "/forbidden", r.key); response.StatusCode != 403 || !strings.Contains(body, "the service's own") {
				t.Errorf("the service's 403 arrives as %s %q", response.Status, body)
			}
			for _, method := range []string{"POST", "DELETE", "HEAD"} {
				if response, _ = r.call(method, "/hello", r.key); response.StatusCode != 200 {
					t.Errorf("%s: %s", method, response.Status)
				}
			}

			// The sixth within the minute.
			r.came()
			response, body = r.call("GET", "/hello", r.key)
			p := problemOf(t, response, body)
			if response.StatusCode != 429 || len(p.Violated) != 1 || p.Violated[0] != "minute" {
				t.Errorf("beyond the limit: %s %s", response.Status, body)
			}
			if after := response.Header.Get("Retry-After"); after == "" || after == "0" || len(after) > 2 {
				t.Errorf("Retry-After %q", after)
			}
			if got := response.Header.Get("RateLimit"); !strings.Contains(got, `"minute";r=0`) {
				t.Errorf("RateLimit %q", got)
			}
			if id := response.Header.Get("X-Request-Id"); id == "" || id != p.RequestID {
				t.Errorf("X-Request-ID %q, in the body %q", id, p.RequestID)
			}
			if came := r.came(); len(came) != 0 {
				t.Error("it came to the service")
			}

			// One key more, which is revoked.
			k := ask[key](t, "key", "create", "--config", r.file, "--customer", ask[customer](t, "customer", "create", "--config", r.file, "--name", "B", "--plan", "free").ID, "--name", "k")
			if response, _ = r.call("GET", "/hello", k.Key); response.StatusCode != 200 {
				t.Fatalf("a new key: %s", response.Status)
			}
			// A client that lists our fields in Connection does not get rid of them.
			r.came()
			response, body = r.call("GET", "/hello", k.Key, "Connection", "keep-alive, Tollhouse-Customer, Tollhouse-Decision, X-Request-Id, X-Forwarded-For, X-Forwarded-Uri, X-Forwarded-Method, X-Original-Uri, Tollhouse-Authorize")
			if came = r.came(); response.StatusCode != 200 || len(came) != 1 {
				t.Errorf("with much in Connection: %s %s", response.Status, body)
			}
			for _, name := range []string{"Tollhouse-Customer", "Tollhouse-Decision", "X-Request-Id", "X-Forwarded-For"} {
				for _, request := range came {
					if request.Header.Get(name) == "" {
						t.Errorf("the service does not get %s: %v", name, request.Header)
					}
				}
			}
			if _, stderr, status := tollhouse(t, "key", "revoke", "--config", r.file, k.ID); status != 0 {
				t.Fatal(stderr)
			}
			revoked := time.Now()
			for {
				response, body = r.call("GET", "/hello", k.Key)
				if response.StatusCode == 401 {
					break
				}
				if time.Since(revoked) > time.Second {
					t.Fatalf("a second after it was revoked: %s", response.Status)
				}
			}
			if p := problemOf(t, response, body); !strings.HasSuffix(p.Type, "#key-unknown") {
				t.Errorf("a revoked key: %s", body)
			}

			r.counted(7)
			r.house.kill()
			r.came()
			response, _ = r.call("GET", "/hello", r.key)
			if want := map[string]int{"caddy": 502, "nginx": 503, "haproxy": 503}[proxy]; response.StatusCode != want {
				t.Errorf("with Tollhouse away: %s, want %d", response.Status, want)
			}
			if came := r.came(); len(came) != 0 {
				t.Error("with Tollhouse away it came to the service")
			}
		})
	}
}

// counts are one unit of the books.
type counts struct {
	Received, Included, Unknown int64
	NotBillable                 int64 `json:"not_billable"`
}

// audit reads the books; the command brings in what the journal holds.
func (r *recipe) audit() map[string]counts {
	r.t.Helper()
	return ask[map[string]counts](r.t, "usage", "audit", "--config", r.file, "--period", time.Now().UTC().Format("2006-01"))
}

func (r *recipe) counted(requests int64) {
	r.t.Helper()
	if got := r.audit()["requests"]; got.Received != requests || got.Included != requests {
		r.t.Errorf("the books have %+v, want %d requests", got, requests)
	}
}

// A WebSocket is asked about as any request, and goes through.
func TestRecipesLetUpgradesThrough(t *testing.T) {
	t.Parallel()
	for _, proxy := range []string{"caddy", "haproxy"} { // nginx wants lines of its own for them
		t.Run(proxy, func(t *testing.T) {
			t.Parallel()
			r := startRecipe(t, proxy)
			r.serveWith(func(w http.ResponseWriter, hr *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n%s\n", hr.Header.Get("Tollhouse-Customer"))
			})
			upgrade := func(key string) (*http.Response, string) {
				conn, err := net.Dial("tcp", r.at)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: api.example.com\r\nConnection: Upgrade, Tollhouse-Customer\r\nUpgrade: echo\r\nAuthorization: Bearer %s\r\n\r\n", key)
				reader := bufio.NewReader(conn)
				response, err := http.ReadResponse(reader, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				line := ""
				if response.StatusCode == http.StatusSwitchingProtocols {
					line, _ = reader.ReadString('\n')
				}
				return response, line
			}
			if response, line := upgrade(r.key); response.StatusCode != 101 || line != r.id+"\n" {
				t.Errorf("with a key: %s %q", response.Status, line)
			}
			r.came()
			if response, _ := upgrade("none"); response.StatusCode != 401 || len(r.came()) != 0 {
				t.Errorf("without one: %s", response.Status)
			}
		})
	}
}
