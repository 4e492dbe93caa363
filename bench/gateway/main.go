// Command gateway measures what the gateway's job costs, beside nginx doing as
// much of it as it can, in turns on one machine. It sends load to loopback only.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	connections := flag.Int("connections", 64, "connections of the load generator")
	rounds := flag.Int("rounds", 5, "rounds; each peer is measured once in each")
	seconds := flag.Int("seconds", 5, "seconds of load in each measurement")
	serveUpstream := flag.String("upstream", "", "internal: be the upstream on this address")
	flag.Parse()
	if *serveUpstream != "" {
		fail(upstream(*serveUpstream))
		return
	}
	fail(measure(*connections, *rounds, *seconds))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// upstream answers 1 KiB to everything.
func upstream(address string) error {
	body := []byte(strings.Repeat("x", 1024))
	server := &http.Server{Addr: address, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"text/plain"}
		w.Header()["Content-Length"] = []string{"1024"}
		_, _ = w.Write(body) // wrk counts what did not arrive
	})}
	return server.ListenAndServe()
}

// peer is one program under load.
type peer struct {
	name   string
	url    string
	fields []string
	pids   func() []int
	cpu    []float64 // microseconds per request, one per round
	rate   []float64
	p99    []time.Duration
}

func measure(connections, rounds, seconds int) (err error) {
	for _, tool := range []string{"wrk", "nginx"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is not installed", tool)
		}
	}
	dir, err := os.MkdirTemp("", "tollhouse-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var running []*exec.Cmd
	defer func() {
		for _, cmd := range running {
			_ = cmd.Process.Signal(os.Interrupt) // it may have ended
			_ = cmd.Wait()
		}
	}()
	run := func(name string, args ...string) (*exec.Cmd, error) {
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Stderr = dir, io.Discard
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		running = append(running, cmd)
		return cmd, nil
	}

	self, err := os.Executable()
	if err != nil {
		return err
	}
	back, front, plain, ng := free(), free(), free(), free()
	if _, err := run(self, "-upstream", back); err != nil {
		return err
	}
	binary := filepath.Join(dir, "tollhouse")
	if out, err := exec.Command("go", "build", "-o", binary, "./cmd/tollhouse").CombinedOutput(); err != nil {
		return fmt.Errorf("building tollhouse: %w: %s", err, out)
	}
	file := filepath.Join(dir, "tollhouse.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, tollhouseFile, front, filepath.Join(dir, "data"), back), 0o600); err != nil {
		return err
	}
	key, err := makeKey(binary, file)
	if err != nil {
		return err
	}
	toll, err := run(binary, "serve", "--config", file)
	if err != nil {
		return err
	}
	nginxFile := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(nginxFile, fmt.Appendf(nil, nginxConf, dir, dir, key, dir, back, ng, plain), 0o600); err != nil {
		return err
	}
	nginx, err := run("nginx", "-c", nginxFile, "-p", dir)
	if err != nil {
		return err
	}
	of := func(cmd *exec.Cmd) func() []int { return func() []int { return family(cmd.Process.Pid) } }
	peers := []*peer{
		{name: "Tollhouse: key, plan, limits, quota, journal", url: "http://" + front + "/api/x", fields: []string{"X-API-Key: " + key}, pids: of(toll)},
		{name: "nginx: key map, limit_req, buffered log", url: "http://" + ng + "/", fields: []string{"X-API-Key: " + key}, pids: of(nginx)},
		{name: "nginx: plain proxy", url: "http://" + plain + "/", pids: of(nginx)},
	}
	for _, p := range peers {
		if err := ready(p); err != nil {
			return err
		}
		if err := p.load(connections, 1); err != nil { // warm
			return err
		}
		p.cpu, p.rate, p.p99 = nil, nil, nil
	}
	for range rounds {
		for _, p := range peers {
			if err := p.load(connections, seconds); err != nil {
				return err
			}
		}
	}
	fmt.Printf("%s, %s, %d CPUs, %d connections, %d rounds of %d s, GET 1 KiB\n\n", time.Now().UTC().Format(time.DateOnly), runtime.Version(), runtime.NumCPU(), connections, rounds, seconds)
	fmt.Println("| | CPU us/request | of nginx's job | requests/s | p99 ms |\n|---|---|---|---|---|")
	base := median(peers[1].cpu)
	for _, p := range peers {
		fmt.Printf("| %s | %.1f | %.2f | %.0f | %.1f |\n", p.name, median(p.cpu), median(p.cpu)/base, median(p.rate), float64(median(p.p99))/1e6)
	}
	return nil
}

const tollhouseFile = `
listen: { http: %q, admin: "127.0.0.1:0" }
data: %q
services:
  api: { path: /api, upstreams: ["http://%s"], access: key }
plans:
  load:
    name: Load
    includes: [api]
    limits: [ { name: second, rate: 1000000/second }, { name: parallel, concurrency: 100000 } ]
    quotas: [ { name: monthly, unit: requests, limit: 1000000000000, every: month } ]
`

const nginxConf = `
worker_processes 2;
daemon off;
pid %s/nginx.pid;
error_log %s/error.log;
events { worker_connections 4096; }
http {
  map $http_x_api_key $customer { default ""; "%s" "acme"; }
  limit_req_zone $customer zone=plan:10m rate=1000000r/s;
  log_format usage '$customer $request_method $uri $status $request_time $bytes_sent';
  access_log %s/usage.log usage buffer=64k flush=1s;
  upstream back { server %s; keepalive 256; keepalive_requests 1000000000; }
  keepalive_requests 1000000000;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {
    listen %s;
    location / {
      if ($customer = "") { return 401; }
      limit_req zone=plan burst=100000 nodelay;
      proxy_set_header Customer $customer;
      proxy_set_header Connection ""; # a field set here leaves out those set above
      proxy_pass http://back;
    }
  }
  server { listen %s; access_log off; location / { proxy_pass http://back; } }
}
`

func makeKey(binary, file string) (string, error) {
	id, err := field(binary, "id", "customer", "create", "--config", file, "--name", "load", "--plan", "load", "--json")
	if err != nil {
		return "", err
	}
	return field(binary, "key", "key", "create", "--config", file, "--customer", id, "--name", "load", "--json")
}

func field(binary, name string, args ...string) (string, error) {
	out, err := exec.Command(binary, args...).Output()
	if err != nil {
		return "", fmt.Errorf("tollhouse %v: %w", args, err)
	}
	found := regexp.MustCompile(`"` + name + `": "([^"]*)"`).FindSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("tollhouse %v printed no %s", args, name)
	}
	return string(found[1]), nil
}

func free() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	defer l.Close()
	return l.Addr().String()
}

func ready(p *peer) error {
	for range 200 {
		request, err := http.NewRequest("GET", p.url, nil)
		if err != nil {
			return err
		}
		for _, f := range p.fields {
			name, value, _ := strings.Cut(f, ": ")
			request.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == 200 {
				return nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s does not answer at %s", p.name, p.url)
}

var (
	requestsLine = regexp.MustCompile(`(\d+) requests in`)
	rateLine     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	p99Line      = regexp.MustCompile(`99%\s+([\d.]+[a-z]+)`)
)

// load sends requests for so long and notes what they cost.
func (p *peer) load(connections, seconds int) error {
	args := []string{"-t2", "-c" + strconv.Itoa(connections), "-d" + strconv.Itoa(seconds) + "s", "--latency"}
	for _, f := range p.fields {
		args = append(args, "-H", f)
	}
	before := ticks(p.pids())
	out, err := exec.Command("wrk", append(args, p.url)...).Output()
	if err != nil {
		return fmt.Errorf("wrk: %w", err)
	}
	spent := ticks(p.pids()) - before
	if strings.Contains(string(out), "Non-2xx") {
		return fmt.Errorf("%s answered with errors:\n%s", p.name, out)
	}
	requests, err := strconv.ParseFloat(match(requestsLine, out), 64)
	if err != nil || requests == 0 {
		return errors.New("wrk counted no requests")
	}
	rate, _ := strconv.ParseFloat(match(rateLine, out), 64)
	p99, _ := time.ParseDuration(match(p99Line, out))
	p.cpu = append(p.cpu, float64(spent)*1e6/ticksPerSecond/requests)
	p.rate = append(p.rate, rate)
	p.p99 = append(p.p99, p99)
	return nil
}

func match(re *regexp.Regexp, out []byte) string {
	if m := re.FindSubmatch(out); m != nil {
		return string(m[1])
	}
	return ""
}

// ticksPerSecond is USER_HZ: 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// ticks sums utime and stime of processes from /proc/PID/stat.
func ticks(pids []int) (sum int64) {
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		for _, i := range []int{11, 12} {
			n, _ := strconv.ParseInt(fields[i], 10, 64)
			sum += n
		}
	}
	return sum
}

// family is a process and its children.
func family(pid int) []int {
	all := []int{pid}
	f, err := os.Open(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return all
	}
	defer f.Close()
	words := bufio.NewScanner(f)
	words.Split(bufio.ScanWords)
	for words.Scan() {
		if child, err := strconv.Atoi(words.Text()); err == nil {
			all = append(all, child)
		}
	}
	return all
}

func median[T float64 | time.Duration](v []T) T {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}
