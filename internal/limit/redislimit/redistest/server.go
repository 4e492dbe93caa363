// Package redistest starts real Redis servers for tests, each on a unix socket
// of its own and without a disk, and stops them with the test.
package redistest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is a Redis server of one test.
type Server struct {
	t      testing.TB
	binary string
	socket string
	cmd    *exec.Cmd
}

// Start starts a server. Without redis-server on the machine the test is
// skipped, or fails where CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not installed; .ci/run installs it")
		}
		t.Skip("skipped: redis-server is not installed (apt-get install redis-server)")
	}
	dir, err := os.MkdirTemp("", "redis") // a socket's path is short, a test's directory may not be
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, binary: binary, socket: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		s.Kill()
		_ = os.RemoveAll(dir)
	})
	s.Restart()
	return s
}

// URL is where the server is.
func (s *Server) URL() string { return "unix://" + s.socket }

// Restart starts a server, empty, where the one before was.
func (s *Server) Restart() {
	s.t.Helper()
	_ = os.Remove(s.socket)
	s.cmd = exec.Command(s.binary, "--port", "0", "--unixsocket", s.socket, "--save", "", "--appendonly", "no", "--loglevel", "warning", "--dir", filepath.Dir(s.socket))
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	client := s.Client()
	defer func() { _ = client.Close() }()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := client.Ping(context.Background()).Err()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("redis-server does not answer: %v", err)
		}
		time.Sleep(5 * time.Millisecond) // until it listens; nothing tells
	}
}

// Kill ends the server as kill -9 does.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // killed is what it says
		s.cmd = nil
	}
}

// Empty makes the server forget everything.
func (s *Server) Empty() {
	s.t.Helper()
	client := s.Client()
	defer func() { _ = client.Close() }()
	if err := client.FlushAll(context.Background()).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// Client is a connection to look at the server with.
func (s *Server) Client() *redis.Client {
	return redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket, MaxRetries: -1})
}
