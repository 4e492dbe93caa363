package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// mutations is how many broken files are tried: two hundred in every run, 1,000
// in the proof (make proof-reload).
func mutations(t *testing.T) int {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv("TOLLHOUSE_RELOADS")); err == nil && n > 0 {
		return n
	}
	return 200
}

const sessionSecret = "literal-and-not-to-be-shown-8861"

// mutable is the file that is mutated: the contract's, with a service whose path
// tells one version from another, and one under steady load.
const mutable = `
listen:
  http: "127.0.0.1:0"
  admin: "127.0.0.1:0"
  trusted_proxies: [127.0.0.0/8]
data: %[1]q
secrets:
  session: "` + sessionSecret + `"
journal:
  sync: 50ms
  when_full: refuse
console:
  host: console.localhost
  languages: [en, fr, es]
services:
  mark:
    path: /mark-%[3]d
    upstreams: [%[2]q]
    access: public
  steady:
    path: /steady
    upstreams: [%[2]q]
    access: public
    timeouts: { connect: 60s, response: 5m, idle: 5m, stream: 1h }
  ner:
    path: /v1/ner
    strip_path: true
    upstreams: [%[2]q, "http://127.0.0.1:9", { url: "h2c://127.0.0.1:9", weight: 2 }]
    balance: least_requests
    slow_start: 5s
    health: { path: /healthz, every: 100ms, timeout: 1s, healthy: 2, unhealthy: 2 }
    retry: { on: [connect, lost, 503], tries: 3, budget: 20%% }
    breaker: { failures: 5, ratio: 50%%, window: 10s, open: 1s, longest: 30s }
    max_in_flight: 64
    max_body: 5MB
    units: [words, characters]
    endpoints:
      - "POST /extractions"
      - "GET /openapi.json"
    limits:
      - { name: burst, rate: 50/second, per: ip }
  daybook:
    host: daybook.localhost
    upstreams: [%[2]q]
    access: public
    cache: { default_ttl: 0s, max_size: 64MB }
    compress: [zstd, br, gzip]
    allow: [127.0.0.0/8]
    cors: { origins: ["https://app.example.com"] }
    limits:
      - { name: app, rate: 20/second, burst: 50, per: ip }
plans:
  free:
    name: Free
    includes: [ner]
    limits:
      - { name: minute, rate: 10/minute }
      - { name: parallel, concurrency: 2 }
    quotas:
      - { name: monthly, unit: requests, limit: 1000, every: month }
  payg:
    name: Pay as you go
    includes: [ner]
    price: { amount: "0", currency: USD, every: month }
    limits:
      - { name: extractions, rate: 120/minute, endpoint: "ner POST /extractions" }
    usage:
      - { unit: words, tiers: [ { up_to: 1000000, each: "0.00002" }, { each: "0.00001" } ] }
      - { unit: requests, included: 1000, each: "0.001" }
addons:
  multilingual:
    name: Multilingual
    price: { amount: "9.00", currency: USD, every: month }
    features: [multilingual]
`

// target is a running program whose file is mutated.
type target struct {
	*served
	upstream string
	admin    string
	socket   *http.Client
	accepted *config.Config // what must hold: of the last file that was accepted
	steady   atomic.Bool    // what holds leaves the service under load as it was meant
}

// letGo is the upstream's answer to /slow: half of it at once, the rest when
// the path's number is let go.
type letGo struct {
	mu    sync.Mutex
	until map[string]chan struct{}
}

func (l *letGo) channel(name string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until[name] == nil {
		l.until[name] = make(chan struct{})
	}
	return l.until[name]
}

func halves(name string) (first, second string) {
	return strings.Repeat("first "+name+"\n", 500), strings.Repeat("second "+name+"\n", 500)
}

func (l *letGo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("hold")
	switch {
	case r.Header.Get("Upgrade") == "echo":
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(conn, buffered)
	case r.Method == "POST":
		all, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%x", sha256.Sum256(all))
	case name != "":
		first, second := halves(name)
		fmt.Fprint(w, first)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-l.channel(name):
			fmt.Fprint(w, second)
		case <-r.Context().Done(): // the test failed
		}
	default:
		fmt.Fprint(w, "fine")
	}
}

func TestMutatedConfigurationsNeverCrashAndTheLastGoodOneStays(t *testing.T) {
	t.Parallel()
	gate := &letGo{until: map[string]chan struct{}{}}
	service := httptest.NewServer(gate)
	t.Cleanup(service.Close)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	version := func(n int) string { return fmt.Sprintf(mutable, data, service.URL, n) }
	x := &target{served: &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}, upstream: service.URL}
	x.replace(version(0))
	x.customer = ask[customer](t, "customer", "create", "--config", x.file, "--name", "ACME", "--plan", "free")
	x.process = start(t, "serves at", "serve", "--config", x.file)
	said := x.stdout.String()
	x.url = strings.Fields(strings.SplitAfter(said, "serves at ")[1])[0]
	x.admin = strings.Trim(strings.Fields(strings.SplitAfter(said, "admin: ")[1])[0], "()")
	x.socket = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(data, "control.sock"))
	}}}
	t.Cleanup(x.socket.CloseIdleConnections)

	const under = 10 // so many mutations while the same requests are in flight
	seed, _ := strconv.ParseUint(os.Getenv("TOLLHOUSE_SEED"), 10, 64)
	m := &mutator{dice: rand.New(rand.NewPCG(3, seed))}
	total := mutations(t)
	var before holdings
	var took, refusedByUse, kept int
	endLoad, load := x.load()
	for round := 0; round < total; round += under {
		x.mustTake(version(round))
		if round == total/2/under*under { // what grows once, such as buffers, is as large as it gets
			before = x.measure(nil)
		}
		finish := x.inFlight(gate, strconv.Itoa(round))
		for i := round + 1; i <= round+under; i++ {
			text, what := m.mutate(version(i))
			refusal := x.try(text)
			switch {
			case refusal == "":
				took++
			case strings.Contains(refusal, "still on the plan"):
				refusedByUse++
			default:
				kept++
			}
			x.holds(i, what, refusal)
			if i%25 == 0 {
				x.checkAgrees(text, refusal)
			}
		}
		finish()
	}
	x.mustTake(version(0))
	endLoad()
	after := x.measure(&before)
	if log := x.stderr.String(); strings.Contains(log, sessionSecret) || strings.Contains(log, "panic") || strings.Contains(log, "goroutine ") {
		t.Errorf("the log shows what it must not")
	}
	t.Logf("%d mutated files: %d refused by place, %d refused because a plan is in use, %d accepted (no harm in them)", total, kept, refusedByUse, took)
	t.Logf("beside them: %s; %d requests in flight over %d reloads each, all whole", load, 5*((total+under-1)/under), under)
	t.Logf("in the middle, and at the end: goroutines %d, then %d; open files %d, then %d; heap after a collection %d KiB, then %d KiB",
		before.goroutines, after.goroutines, before.files, after.files, before.heap>>10, after.heap>>10)
	if status := x.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
}

// replace puts a file in the place of the other at once, as editors do: half of
// one may be a good one.
func (x *target) replace(text string) {
	x.t.Helper()
	if err := os.WriteFile(x.file+".new", []byte(text), 0o600); err != nil {
		x.t.Fatal(err)
	}
	if err := os.Rename(x.file+".new", x.file); err != nil {
		x.t.Fatal(err)
	}
}

func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

var placedLine = regexp.MustCompile(`^\S+:[1-9]\d*:[1-9]\d*: .+`)

// try has a file taken over, and gives the refusal, "" for none.
func (x *target) try(text string) (refusal string) {
	x.t.Helper()
	x.replace(text)
	next, wrong := config.Parse(x.file, []byte(text))
	was := x.steady.Swap(false)
	response, err := x.socket.Post("http://tollhouse/reload", "application/json", strings.NewReader("{}"))
	if err != nil {
		x.t.Fatalf("the program does not answer any more: %v", err)
	}
	defer response.Body.Close()
	var said struct{ Fingerprint, Message string }
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
		x.t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		for line := range strings.SplitSeq(said.Message, "\n") {
			if !placedLine.MatchString(line) || !strings.HasPrefix(line, x.file+":") {
				x.t.Errorf("a refusal without a place: %s\n%s", line, text)
			}
		}
		if strings.Contains(said.Message, sessionSecret) {
			x.t.Errorf("a refusal shows a secret: %s", said.Message)
		}
		x.steady.Store(was)
		return said.Message
	}
	if wrong != nil {
		x.t.Fatalf("taken over, though wrong: %v", wrong)
	}
	if want := fingerprint(text); said.Fingerprint != want {
		x.t.Errorf("the reload says %s, the file is %s", said.Fingerprint, want)
	}
	x.accepted = next
	x.steady.Store(x.sameDoors(next) && reflect.DeepEqual(serviceOf(next, "steady"), x.meant("steady")))
	return ""
}

func withPath(s toll.Service, path string) toll.Service {
	s.Path = path
	return s
}

// sameDoors tells whether a configuration has requests come in where the one
// that was not mutated has them, so that no service takes another's.
func (x *target) sameDoors(c *config.Config) bool {
	for _, s := range c.Services {
		if meant := x.meant(s.Name); s.Host != meant.Host || s.Path != meant.Path && !strings.HasPrefix(s.Path, "/mark-") {
			return false
		}
	}
	return c.Console.Host == "console.localhost"
}

func serviceOf(c *config.Config, name string) toll.Service {
	s, _ := c.Service(name)
	return s
}

// meant is a service as the file that was not mutated has it.
func (x *target) meant(name string) toll.Service {
	c, err := config.Parse(x.file, fmt.Appendf(nil, mutable, "data", x.upstream, 0))
	if err != nil {
		x.t.Fatal(err)
	}
	return serviceOf(c, name)
}

func (x *target) mustTake(text string) {
	x.t.Helper()
	if refusal := x.try(text); refusal != "" {
		x.t.Fatalf("a good file is refused: %s", refusal)
	}
}

// holds asks the program what it runs by, and calls it: the mutated file's
// path where that was accepted, the one before where it was refused.
func (x *target) holds(round int, what, refusal string) {
	x.t.Helper()
	metrics := x.get(x.admin + "/metrics")
	if want := fmt.Sprintf("tollhouse_config_info{fingerprint=%q} 1\n", x.accepted.Fingerprint); !strings.Contains(metrics, want) {
		x.t.Errorf("round %d (%s): it does not run by %s: refused with %q", round, what, x.accepted.Fingerprint, refusal)
	}
	refused := 0
	if refusal != "" {
		refused = 1
	}
	if want := fmt.Sprintf("tollhouse_config_refused %d\n", refused); !strings.Contains(metrics, want) {
		x.t.Errorf("round %d (%s): the metrics lack %q", round, what, want)
	}
	mark := serviceOf(x.accepted, "mark")
	if !x.sameDoors(x.accepted) || !reflect.DeepEqual(mark, withPath(x.meant("mark"), mark.Path)) {
		return // it was accepted so, and what it does is another test's matter
	}
	if got := x.status(mark.Path); got != http.StatusOK {
		x.t.Errorf("round %d (%s): %s answers %d, refused with %q", round, what, mark.Path, got, refusal)
	}
	if tried := fmt.Sprintf("/mark-%d", round); tried != mark.Path && x.status(tried) == http.StatusOK {
		x.t.Errorf("round %d (%s): %s of the refused file answers", round, what, tried)
	}
}

// checkAgrees holds `tollhouse check` to what the running program said.
func (x *target) checkAgrees(text, refusal string) {
	x.t.Helper()
	stdout, stderr, status := tollhouse(x.t, "check", "--config", x.file, "--json")
	switch {
	case refusal == "" && (status != 0 || !strings.Contains(stdout, fingerprint(text))):
		x.t.Errorf("accepted as %s, and check says %d: %s%s", fingerprint(text), status, stdout, stderr)
	case refusal != "" && !strings.Contains(refusal, "still on the plan") && status == 0:
		x.t.Errorf("refused with %q, and check finds nothing", refusal)
	}
}

func (x *target) get(url string) string {
	x.t.Helper()
	response, err := http.Get(url)
	if err != nil {
		x.t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	return string(all)
}

// loaded is what became of the load.
type loaded struct{ answered, fine atomic.Int64 }

func (l *loaded) String() string {
	return fmt.Sprintf("%d requests, %d by a configuration that means them to be answered, all of those with 200", l.answered.Load(), l.fine.Load())
}

// load calls the steady service until it is told to end.
func (x *target) load() (end func(), _ *loaded) {
	over, result := make(chan struct{}), new(loaded)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			client := &http.Transport{}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-over:
					return
				case <-time.After(5 * time.Millisecond): // light
				}
				request, err := http.NewRequest("GET", x.url+"/steady", nil)
				if err != nil {
					x.t.Error(err)
					return
				}
				meant := x.steady.Load()
				response, err := client.RoundTrip(request)
				status := 0
				if err == nil {
					status = response.StatusCode
					_, err = io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
				result.answered.Add(1)
				if meant && x.steady.Load() { // else it may have been told to wait a millisecond for its client
					result.fine.Add(1)
					if err != nil || status != http.StatusOK {
						x.t.Errorf("/steady answers %d: %v", status, err)
					}
				}
			}
		})
	}
	return func() { close(over); workers.Wait() }, result
}

// inFlight begins three downloads, an upload and an upgrade that last until
// finish, which demands each of them whole.
func (x *target) inFlight(gate *letGo, round string) (finish func()) {
	x.t.Helper()
	client := &http.Transport{}
	var ends []func()
	for i := range 3 {
		name := round + "." + strconv.Itoa(i)
		response, err := client.RoundTrip(x.request("GET", "/steady?hold="+name, nil))
		if err != nil {
			x.t.Fatal(err)
		}
		ends = append(ends, func() {
			close(gate.channel(name))
			all, err := io.ReadAll(response.Body)
			response.Body.Close()
			if first, second := halves(name); err != nil || string(all) != first+second {
				x.t.Errorf("the download %s ended after %d bytes: %v", name, len(all), err)
			}
		})
	}

	out, in := io.Pipe()
	type answered struct {
		text string
		err  error
	}
	uploaded := make(chan answered, 1)
	upload := x.request("POST", "/steady", out)
	go func() {
		response, err := client.RoundTrip(upload)
		if err != nil {
			uploaded <- answered{err: err}
			return
		}
		defer response.Body.Close()
		all, err := io.ReadAll(response.Body)
		uploaded <- answered{string(all), err}
	}()
	first, second := halves("upload " + round)
	fmt.Fprint(in, first)
	ends = append(ends, func() {
		fmt.Fprint(in, second)
		in.Close()
		if got := <-uploaded; got.err != nil || got.text != fmt.Sprintf("%x", sha256.Sum256([]byte(first+second))) {
			x.t.Errorf("the upload %s came to %q, %v", round, got.text, got.err)
		}
	})

	conn, err := net.Dial("tcp", strings.TrimPrefix(x.url, "http://"))
	if err != nil {
		x.t.Fatal(err)
	}
	fmt.Fprint(conn, "GET /steady HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	reader := bufio.NewReader(conn)
	if response, err := http.ReadResponse(reader, nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		x.t.Fatalf("no upgrade: %v, %v", response, err)
	}
	ends = append(ends, func() {
		defer conn.Close()
		fmt.Fprintf(conn, "still there after %s\n", round)
		if line, err := reader.ReadString('\n'); err != nil || line != "still there after "+round+"\n" {
			x.t.Errorf("the upgrade %s says %q, %v", round, line, err)
		}
	})
	return func() {
		for _, end := range ends {
			end()
		}
		client.CloseIdleConnections()
	}
}

func (x *target) request(method, path string, body io.Reader) *http.Request {
	x.t.Helper()
	request, err := http.NewRequest(method, x.url+path, body)
	if err != nil {
		x.t.Fatal(err)
	}
	return request
}

// holdings are what a program may not have ever more of.
type holdings struct{ goroutines, files, heap int }

var heapInUse = regexp.MustCompile(`# HeapInuse = (\d+)`)

// measure takes the holdings of now. After a load it waits for what ends by
// itself, such as kept connections, until they are no more than before.
func (x *target) measure(before *holdings) (now holdings) {
	x.t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", x.cmd.Process.Pid))
		if err != nil {
			if _, none := os.Stat("/proc/self/fd"); none != nil && os.Getenv("CI") != "true" {
				x.t.Skip("the open files of a process are counted in /proc, which is not here")
			}
			x.t.Fatalf("the open files of the program, which should be running: %v", err)
		}
		now.files = len(fds)
		if _, err := fmt.Sscanf(x.get(x.admin+"/debug/pprof/goroutine?debug=1"), "goroutine profile: total %d", &now.goroutines); err != nil {
			x.t.Fatal(err)
		}
		x.get(x.admin + "/debug/pprof/heap?gc=1&debug=1") // what only finalizers held goes with the second
		if found := heapInUse.FindSubmatch([]byte(x.get(x.admin + "/debug/pprof/heap?gc=1&debug=1"))); found != nil {
			now.heap, _ = strconv.Atoi(string(bytes.TrimSpace(found[1])))
		}
		if before == nil || now.goroutines <= before.goroutines && now.files <= before.files && now.heap <= before.heap*110/100+1<<20 { // a span more or less is much of so little
			return now
		}
		if time.Now().After(limit) {
			x.t.Errorf("it has more than before: %+v, then %+v\n%s", *before, now, x.get(x.admin+"/debug/pprof/goroutine?debug=1"))
			return now
		}
	}
}
