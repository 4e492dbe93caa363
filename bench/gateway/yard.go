package main

import (
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
	job     string // "plain", "gateway" or "tls"; "" for the upstream itself
	base    bool   // the others of its job are compared with it
	ours    bool
	address string
	secure  bool   // it speaks TLS
	key     string // sent as X-API-Key; "": none
	pids    func() []int
	with    func() []int // of another program that does a part of it, nil for none
}

func (x *proxy) url() string {
	if x.secure {
		return "https://" + x.address + "/x"
	}
	return "http://" + x.address + "/x"
}

// yard is where the programs run: a directory and their processes.
type yard struct {
	dir      string
	back     string
	asked    string // where the Tollhouse is that decides for another proxy
	secret   string // with which it is asked
	versions []string
	client   *http.Client // trusts the certificate

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
	if y.client, err = certificate(dir); err != nil {
		return nil, err
	}
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
	err = t.Execute(f, map[string]any{"Dir": y.dir, "Front": front, "Back": y.back, "Key": key, "Authorize": y.asked, "Secret": y.secret, "Root": os.Getuid() == 0})
	return path, errors.Join(err, f.Close())
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
func (y *yard) ready(x *proxy) error {
	status := func(key string) int {
		request, err := http.NewRequest("GET", x.url(), nil)
		if err != nil {
			return 0
		}
		if key != "" {
			request.Header.Set("X-API-Key", key)
		}
		response, err := y.client.Do(request)
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
