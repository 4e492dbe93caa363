package main

import (
	"debug/buildinfo"
	"embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"
)

//go:embed peers
var peerFiles embed.FS

// proxy is one program under load, with one configuration.
type proxy struct {
	name    string
	job     string // "plain" or "gateway"; "" for the upstream itself
	base    bool   // the others of its job are compared with it
	ours    bool
	address string
	key     string // sent as X-API-Key; "": none
	pids    func() []int
}

// yard is where the programs run: a directory and their processes.
type yard struct {
	dir      string
	back     string
	versions []string

	mu      sync.Mutex // guards running
	running []*exec.Cmd
}

func openYard() (*yard, error) {
	if _, err := exec.LookPath("wrk"); err != nil {
		return nil, errors.New("wrk is not installed (apt-get install wrk)")
	}
	dir, err := os.MkdirTemp("", "tollhouse-bench")
	if err != nil {
		return nil, err
	}
	y := &yard{dir: dir}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() { // nothing of it is left behind
		<-stop
		y.close()
		os.Exit(1)
	}()
	return y, nil
}

func (y *yard) close() {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, cmd := range y.running {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
	}
	for _, cmd := range y.running {
		_ = cmd.Wait()
	}
	_ = os.RemoveAll(y.dir)
}

// run starts a program that runs until close.
func (y *yard) run(program string, args ...string) (func() []int, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = y.dir
	cmd.Env = append(os.Environ(), "HOME="+y.dir, "XDG_DATA_HOME="+y.dir, "XDG_CONFIG_HOME="+y.dir)
	log, err := os.Create(filepath.Join(y.dir, filepath.Base(program)+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout = log // HAProxy's usage log; the others say little here
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	y.mu.Lock()
	y.running = append(y.running, cmd)
	y.mu.Unlock()
	return func() []int { return family(cmd.Process.Pid) }, nil
}

// pids are all processes that run.
func (y *yard) pids() (all []int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, cmd := range y.running {
		all = append(all, family(cmd.Process.Pid)...)
	}
	return all
}

// file writes a peer's configuration.
func (y *yard) file(name, front, key string) (string, error) {
	t, err := template.ParseFS(peerFiles, "peers/"+name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(y.dir, name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	err = t.Execute(f, map[string]any{"Dir": y.dir, "Front": front, "Back": y.back, "Key": key, "Root": os.Getuid() == 0})
	return path, errors.Join(err, f.Close())
}

// start starts everything that is installed, and tells what is not.
func (y *yard) start(s settings) (proxies []*proxy, missing []string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	y.back = free()
	back, err := y.run(self, "-upstream", y.back)
	if err != nil {
		return nil, nil, err
	}
	if s.tollhouse == "" {
		s.tollhouse = filepath.Join(y.dir, "tollhouse")
		if out, err := exec.Command("go", "build", "-o", s.tollhouse, "./cmd/tollhouse").CombinedOutput(); err != nil {
			return nil, nil, fmt.Errorf("building tollhouse: %w: %s", err, out)
		}
	}
	if s.tollhouse, err = filepath.Abs(s.tollhouse); err != nil {
		return nil, nil, err
	}
	wanted := func(name string) bool {
		return len(s.only) == 0 || slices.ContainsFunc(s.only, func(o string) bool { return strings.Contains(strings.ToLower(name), strings.ToLower(o)) })
	}
	// The key of Tollhouse's own making serves the others too: it is as long.
	front := free()
	file, err := y.file("tollhouse-gateway.yml", front, "")
	if err != nil {
		return nil, nil, err
	}
	key, err := makeKey(s.tollhouse, file)
	if err != nil {
		return nil, nil, err
	}
	if _, err := y.file("haproxy-keys.map", "", key); err != nil {
		return nil, nil, err
	}
	add := func(x proxy, program string, args ...string) error {
		if !wanted(x.name) {
			return nil
		}
		for i, a := range args {
			if name, is := strings.CutPrefix(a, "@"); is {
				if x.address == "" {
					x.address = free()
				}
				if args[i], err = y.file(name, x.address, key); err != nil {
					return err
				}
			}
		}
		if x.pids, err = y.run(program, args...); err != nil {
			return err
		}
		if x.job == "gateway" {
			x.key = key
		}
		proxies = append(proxies, &x)
		return ready(&x)
	}
	there := func(name, program string, version ...string) bool {
		path, err := exec.LookPath(program)
		if err != nil {
			missing = append(missing, name)
			return false
		}
		out, _ := exec.Command(path, version...).CombinedOutput() // what it says is all there is to know
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		line, _, _ = strings.Cut(strings.TrimPrefix(line, "nginx version: "), " - ")
		if info, err := buildinfo.ReadFile(path); err == nil {
			if v := info.Main.Version; strings.HasPrefix(v, "v") {
				line = v // it was installed from its module, and knows no version of its own
			}
			line = name + " " + line + " (" + info.GoVersion + ")"
		}
		if wanted(name) {
			y.versions = append(y.versions, line)
		}
		return true
	}
	referenceAt := free()
	steps := []error{
		add(proxy{name: "Tollhouse: key, plan, limits, quota, journal", job: "gateway", ours: true, address: front}, s.tollhouse, "serve", "--config", "@tollhouse-gateway.yml"),
		add(proxy{name: "Tollhouse: public, no limits", job: "plain", ours: true}, s.tollhouse, "serve", "--config", "@tollhouse-plain.yml"),
	}
	if there("nginx", "nginx", "-v") {
		steps = append(steps,
			add(proxy{name: "nginx: key map, limit_req, buffered log", job: "gateway", base: true}, "nginx", "-p", y.dir, "-c", "@nginx-gateway.conf"),
			add(proxy{name: "nginx: plain proxy", job: "plain", base: true}, "nginx", "-p", y.dir, "-c", "@nginx-plain.conf"))
	}
	if there("HAProxy", "haproxy", "-v") {
		steps = append(steps,
			add(proxy{name: "HAProxy: key map, stick table, log", job: "gateway"}, "haproxy", "-db", "-f", "@haproxy-gateway.cfg"),
			add(proxy{name: "HAProxy: plain proxy", job: "plain"}, "haproxy", "-db", "-f", "@haproxy-plain.cfg"))
	}
	if there("Caddy", s.caddy, "version") {
		steps = append(steps, add(proxy{name: "Caddy: plain proxy", job: "plain"}, s.caddy, "run", "--adapter", "caddyfile", "--config", "@caddy-plain.Caddyfile"))
	}
	steps = append(steps, add(proxy{name: "net/http: httputil.ReverseProxy", job: "plain", address: referenceAt}, self, "-reference", referenceAt, "-upstream", y.back))
	if wanted("the upstream itself") {
		proxies = append(proxies, &proxy{name: "(the upstream itself, no proxy)", address: y.back, pids: back})
	}
	for _, name := range missing {
		if slices.ContainsFunc(s.require, func(r string) bool { return strings.EqualFold(r, name) || r == "all" }) {
			steps = append(steps, fmt.Errorf("%s is not installed", name))
		}
	}
	return proxies, missing, errors.Join(steps...)
}

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

// ready waits until a proxy answers as it should, and sees that one that wants a
// key lets nobody in without.
func ready(x *proxy) error {
	status := func(key string) int {
		request, err := http.NewRequest("GET", "http://"+x.address+"/x", nil)
		if err != nil {
			return 0
		}
		if key != "" {
			request.Header.Set("X-API-Key", key)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0
		}
		defer response.Body.Close()
		if body, err := io.ReadAll(response.Body); response.StatusCode == 200 && (err != nil || len(body) != 1024) {
			return 0
		}
		return response.StatusCode
	}
	for range 400 {
		if status(x.key) == 200 {
			if x.key != "" && status("") != 401 {
				return fmt.Errorf("%s lets requests in without a key", x.name)
			}
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s does not answer at %s", x.name, x.address)
}
