package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/edge/edgetest"
)

// upgraded is what `tollhouse upgrade --json` prints.
type upgraded struct {
	PID     int
	Was     int
	Version string
	Took    time.Duration `json:"took_ns"`
	Waited  time.Duration `json:"waited_ns"`
}

// upgradable is a tollhouse that is replaced while the test goes on. Its output
// goes to files: a new process outlives the pipes of the first one.
type upgradable struct {
	t               *testing.T
	dir, file, host string
	plain, secure   int
	authority       *edgetest.Authority
	first           *exec.Cmd
	firstEnded      chan error
	stdout, stderr  string // paths
	pids            []int  // of every process so far; the last one serves
	keys            map[string]string
	upstream        *service
	config          string
}

// service is the upstream of these tests.
type service struct {
	*httptest.Server
	slow, most atomic.Int64  // requests to /api/slow under way, and the most there were
	holding    atomic.Int64  // requests to /api/hold
	held       chan struct{} // what those wait for
	ended      chan struct{} // closed at the test's end
}

func newService(t *testing.T) *service {
	s := &service{held: make(chan struct{}), ended: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		close(s.ended)
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/api/slow":
		now := s.slow.Add(1)
		defer s.slow.Add(-1)
		for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
		}
		time.Sleep(5 * time.Millisecond) // the work of this service
	case "/api/hold":
		s.holding.Add(1)
		select {
		case <-s.held:
		case <-r.Context().Done():
		}
	case "/api/socket":
		s.socket(w)
		return
	case "/api/events":
		s.events(w, r)
		return
	}
	w.Header().Set("Tollhouse-Usage", "words=3")
	fmt.Fprint(w, `{"an answer": "of some length"}`)
}

// socket echoes WebSocket frames.
func (s *service) socket(w http.ResponseWriter) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nTollhouse-Usage: words=3\r\n\r\n")
	for {
		var head [6]byte
		if _, err := io.ReadFull(buffered, head[:]); err != nil {
			return
		}
		answer := append([]byte{head[0], head[1] & 0x7f}, make([]byte, head[1]&0x7f)...)
		if _, err := io.ReadFull(buffered, answer[2:]); err != nil {
			return
		}
		for i := range answer[2:] {
			answer[2+i] ^= head[2+i%4]
		}
		if _, err := conn.Write(answer); err != nil || head[0]&0xf == 8 {
			return
		}
	}
}

// events sends numbered events until the client leaves.
func (s *service) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Tollhouse-Usage", "words=3")
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		if _, err := fmt.Fprintf(w, "id: %d\ndata: event %d\n\n", n, n); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		case <-s.ended:
			return
		}
	}
}

const upgradeConfig = `
listen: { http: "127.0.0.1:%d", https: "127.0.0.1:%d", redirect_http: false, admin: "127.0.0.1:0" }
data: %q
certificates: [ { cert: %q, key: %q } ]
services:
  api: { path: /api, upstreams: [%q], access: key, units: [words] }
plans:
  load: { name: Load, includes: [api], limits: [ { name: second, rate: 1000000/second } ] }
  quota: { name: Quota, includes: [api], quotas: [ { name: monthly, unit: requests, limit: %d, every: month } ] }
  rate: { name: Rate, includes: [api], limits: [ { name: hour, rate: %d/hour } ] }
  places: { name: Places, includes: [api], limits: [ { name: parallel, concurrency: 3 } ] }
`

// startUpgradable starts the server, with a customer and a key on each plan;
// most is how many the quota has in a month, and the rate in an hour.
func startUpgradable(t *testing.T, most int) *upgradable {
	t.Helper()
	u := &upgradable{
		t: t, dir: t.TempDir(), host: "app.example.com", plain: freePort(t), secure: freePort(t),
		authority: edgetest.NewAuthority(t), upstream: newService(t), keys: map[string]string{}, firstEnded: make(chan error, 1),
	}
	u.file, u.stdout, u.stderr = filepath.Join(u.dir, "tollhouse.yml"), filepath.Join(u.dir, "stdout"), filepath.Join(u.dir, "stderr")
	own := u.authority.Files(t, u.dir, u.host)
	u.write(fmt.Sprintf(upgradeConfig, u.plain, u.secure, filepath.Join(u.dir, "data"), own.Cert, own.Key, u.upstream.URL, most, most))
	for _, plan := range []string{"load", "quota", "rate", "places"} {
		c := ask[customer](t, "customer", "create", "--config", u.file, "--name", plan, "--plan", plan)
		u.keys[plan] = ask[key](t, "key", "create", "--config", u.file, "--customer", c.ID, "--name", plan).Key
	}
	out, err := os.Create(u.stdout)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	logs, err := os.Create(u.stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	u.first = exec.Command(binary, "serve", "--config", u.file)
	u.first.Stdout, u.first.Stderr, u.first.Dir = out, logs, u.dir
	if err := u.first.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { u.firstEnded <- u.first.Wait() }()
	u.pids = []int{u.first.Process.Pid}
	t.Cleanup(func() {
		for _, pid := range u.pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // those that have not ended by themselves
		}
		if t.Failed() {
			t.Logf("stderr: %s", tail(u.read(u.stderr)))
		}
	})
	u.until("the server is ready", func() bool { return strings.Contains(u.read(u.stdout), "serves at") })
	return u
}

func (u *upgradable) write(config string) {
	u.t.Helper()
	u.config = config
	if err := os.WriteFile(u.file, []byte(config), 0o600); err != nil {
		u.t.Fatal(err)
	}
}

func (u *upgradable) read(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		u.t.Fatal(err)
	}
	return string(content)
}

// until waits for something that another process does.
func (u *upgradable) until(what string, so func() bool) {
	u.t.Helper()
	for limit := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			u.t.Fatalf("waited %s in vain until %s", patience, what)
		}
	}
}

// upgrade replaces the server, which must come about.
func (u *upgradable) upgrade(args ...string) upgraded {
	u.t.Helper()
	out := ask[upgraded](u.t, append([]string{"upgrade", "--config", u.file}, args...)...)
	if out.Was != u.pids[len(u.pids)-1] || out.PID == out.Was {
		u.t.Fatalf("%+v, want the process %d replaced", out, u.pids[len(u.pids)-1])
	}
	u.pids = append(u.pids, out.PID)
	return out
}

// ended tells whether a process has ended, be it waited for or not.
func ended(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z")
}

// finish ends the server, when all processes before it have ended by themselves.
func (u *upgradable) finish() {
	u.t.Helper()
	last := len(u.pids) - 1
	for _, pid := range u.pids[:last] {
		u.until(fmt.Sprintf("the process %d has ended", pid), func() bool { return ended(pid) })
	}
	if last > 0 {
		if err := <-u.firstEnded; err != nil {
			u.t.Errorf("the first process ended with %v, want exit status 0", err)
		}
		if got := strings.Count(u.read(u.stderr), "the last connection of this process has ended"); got != last {
			u.t.Errorf("%d processes told that they left, want %d", got, last)
		}
	}
	if err := syscall.Kill(u.pids[last], syscall.SIGTERM); err != nil {
		u.t.Fatal(err)
	}
	u.until("the last process has ended", func() bool { return ended(u.pids[last]) })
}

func (u *upgradable) plainLine() *oneLine {
	return &oneLine{address: fmt.Sprintf("127.0.0.1:%d", u.plain), host: u.host}
}

func (u *upgradable) secureLine() *oneLine {
	return &oneLine{address: fmt.Sprintf("127.0.0.1:%d", u.secure), host: u.host, tls: clientTLS(u.authority.Roots(), u.host, "http/1.1")}
}

func (u *upgradable) twoLine() *twoLine {
	return &twoLine{address: fmt.Sprintf("127.0.0.1:%d", u.secure), host: u.host, tls: clientTLS(u.authority.Roots(), u.host, "h2")}
}

// received is what the audit has, without a server.
func (u *upgradable) received() (requests, words int64) {
	u.t.Helper()
	audit := ask[map[string]struct{ Received, Unknown int64 }](u.t, "usage", "audit", "--config", u.file)
	if n := audit["requests"].Unknown; n != 0 {
		u.t.Errorf("%d requests are unknown", n)
	}
	return audit["requests"].Received, audit["words"].Received
}

// fromEnvironment is a size of the proof, or what every run does.
func fromEnvironment(name string, short int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return short
}

// tally is what clients saw.
type tally struct {
	answered          atomic.Int64 // with 200, or a stream's whole life
	refused           atomic.Int64 // with 429
	quota, rate       atomic.Int64 // answered of these plans
	streams, messages atomic.Int64
	firstOfRate       atomic.Int64 // Unix ns
	lastOfRate        atomic.Int64
	mu                sync.Mutex
	failures          []string
	connections       atomic.Int64
}

func (y *tally) fail(what string, err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.failures = append(y.failures, fmt.Sprintf("%s: %v", what, err))
}

func (y *tally) failed() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.failures)
}

// TestUpgradedUnderLoadFailsNothingAndCountsExactly is SPEC §12's row "own
// upgrade under load": a few thousand requests in every run, 200,000 and ten
// upgrades in the proof (make proof-upgrade).
func TestUpgradedUnderLoadFailsNothingAndCountsExactly(t *testing.T) {
	t.Parallel()
	total := int64(fromEnvironment("TOLLHOUSE_UPGRADE_REQUESTS", 3000))
	upgrades := fromEnvironment("TOLLHOUSE_UPGRADES", 2)
	most := int(total / 20)
	u := startUpgradable(t, most)
	var y tally
	var sent atomic.Int64
	var done atomic.Int64 // upgrades
	over := make(chan struct{})

	var clients sync.WaitGroup
	one := func(what string, l line, key, path string, counted *atomic.Int64) bool {
		status, err := l.ask(path, u.keys[key])
		switch {
		case err != nil:
			y.fail(what, err)
			l.close()
		case status == 200:
			y.answered.Add(1)
			counted.Add(1)
		case status == 429 && key != "load":
			y.refused.Add(1)
		default:
			y.fail(what, fmt.Errorf("status %d for the plan %s", status, key))
		}
		return err == nil
	}
	var others atomic.Int64
	walk := func(what string, l line) {
		for n := sent.Add(1); n <= total; n = sent.Add(1) {
			switch {
			case n%10 == 0:
				one(what, l, "quota", "/api/x", &y.quota)
			case n%11 == 0:
				now := time.Now().UnixNano()
				y.firstOfRate.CompareAndSwap(0, now)
				one(what, l, "rate", "/api/x", &y.rate)
				y.lastOfRate.Store(time.Now().UnixNano())
			default:
				one(what, l, "load", "/api/x", &others)
			}
		}
	}
	for range 4 {
		clients.Go(func() {
			l := u.plainLine()
			defer l.close()
			walk("HTTP/1.1", l)
			y.connections.Add(int64(l.opened))
		})
	}
	for range 2 {
		clients.Go(func() {
			l := u.secureLine()
			defer l.close()
			walk("HTTP/1.1 over TLS", l)
			y.connections.Add(int64(l.opened))
		})
	}
	for range 2 {
		l := u.twoLine()
		var streams sync.WaitGroup
		for range 3 {
			streams.Go(func() { walk("HTTP/2", l) })
		}
		clients.Go(func() {
			streams.Wait()
			y.connections.Add(int64(l.opened))
			l.close()
		})
	}

	// Beside them, until all is over: places that are taken and left, a WebSocket
	// over each listener, and an event stream. Each stream lives through an upgrade
	// and a half.
	var beside sync.WaitGroup
	goesOn := func() bool {
		select {
		case <-over:
			return false
		default:
			return true
		}
	}
	for range 6 {
		beside.Go(func() {
			l := u.plainLine()
			defer l.close()
			for goesOn() {
				one("places", l, "places", "/api/slow", &others)
				time.Sleep(5 * time.Millisecond) // more would be nothing but load
			}
		})
	}
	for what, dial := range map[string]func() *oneLine{"WebSocket": u.plainLine, "WebSocket over TLS": u.secureLine} {
		beside.Go(func() {
			for goesOn() {
				s := &webSocket{*dial()}
				if err := s.dial("/api/socket", u.keys["load"]); err != nil {
					y.fail(what, err)
					return
				}
				y.streams.Add(1)
				for began := done.Load(); goesOn() && done.Load() < began+2; {
					if err := s.echo(fmt.Sprint("message ", y.messages.Add(1))); err != nil {
						y.fail(what, err)
						return
					}
					time.Sleep(2 * time.Millisecond)
				}
				if err := s.leave(); err != nil {
					y.fail(what+", leaving", err)
				}
				y.answered.Add(1)
			}
		})
	}
	beside.Go(func() {
		for goesOn() {
			began := done.Load()
			err := u.listen(func(n int) bool {
				y.messages.Add(1)
				return goesOn() && done.Load() < began+2
			})
			if err != nil {
				y.fail("event stream", err)
				return
			}
			y.streams.Add(1)
			y.answered.Add(1)
		}
	})

	// The upgrades come when their share of the requests is answered.
	var rounds []string
	share := func(n int) {
		u.until("enough is answered", func() bool { return sent.Load() >= total*int64(n)/int64(upgrades+2) })
	}
	for n := range upgrades {
		share(n + 1)
		before := y.answered.Load()
		out := u.upgrade()
		done.Add(1)
		rounds = append(rounds, fmt.Sprintf("| %d | %d | %s | %s | %d |", n+1, before, out.Took.Round(time.Millisecond), out.Waited.Round(100*time.Microsecond), y.failed()))
	}
	share(upgrades + 1)
	// One that never reports ready: everything stays as it is.
	never := filepath.Join(u.dir, "never")
	if err := os.WriteFile(never, []byte("#!/bin/sh\nexec sleep 600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if line := refused(t, 1, "upgrade", "--config", u.file, "--binary", never, "--timeout", "1s"); !strings.Contains(line, "nothing was changed") || !strings.Contains(line, "within 1s") {
		t.Errorf("said %q", line)
	}
	clients.Wait()
	done.Add(2)
	close(over)
	beside.Wait()

	// Every place is free again, and no more than there are.
	u.places()
	y.answered.Add(3)
	u.finish()
	requests, words := u.received()
	elapsed := time.Duration(y.lastOfRate.Load() - y.firstOfRate.Load())
	t.Logf("%d requests by the load, and more beside it: %d answered (%d on HTTP connections opened %d times), %d refused by limits, %d failed; %d streams with %d messages; audit: %d requests, %d words",
		total, y.answered.Load(), y.answered.Load()-y.streams.Load(), y.connections.Load(), y.refused.Load(), y.failed(), y.streams.Load(), y.messages.Load(), requests, words)
	t.Logf("quota of %d: %d answered; rate of %d an hour: %d answered in %s; 3 places: at most %d at once", most, y.quota.Load(), most, y.rate.Load(), elapsed.Round(time.Millisecond), u.upstream.most.Load())
	t.Logf("| upgrade | answered before | took | requests waited at most | failed so far |\n|---|---|---|---|---|\n%s", strings.Join(rounds, "\n"))
	for i, f := range y.failures {
		if i < 20 {
			t.Error(f)
		}
	}
	if n := y.failed(); n > 0 {
		t.Errorf("%d failed", n)
	}
	if requests != y.answered.Load() || words != 3*requests {
		t.Errorf("the audit has %d requests and %d words, want %d and three for each", requests, words, y.answered.Load())
	}
	if got := y.quota.Load(); got != int64(most) {
		t.Errorf("%d answered of a quota of %d", got, most)
	}
	// All of them at once, and one more with each step; its clients ask all the time.
	step := time.Hour / time.Duration(most)
	if got, want := y.rate.Load(), int64(most)+int64(elapsed/step); got < want-1 || got > want+1 {
		t.Errorf("%d answered of a rate of %d an hour in %s, want %d, give or take the first and the last step", got, most, elapsed, want)
	}
	if n := u.upstream.most.Load(); n > 3 {
		t.Errorf("%d requests at the same time, want 3 at most", n)
	}
}

// listen reads an event stream until enough says so, and checks that no event
// is missing.
func (u *upgradable) listen(more func(n int) bool) error {
	l := u.plainLine()
	if err := l.open(); err != nil {
		return err
	}
	defer l.close()
	if err := l.conn.SetDeadline(time.Now().Add(10 * time.Minute)); err != nil {
		return err
	}
	fmt.Fprintf(l.conn, "GET /api/events HTTP/1.1\r\nHost: %s\r\nX-API-Key: %s\r\n\r\n", u.host, u.keys["load"])
	response, err := http.ReadResponse(l.reader, nil)
	if err != nil {
		return err
	}
	if response.StatusCode != 200 { // its body has no end: the connection is closed, not the body
		return fmt.Errorf("answer %s", response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	n := 0
	for lines.Scan() {
		id, is := strings.CutPrefix(lines.Text(), "id: ")
		if !is {
			continue
		}
		n++
		if id != strconv.Itoa(n) {
			return fmt.Errorf("event %s came where %d was due", id, n)
		}
		if !more(n) {
			return nil
		}
	}
	return fmt.Errorf("the stream ended after %d events: %w", n, lines.Err())
}

// places takes all three places of the plan, and is refused a fourth.
func (u *upgradable) places() {
	u.t.Helper()
	var holding sync.WaitGroup
	for range 3 {
		holding.Go(func() {
			l := u.plainLine()
			defer l.close()
			// A place is free a moment after its answer was read.
			for limit := time.Now().Add(patience); ; {
				status, err := l.ask("/api/hold", u.keys["places"])
				if status == 200 && err == nil {
					return
				}
				if err != nil || status != 429 || time.Now().After(limit) {
					u.t.Errorf("a place is not free: %d %v", status, err)
					return
				}
			}
		})
	}
	u.until("three places are taken", func() bool { return u.upstream.holding.Load() == 3 })
	l := u.plainLine()
	defer l.close()
	if status, err := l.ask("/api/x", u.keys["places"]); status != 429 || err != nil {
		u.t.Errorf("the fourth at the same time: %d %v, want 429", status, err)
	}
	close(u.upstream.held)
	holding.Wait()
}
