package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const configuration = `
listen: { http: %q, admin: "127.0.0.1:0" }
data: %q
services:
  api: { path: /x, upstreams: [%q], access: key }
plans:
  load:
    name: Load
    includes: [api]
    limits: [ { name: second, rate: 1000000/second }, { name: parallel, concurrency: 100000 } ]
    quotas: [ { name: monthly, unit: requests, limit: 1000000000000, every: month } ]
`

const operator = "operator@house.example"

// house is a running Tollhouse with a key and an operator.
type house struct {
	address, key, password string
	cmd                    *exec.Cmd
	back                   *httptest.Server
}

func open(dir, binary string) (*house, error) {
	if binary == "" {
		binary = filepath.Join(dir, "tollhouse")
		if out, err := exec.Command("go", "build", "-o", binary, "./cmd/tollhouse").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build tollhouse: %w: %s", err, out)
		}
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &house{address: l.Addr().String()}
	if err := l.Close(); err != nil {
		return nil, err
	}
	body := []byte(strings.Repeat("x", 1024))
	h.back = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	file := filepath.Join(dir, "tollhouse.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, configuration, h.address, filepath.Join(dir, "data"), h.back.URL), 0o600); err != nil {
		return nil, err
	}
	customer, err := field(binary, "id", "customer", "create", "--config", file, "--name", "load", "--plan", "load", "--json")
	if err != nil {
		return nil, err
	}
	if h.key, err = field(binary, "key", "key", "create", "--config", file, "--customer", customer, "--name", "load", "--json"); err != nil {
		return nil, err
	}
	if h.password, err = field(binary, "password", "operator", "create", "--config", file, "--email", operator, "--json"); err != nil {
		return nil, err
	}
	h.cmd = exec.Command(binary, "serve", "--config", file)
	h.cmd.Dir = dir
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	for range 600 {
		if r, err := http.Get("http://" + h.address + "/sign-in"); err == nil {
			_ = r.Body.Close()
			return h, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	h.close()
	return nil, errors.New("tollhouse did not start within a minute")
}

func (h *house) close() {
	if h.cmd != nil && h.cmd.Process != nil {
		_ = h.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = h.cmd.Wait()
	}
	h.back.Close()
}

// field runs a command and gives one text of its JSON document.
func field(binary, name string, args ...string) (string, error) {
	out, err := exec.Command(binary, args...).Output()
	if err != nil {
		return "", fmt.Errorf("tollhouse %v: %w", args[:2], err)
	}
	var document map[string]any
	if err := json.Unmarshal(out, &document); err != nil {
		return "", fmt.Errorf("tollhouse %v: %w", args[:2], err)
	}
	text, ok := document[name].(string)
	if !ok {
		return "", fmt.Errorf("tollhouse %v printed no %s", args[:2], name)
	}
	return text, nil
}
