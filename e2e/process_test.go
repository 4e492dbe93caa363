package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a running tollhouse.
type process struct {
	cmd    *exec.Cmd
	stdout *watched
	stderr *watched
	ended  chan struct{}
	err    error
}

// watched collects output, and tells when a text has come.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}

	only string // where it is set, only lines with this in them are kept
	rest []byte // then: the line that is still coming
}

func newWatched() *watched { return &watched{more: make(chan struct{}, 1)} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
	if w.only == "" {
		return w.text.Write(p)
	}
	w.rest = append(w.rest, p...)
	for {
		end := bytes.IndexByte(w.rest, '\n') + 1
		if end == 0 {
			return len(p), nil
		}
		if line := w.rest[:end]; bytes.Contains(line, []byte(w.only)) {
			w.text.Write(line)
		}
		w.rest = append(w.rest[:0], w.rest[end:]...)
	}
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// patience bounds what a loaded machine may take; no test waits for it to pass.
const patience = 60 * time.Second

// start runs a long-lived command and waits until it prints ready.
func start(t *testing.T, ready string, args ...string) *process {
	t.Helper()
	return startKeeping(t, "", ready, args...)
}

// startKeeping is start for a program under long load: of its log only the lines
// with a text in them are kept.
func startKeeping(t *testing.T, only, ready string, args ...string) *process {
	t.Helper()
	return await(t, only, ready, exec.Command(binary, args...))
}

// await is startKeeping for a command that was made already.
func await(t *testing.T, only, ready string, cmd *exec.Cmd) *process {
	t.Helper()
	args := cmd.Args
	p := &process{cmd: cmd, stdout: newWatched(), stderr: newWatched(), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.stderr.only = only
	p.cmd.Dir = t.TempDir()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%v\nstdout: %s\nstderr: %s", args, p.stdout, tail(p.stderr.String()))
		}
	})
	limit := time.After(patience)
	for !strings.Contains(p.stdout.String(), ready) {
		select {
		case <-p.stdout.more:
		case <-p.ended:
			if !strings.Contains(p.stdout.String(), ready) {
				t.Fatalf("%v ended (%v) before it was ready\nstderr: %s", args, p.err, p.stderr)
			}
		case <-limit:
			t.Fatalf("%v is not ready after %s", args, patience)
		}
	}
	return p
}

func tail(s string) string {
	if len(s) > 4000 {
		return "…" + s[len(s)-4000:]
	}
	return s
}

// kill ends the process as a power cut of the process would: kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.ended
}

// interrupt ends it as Ctrl-C does, and gives its exit status.
func (p *process) interrupt(t *testing.T) int {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("still running %s after Ctrl-C", patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// tollhouse runs a command to its end.
func tollhouse(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &errs, t.TempDir()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// ask runs a command with --json, which must succeed, and reads its document.
func ask[T any](t *testing.T, args ...string) T {
	t.Helper()
	stdout, stderr, status := tollhouse(t, append(args, "--json")...)
	if status != 0 {
		t.Fatalf("tollhouse %v: exit %d: %s", args, status, stderr)
	}
	var v T
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		t.Fatalf("tollhouse %v printed %q: %v", args, stdout, err)
	}
	return v
}

// refused runs a command that must fail with one line, and returns it.
func refused(t *testing.T, status int, args ...string) string {
	t.Helper()
	stdout, stderr, got := tollhouse(t, args...)
	if got != status {
		t.Fatalf("tollhouse %v: exit %d, want %d\nstdout: %s\nstderr: %s", args, got, status, stdout, stderr)
	}
	line := strings.TrimSuffix(stderr, "\n")
	if line == "" || strings.Contains(line, "\n") || strings.Contains(line, "goroutine") {
		t.Errorf("tollhouse %v: want one line on stderr, got %q", args, stderr)
	}
	return line
}

// facts are what demo.json holds.
type facts struct {
	URL        string `json:"url"`
	ConsoleURL string `json:"console_url"`
	DaybookURL string `json:"daybook_url"`
	AdminURL   string `json:"admin_url"`
	Operator   signIn `json:"operator"`
	Customer   signIn `json:"customer"`
	APIKey     string `json:"api_key"`
	APIKeys    map[string]string
}

type signIn struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// demo starts a demo on a free port.
func demo(t *testing.T, data string, more ...string) (*process, facts) {
	t.Helper()
	p := start(t, "curl -s ", append([]string{"demo", "--listen", "localhost:0", "--data", data}, more...)...)
	content, err := os.ReadFile(filepath.Join(data, "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f facts
	if err := json.Unmarshal(content, &f); err != nil {
		t.Fatal(err)
	}
	var keys struct {
		APIKeys map[string]string `json:"api_keys"`
	}
	if err := json.Unmarshal(content, &keys); err != nil {
		t.Fatal(err)
	}
	f.APIKeys = keys.APIKeys
	return p, f
}

// post calls the ner API through the gateway.
func post(t *testing.T, f facts, key, body string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest("POST", f.URL+"/v1/ner/extractions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(all)
}
