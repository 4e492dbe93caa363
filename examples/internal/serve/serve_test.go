package serve_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/examples/internal/serve"
)

// start runs a server on a free port and returns its URL, as URL_FILE tells
// it, and how to end it.
func start(t *testing.T, handler http.Handler) (url string, end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	listening := make(chan struct{})
	o := serve.Options{
		Name:    "test",
		Listen:  "127.0.0.1:0",
		URLFile: filepath.Join(t.TempDir(), "current_url.txt"),
		// The first log line comes once the address is known.
		Logger: slog.New(slog.NewTextHandler(&closer{done: listening}, nil)),
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Run(ctx, o, handler) }()
	select {
	case <-listening:
	case err := <-ended:
		t.Fatal(err)
	}
	raw, err := os.ReadFile(o.URLFile)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(raw)), func() error { cancel(); return <-ended }
}

// closer closes its channel at the first line that is written to it.
type closer struct{ done chan struct{} }

func (c *closer) Write(p []byte) (int, error) {
	if c.done != nil {
		close(c.done)
		c.done = nil
	}
	return len(p), nil
}

func TestWritesItsAddressAndEndsOpenRequests(t *testing.T) {
	t.Parallel()
	inside, release := make(chan struct{}), make(chan struct{})
	url, end := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(inside)
		<-release
		_, _ = io.WriteString(w, "whole")
	}))
	answer := make(chan string, 1)
	go func() {
		response, err := http.Get(url)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answer <- string(body)
	}()
	<-inside
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	close(release)
	if got := <-answer; got != "whole" {
		t.Errorf("the open request got %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run returned %v", err)
	}
}

func TestSaysWhatToDoAboutATakenPort(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	err = serve.Run(t.Context(), serve.Options{Listen: listener.Addr().String()}, http.NotFoundHandler())
	if err == nil || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("got %v", err)
	}
}

func TestRefusesAURLFileThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	o := serve.Options{Listen: "127.0.0.1:0", URLFile: filepath.Join(t.TempDir(), "no", "such", "folder")}
	if err := serve.Run(t.Context(), o, http.NotFoundHandler()); err == nil || !strings.Contains(err.Error(), "URL_FILE") {
		t.Errorf("got %v", err)
	}
}

func TestChoosesTheAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ flag, port, urlFile, want string }{
		{"localhost:1", "2", "file", "localhost:1"},
		{"", "2", "file", "0.0.0.0:2"},
		{"", "", "file", "127.0.0.1:0"},
		{"", "", "", "127.0.0.1:9"},
	} {
		if got := serve.Address(c.flag, c.port, c.urlFile, "127.0.0.1:9"); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}
