package edge_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const nginxConfig = `
daemon off; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  upstream service { server %[3]s; keepalive 8; }
  server {
    listen %[2]s; client_max_body_size 1m;
    location /v1/ner/ { proxy_pass http://service/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; }
  }
}
`

// TestComparesWithAPeer prints what nginx makes of each framing beside what the
// house does, for docs/proof/attack.md. It runs when it is asked for (make
// proof-attack): what another program does is no reason for a test to fail.
func TestComparesWithAPeer(t *testing.T) {
	if os.Getenv("TOLLHOUSE_PEERS") == "" {
		t.Skip("TOLLHOUSE_PEERS is not set: nobody asked for the comparison")
	}
	program, err := exec.LookPath("nginx")
	if err != nil {
		t.Fatal("nginx is not installed (apt-get install nginx)")
	}
	service := newStrict(t, nil)
	dir := t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, nginxConfig, dir, address, strings.TrimPrefix(service.address, "http://")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // its workers are somebody else
		t.Fatal(err)
	}
	nginx := exec.Command(program, "-c", file, "-e", filepath.Join(dir, "error.log"))
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = nginx.Process.Signal(os.Interrupt)
		_ = nginx.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nginx does not answer")
		}
	}
	t.Logf("| what comes | Tollhouse | nginx | what nginx's service is sent |")
	t.Logf("|---|---|---|---|")
	for _, f := range framings {
		service.mu.Lock()
		service.wrong, service.asked = nil, nil
		service.mu.Unlock()
		got := peerAnswers(address, f.send+"GET /v1/ner/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		service.mu.Lock()
		var sent []string
		for _, a := range service.asked {
			if a.target != "/next" {
				sent = append(sent, a.method+" "+a.target)
			}
		}
		if len(service.wrong) > 0 {
			sent = append(sent, "what no strict reader takes")
		}
		service.mu.Unlock()
		t.Logf("| %s | %s | %s | %s |", f.name, f.answers, got, strings.Join(sent, ", "))
	}
}

// peerAnswers is answersTo for a program that may do anything.
func peerAnswers(address, send string) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	go func() { _, _ = conn.Write([]byte(send)) }()
	var all []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			break
		}
	}
	var said []string
	for _, part := range strings.Split(string(all), "HTTP/1.1 ")[1:] {
		if strings.Contains(part, `GET /next ""`) {
			said = append(said, "next")
		} else if len(part) >= 3 && part[:3] != "100" {
			said = append(said, part[:3])
		}
	}
	return strings.Join(said, " ")
}
