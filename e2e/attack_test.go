package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/edge/edgetest"
)

// attackers is how many connections, streams or names an attack has: some
// hundred in every run, ten thousand in the proof (make proof-attack).
func attackers(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("TOLLHOUSE_ATTACKERS"))
	if err != nil || n < 1 {
		return 300
	}
	return n
}

// besieged is a tollhouse with HTTP, HTTPS and an admin listener, and a service
// behind it.
type besieged struct {
	*process
	plain, secure, admin string
	roots                *x509.CertPool
	data, key            string
}

const besiegedConfig = `
listen:
  http: "127.0.0.1:%d"
  https: "127.0.0.1:%d"
  redirect_http: false
  admin: "127.0.0.1:%d"
  max_connections: %d
  max_connections_per_address: %d
  head_timeout: 60s
  idle_timeout: 60s
data: %q
console: { host: console.example.com }
certificates: [ { cert: %q, key: %q } ]
services:
  app: { path: /app, access: public, upstreams: [%q], max_body: 10MB, timeouts: { body: 60s, idle: 60s } }
  api: { path: /api, access: key, upstreams: [%q] }
plans:
  load: { name: Load, includes: [api], limits: [ { name: second, rate: 1000000/second } ] }
`

// besiege starts one that may have so many clients. files is its limit of open
// files, 0 for this machine's.
func besiege(t *testing.T, clients, files int) *besieged {
	t.Helper()
	service := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(behind)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = service.Serve(listener) }()
	t.Cleanup(func() { _ = service.Close() })
	upstream := "http://" + listener.Addr().String()

	dir := t.TempDir()
	ca := edgetest.NewAuthority(t)
	own := ca.Files(t, dir, "app.example.com")
	b := &besieged{roots: ca.Roots(), data: filepath.Join(dir, "data")}
	ports := [3]int{freePort(t), freePort(t), freePort(t)}
	b.plain, b.secure, b.admin = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1]), fmt.Sprintf("127.0.0.1:%d", ports[2])
	file := filepath.Join(dir, "tollhouse.yml")
	content := fmt.Sprintf(besiegedConfig, ports[0], ports[1], ports[2], clients, clients, b.data, own.Cert, own.Key, upstream, upstream)
	if clients == 0 {
		content = strings.Replace(strings.Replace(content, "  max_connections: 0\n", "", 1), "  max_connections_per_address: 0\n", "", 1)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	c := ask[customer](t, "customer", "create", "--config", file, "--name", "ACME", "--plan", "load")
	b.key = ask[key](t, "key", "create", "--config", file, "--customer", c.ID, "--name", "load").Key
	cmd := exec.Command(binary, "serve", "--config", file)
	if files > 0 {
		cmd = exec.Command("sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files), binary, "serve", "--config", file)
	}
	b.process = await(t, "", "serves at", cmd)
	return b
}

// behind is the service: it echoes, or sends a megabyte.
func behind(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/big") {
		_, _ = w.Write(make([]byte, 4<<20))
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	fmt.Fprintf(w, "%s %s %q", r.Method, r.URL.Path, body)
}

// honest are clients that ask during an attack, each time on a fresh
// connection, over HTTP and HTTPS, with and without a key, and look whether the
// answer is their own.
type honest struct {
	b    *besieged
	stop chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex
	served  int
	failed  []string
	slowest time.Duration
}

// met is how many honest requests have ended so far, well or not.
func (h *honest) met() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.served + len(h.failed)
}

func (b *besieged) honest() *honest {
	h := &honest{b: b, stop: make(chan struct{})}
	for c := range 2 {
		h.done.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-h.stop:
					return
				case <-time.After(25 * time.Millisecond):
				}
				h.ask(c, i)
			}
		})
	}
	return h
}

func (h *honest) ask(c, i int) {
	began := time.Now()
	err := h.b.asks(c == 1, fmt.Sprintf("%d-%d", c, i))
	took := time.Since(began)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slowest = max(h.slowest, took)
	if h.served++; err != nil {
		h.served--
		h.failed = append(h.failed, err.Error())
	}
}

// asks makes one request on a connection of its own.
func (b *besieged) asks(secure bool, name string) error {
	address := b.plain
	if secure {
		address = b.secure
	}
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if secure {
		conn = tls.Client(conn, &tls.Config{ServerName: "app.example.com", RootCAs: b.roots})
	}
	if _, err := fmt.Fprintf(conn, "POST /api/%s HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s", name, b.key, len(name), name); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	if want := fmt.Sprintf("POST /api/%s %q", name, name); err != nil || response.StatusCode != 200 || string(body) != want {
		return fmt.Errorf("%s %q %w, want %q", response.Status, body, err, want)
	}
	return nil
}

// end stops the clients; none may have failed.
func (h *honest) end(t *testing.T) {
	t.Helper()
	close(h.stop)
	h.done.Wait()
	if len(h.failed) > 0 || h.served == 0 {
		t.Errorf("%d honest requests were served and %d failed: %.500q", h.served, len(h.failed), h.failed)
	}
}

// figures are what the process holds.
type figures struct {
	heap, resident int64 // bytes
	goroutines     int64
	connections    int64
	files          int
}

// measure reads them after forced collections.
func (b *besieged) measure(t *testing.T) figures {
	t.Helper()
	for range 2 { // the second frees what pools gave up in the first
		b.page(t, "/debug/pprof/heap?gc=1")
	}
	return b.gauges(t)
}

func (b *besieged) gauges(t *testing.T) (f figures) {
	t.Helper()
	for line := range strings.SplitSeq(b.page(t, "/metrics"), "\n") {
		name, text, _ := strings.Cut(line, " ")
		value, _ := strconv.ParseFloat(text, 64)
		switch name {
		case "go_memstats_heap_inuse_bytes":
			f.heap = int64(value)
		case "process_resident_memory_bytes":
			f.resident = int64(value)
		case "go_goroutines":
			f.goroutines = int64(value)
		case "tollhouse_connections":
			f.connections = int64(value)
		}
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	f.files = len(open)
	return f
}

func (b *besieged) page(t *testing.T, path string) string {
	t.Helper()
	response, err := http.Get("http://" + b.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 {
		t.Fatalf("%s: %s %v", path, response.Status, err)
	}
	return string(all)
}

// settled measures once the idle connections to the service are gone.
func (b *besieged) settled(t *testing.T) (now figures) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(250 * time.Millisecond) {
		if now = b.measure(t); now.goroutines < 60 {
			return now
		}
	}
	t.Fatalf("it does not come to rest: %+v", now)
	return now
}

// varies is what the heap of a small process varies by whatever it does: the
// journal's reader grows with the honest requests, up to one segment.
const varies = 2 << 20

// recovered waits until the process holds what it held before: heap in use
// within 110 % (and varies), and no more goroutines than a few that come and go.
func (b *besieged) recovered(t *testing.T, before figures) (after figures) {
	t.Helper()
	for deadline := time.Now().Add(patience / 2); ; {
		after = b.measure(t)
		if after.heap <= before.heap*11/10+varies && after.goroutines <= before.goroutines+10 && after.connections <= before.connections+2 {
			return after
		}
		if time.Now().After(deadline) {
			t.Errorf("it does not come back: %+v, before %+v", after, before)
			return after
		}
		time.Sleep(250 * time.Millisecond) // for timeouts of the program under test
	}
}

// TestAnAttackIsOutlivedAndHonestClientsAreServed runs each attack against one
// process, with honest clients beside it, and compares what the process holds
// before and after.
func TestAnAttackIsOutlivedAndHonestClientsAreServed(t *testing.T) {
	n := attackers(t)
	b := besiege(t, n+1000, 0)
	// What is made once and kept is made in a first round of the same size: the
	// tables that grow to their greatest number, the journal's reader, and the
	// runtime's descriptor of each goroutine that there ever was at a time (some
	// 440 bytes), which it uses again and never gives back. So what is left over
	// from the second round is what every attack would add.
	cold := b.measure(t)
	warm := b.honest()
	for _, f := range floods {
		b.run(t, f, n)
	}
	warm.end(t)
	before := b.settled(t)
	t.Logf("heap in use before any attack: %.1f MB; after a round of each: %.1f MB", float64(cold.heap)/(1<<20), float64(before.heap)/(1<<20))
	t.Logf("| attack | size | most connections | honest served (failed) | slowest | most resident | heap in use before → after | goroutines before → after | files before → after |")
	t.Logf("|---|---|---|---|---|---|---|---|---|")
	for _, f := range floods {
		t.Run(f.name, func(t *testing.T) {
			h := b.honest()
			most := b.run(t, f, n)
			for limit := time.Now().Add(patience); h.met() < 2 && time.Now().Before(limit); { // a short attack goes on until somebody has met it
				again := b.run(t, f, n)
				most.connections, most.resident = max(most.connections, again.connections), max(most.resident, again.resident)
			}
			h.end(t)
			after := b.recovered(t, before)
			t.Logf("| %s | %s | %d | %d (%d) | %d ms | %d MB | %.1f → %.1f MB (%d %%) | %d → %d | %d → %d |", f.name, f.size(n), most.connections, h.served, len(h.failed), h.slowest.Milliseconds(),
				most.resident>>20, float64(before.heap)/(1<<20), float64(after.heap)/(1<<20), after.heap*100/before.heap, before.goroutines, after.goroutines, before.files, after.files)
		})
	}
	if status := b.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
	if said := b.stderr.String(); strings.Contains(said, "panic") || strings.Contains(said, "goroutine ") {
		t.Errorf("the log has a panic: %s", tail(said))
	}
}

// run makes an attack and tells the most that the process held meanwhile.
func (b *besieged) run(t *testing.T, f flood, n int) (most figures) {
	t.Helper()
	over, ended := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		for over.Err() == nil {
			now := b.gauges(t)
			most.connections, most.resident = max(most.connections, now.connections), max(most.resident, now.resident)
			select {
			case <-over.Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	f.attack(t, b, n)
	ended()
	watching.Wait()
	return most
}

// TestUnknownNamesGetNoOrder asks for names that nobody has where certificates
// come from an authority, which must not hear of one of them.
func TestUnknownNamesGetNoOrder(t *testing.T) {
	t.Parallel()
	plain, secure := freePort(t), freePort(t)
	pebble := edgetest.StartPebble(t, edgetest.PebbleOptions{HTTPPort: plain, TLSPort: secure})
	file, _ := httpsInstallation(t, plain, secure, upstreamOf(t),
		fmt.Sprintf("acme: { email: ops@example.com, directory: %q, ca_file: %q }", pebble.Directory, pebble.CAFile))
	p := start(t, "Tollhouse serves at https://", "serve", "--config", file)
	waitFor(t, p, `"msg":"certificate fetched","host":"app.example.com"`)
	waitFor(t, p, `"msg":"certificate fetched","host":"console.example.com"`)
	orders := func() int { return strings.Count(pebble.Output(), "Added order") }
	before := orders()
	if before != 2 {
		t.Errorf("the authority has %d orders, want 2:\n%s", before, tail(pebble.Output()))
	}
	n := attackers(t)
	if err := strangeNames(fmt.Sprintf("127.0.0.1:%d", secure), n); err != nil {
		t.Error(err)
	}
	if after := orders(); after != before || strings.Contains(pebble.Output(), "stranger-") {
		t.Errorf("%d orders after %d unknown names, %d before", after, n, before)
	}
	get(t, caller(t, pebble.Roots(t)), fmt.Sprintf("https://app.example.com:%d/", secure)) // the known ones are served
	t.Logf("%d unknown names: %d orders before, %d after", n, before, orders())
}

func TestAFewDescriptorsAreEnoughForHonestClientsUnderAttack(t *testing.T) {
	t.Parallel()
	b := besiege(t, 0, 64)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", b.cmd.Process.Pid))
	if err != nil || !slices.Contains(strings.Fields(string(limits)), "64") {
		t.Fatalf("the limit does not hold: %v\n%s", err, limits)
	}
	halves := make([]net.Conn, 300)
	for i := range halves {
		if halves[i], err = net.Dial("tcp", b.plain); err != nil {
			t.Fatal(err)
		}
		defer halves[i].Close()
		fmt.Fprint(halves[i], "GET /app/ HTTP/1.1\r\nHost: app.example.com\r\n")
	}
	for i := range 40 {
		if err := b.asks(i%2 == 1, fmt.Sprint(i)); err != nil {
			t.Errorf("honest request %d: %v", i, err)
		}
		if i%10 == 0 { // the control socket has its descriptors too
			ask[customer](t, "customer", "create", "--data", b.data, "--name", fmt.Sprint("New ", i), "--plan", "load")
		}
	}
	if said := b.stderr.String(); !strings.Contains(said, "listen.max_connections") || strings.Contains(said, "too many open files") {
		t.Errorf("the log: %s", tail(said))
	}
	if status := b.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
	stored := ask[struct {
		Events []struct{} `json:"events"`
	}](t, "usage", "export", "--data", b.data)
	if len(stored.Events) != 40 {
		t.Errorf("%d usage events, want 40", len(stored.Events))
	}
}

func TestTheSoftLimitOfFilesIsRaisedToTheHardOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", `ulimit -Sn 256 && ulimit -Hn 4096 && exec "$0" "$@"`, binary, "serve", "--data", filepath.Join(dir, "data"), "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0")
	p := await(t, "", "serves at", cmd)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(limits), "\n") {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok && (len(strings.Fields(rest)) < 2 || strings.Fields(rest)[0] != "4096") {
			t.Errorf("limits: %s", line)
		}
	}
}

func TestADataDirectoryThatOthersCanWriteInIsToldOf(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	if err := os.Chmod(data, 0o777); err != nil {
		t.Fatal(err)
	}
	p := start(t, "serves at", "serve", "--data", data, "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0")
	if said := p.stderr.String(); !strings.Contains(said, "chmod 700 "+data) {
		t.Errorf("the log: %s", said)
	}
}
