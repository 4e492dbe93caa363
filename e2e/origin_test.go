package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// With these in its environment this program is not a test but an origin.
const (
	originAddress = "TOLLHOUSE_E2E_ORIGIN"
	originName    = "TOLLHOUSE_E2E_ORIGIN_NAME"
	originNotes   = "TOLLHOUSE_E2E_ORIGIN_NOTES"
)

// Fields of an origin's answers and of the load's requests.
const (
	originField = "Test-Origin"
	errandField = "Test-Errand"
)

// longAnswer is the length of the answer to GET /long.
const longAnswer = 1 << 20

// origin is a service as a process of its own, which can be killed and stopped.
type origin struct {
	name    string
	address string
	notes   string // a file with a line for each request that was not safe: its method and errand
	cmd     *exec.Cmd
}

// newOrigin starts a service at a free port of its own.
func newOrigin(t *testing.T, name, notes string) *origin {
	t.Helper()
	o := &origin{name: name, address: "127.0.0.1:" + strconv.Itoa(freePort(t)), notes: notes}
	o.start(t)
	t.Cleanup(func() { _ = o.end() })
	return o
}

// start starts it, again, at its address.
func (o *origin) start(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.cmd = exec.Command(self)
	o.cmd.Env = append(os.Environ(), originAddress+"="+o.address, originName+"="+o.name, originNotes+"="+o.notes)
	said, err := o.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	o.cmd.Stderr = os.Stderr
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil {
		t.Fatalf("the origin %s at %s: %q, %v", o.name, o.address, line, err)
	}
}

// end kills it with all its connections.
func (o *origin) end() error {
	err := o.cmd.Process.Kill()
	_ = o.cmd.Wait() // it says that it was killed
	return err
}

// send sends it a signal.
func (o *origin) send(s syscall.Signal) error { return o.cmd.Process.Signal(s) }

// beOrigin serves at an address until it is killed.
func beOrigin(address, name, notes string) int {
	// Its own earlier life may have connections at the address yet.
	var listener net.Listener
	var err error
	for range 200 {
		if listener, err = net.Listen("tcp", address); err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	book, err := os.OpenFile(notes, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("serves")
	long := bytes.Repeat([]byte("0123456789abcdef"), longAnswer/16)
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(longAnswer))
		_, _ = w.Write(long) // who reads it counts
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the gateway broke it off
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions {
			// One write to a file opened for appending: it outlives a kill, and is whole.
			if _, err := fmt.Fprintf(book, "%s %s\n", r.Method, r.Header.Get(errandField)); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		w.Header().Set(originField, name)
		fmt.Fprintf(w, "%s %s of %d bytes %s", r.Method, r.URL.Path, len(body), strings.Repeat("x", 1000))
	})
	fmt.Fprintln(os.Stderr, http.Serve(listener, mux))
	return 1
}
