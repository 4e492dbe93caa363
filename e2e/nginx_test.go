package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// nginxConf has a server for each habit that a gateway must get along with.
const nginxConf = `
worker_processes 2;
daemon off;
%[1]s
pid %[2]s/pid;
error_log %[2]s/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[2]s/b; proxy_temp_path %[2]s/p; fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s;
  types { text/html html; }
  root %[2]s/root;
  gzip_min_length 100;
  server { # closes a connection after five requests
    listen %[3]s;
    keepalive_requests 5;
    location / { }
    location /empty { return 204; }
    location /wrong { return 503; }
    location /done { client_max_body_size 1k; proxy_pass http://%[7]s; }
    location /zipped/ { gzip on; alias %[2]s/root/; }
  }
  server { # closes each connection
    listen %[4]s;
    keepalive_timeout 0;
    location / { }
    location /old/ { alias %[2]s/root/; gzip on; chunked_transfer_encoding off; }
  }
  server { # HTTP/2 without TLS
    listen %[5]s http2;
    location / { }
    location /zipped/ { gzip on; alias %[2]s/root/; }
  }
  server { # hands uploads on as they come
    listen %[6]s;
    client_max_body_size 0;
    location / { proxy_pass http://%[7]s; proxy_request_buffering off; proxy_buffering off; proxy_http_version 1.1; }
  }
}
`

// nginxServers are the addresses of one nginx.
type nginxServers struct {
	few, closes, second, uploads string
	page                         string // the content of /page.html
	cmd                          *exec.Cmd
}

// startNginx starts one, with a service behind it.
func startNginx(t *testing.T, behind string) *nginxServers {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("nginx is not installed")
		}
		t.Skip("nginx is not installed")
	}
	n := &nginxServers{page: "<!doctype html>\n"}
	for i := range 4000 {
		n.page += fmt.Sprintf("<p>paragraph %d of a page, %x</p>\n", i, sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "root", "page.html"), []byte(n.page), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, at := range []*string{&n.few, &n.closes, &n.second, &n.uploads} {
		*at = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // its workers must reach the test's directory
	}
	conf := fmt.Sprintf(nginxConf, user, dir, n.few, n.closes, n.second, n.uploads, strings.TrimPrefix(behind, "http://"))
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	said := newWatched()
	n.cmd = exec.Command(program, "-c", file, "-p", dir)
	n.cmd.Stderr = said
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = n.cmd.Process.Signal(syscall.SIGTERM) // with its workers
		_ = n.cmd.Wait()
	})
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", n.uploads)
		if err == nil {
			_ = conn.Close()
			return n
		}
		if time.Now().After(end) {
			t.Fatalf("nginx does not listen: %v: %s", err, said)
		}
	}
}

// TestNginxBehindTheGateway has a real nginx as the service, with what it does that
// a server of Go's library does not.
func TestNginxBehindTheGateway(t *testing.T) {
	t.Parallel()
	s, service := newSteady(t)
	n := startNginx(t, service)
	var services strings.Builder
	for name, url := range map[string]string{"few": "http://" + n.few, "closes": "http://" + n.closes, "second": "h2c://" + n.second, "uploads": "http://" + n.uploads} {
		fmt.Fprintf(&services, "  %s: { path: /%s, strip_path: true, access: public, upstreams: [%q], max_body: 64MB }\n", name, name, url)
	}
	plain, secure, over1, over2, _ := gatewayBefore(t, services.String())
	for _, way := range []struct {
		name, base string
		client     *http.Client
	}{{"HTTP/1.1", plain, over1}, {"HTTP/2", secure, over2}} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			t.Run("closes connections after five requests", func(t *testing.T) {
				t.Parallel()
				var all sync.WaitGroup
				for worker := range 4 {
					all.Go(func() {
						for i := range 50 {
							if i%2 == 0 {
								if response, body := get(t, way.client, way.base+"/few/page.html"); response.StatusCode != 200 || body != n.page {
									t.Errorf("GET %d: %s, %d bytes", i, response.Status, len(body))
								}
								continue
							}
							errand := fmt.Sprintf("%s %d %d", way.name, worker, i)
							if status, body := send(t, way.client, "POST", way.base+"/few/done", errand, []byte("a body")); status != 200 || body != "6 bytes came" {
								t.Errorf("POST %d: %d %q", i, status, body)
							}
							s.mu.Lock()
							if s.done[errand] != 1 {
								t.Errorf("POST %d was done %d times", i, s.done[errand])
							}
							s.mu.Unlock()
						}
					})
				}
				all.Wait()
			})
			t.Run("closes each connection", func(t *testing.T) {
				t.Parallel()
				for i := range 20 {
					if response, body := get(t, way.client, way.base+"/closes/page.html"); response.StatusCode != 200 || body != n.page {
						t.Errorf("%d: %s, %d bytes", i, response.Status, len(body))
					}
				}
			})
			for _, path := range []string{"/few/zipped/page.html", "/second/zipped/page.html", "/closes/old/page.html"} {
				t.Run("compresses "+path, func(t *testing.T) {
					t.Parallel()
					response, body := fetch(t, way.client, way.base+path, "Accept-Encoding", "gzip")
					if response.StatusCode != 200 || response.Header.Get("Content-Encoding") != "gzip" || response.ContentLength != -1 {
						t.Fatalf("%s %v, length %d", response.Status, response.Header, response.ContentLength)
					}
					unzipped, err := gzip.NewReader(strings.NewReader(body))
					if err != nil {
						t.Fatal(err)
					}
					if content, err := io.ReadAll(unzipped); err != nil || string(content) != n.page {
						t.Errorf("%d bytes, %v", len(content), err)
					}
				})
			}
			for _, service := range []string{"few", "second"} {
				t.Run("answers without a body: "+service, func(t *testing.T) {
					t.Parallel()
					first, _ := get(t, way.client, way.base+"/"+service+"/page.html")
					for name, value := range map[string]string{"If-None-Match": first.Header.Get("ETag"), "If-Modified-Since": first.Header.Get("Last-Modified")} {
						if response, body := fetch(t, way.client, way.base+"/"+service+"/page.html", name, value); response.StatusCode != 304 || body != "" || response.Header.Get("ETag") != first.Header.Get("ETag") {
							t.Errorf("%s: %s %v %q", name, response.Status, response.Header, body)
						}
					}
					if response, body := fetch(t, way.client, way.base+"/"+service+"/page.html", "Range", "bytes=3-9"); response.StatusCode != 206 || body != n.page[3:10] {
						t.Errorf("a range: %s %q", response.Status, body)
					}
					response, err := way.client.Head(way.base + "/" + service + "/page.html")
					if err != nil {
						t.Fatal(err)
					}
					response.Body.Close()
					if response.StatusCode != 200 || response.ContentLength != int64(len(n.page)) {
						t.Errorf("HEAD: %s, length %d", response.Status, response.ContentLength)
					}
				})
			}
			t.Run("says 204, and an error of its own", func(t *testing.T) {
				t.Parallel()
				if response, body := get(t, way.client, way.base+"/few/empty"); response.StatusCode != 204 || body != "" {
					t.Errorf("%s %q", response.Status, body)
				}
				if response, body := get(t, way.client, way.base+"/few/wrong"); response.StatusCode != 503 || !strings.Contains(body, "nginx") || response.Header.Get("Proxy-Status") != "" {
					t.Errorf("%s %v %q", response.Status, response.Header, body)
				}
			})
			t.Run("refuses a body before it has read it", func(t *testing.T) {
				t.Parallel()
				for i := range 10 {
					for _, size := range []int{2 << 10, 256 << 10, 16 << 20} {
						if status, body := send(t, way.client, "POST", way.base+"/few/done", "", make([]byte, size)); status != 413 || !strings.Contains(body, "nginx") {
							t.Errorf("%d: %d bytes: %d %.200q", i, size, status, body)
						}
					}
				}
			})
			t.Run("is handed an upload as it comes", func(t *testing.T) {
				t.Parallel()
				body := make([]byte, 32<<20)
				if status, said := send(t, way.client, "POST", way.base+"/uploads/x", "", body); status != 200 || said != fmt.Sprintf("%d bytes came", len(body)) {
					t.Errorf("%d %q", status, said)
				}
			})
		})
	}
}

// TestAnUploadReachesTheServiceWhileItIsSent goes through the gateway and an nginx
// that does not buffer: the service answers nothing before it has the first part,
// and the client sends no second part before that.
func TestAnUploadReachesTheServiceWhileItIsSent(t *testing.T) {
	t.Parallel()
	first := make(chan struct{}, 1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadFull(r.Body, make([]byte, 5)); err != nil {
			t.Error(err)
		}
		first <- struct{}{}
		rest, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%q %v", rest, err)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	n := startNginx(t, "http://"+listener.Addr().String())
	plain, secure, over1, over2, _ := gatewayBefore(t, fmt.Sprintf("  uploads: { path: /, access: public, upstreams: [\"http://%s\"] }\n", n.uploads))
	for _, way := range []struct {
		base   string
		client *http.Client
	}{{plain, over1}, {secure, over2}} {
		body, write := io.Pipe()
		go func() {
			_, _ = io.WriteString(write, "first")
			<-first
			_, _ = io.WriteString(write, "second")
			_ = write.Close()
		}()
		response, err := way.client.Post(way.base+"/x", "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(said) != `"second" <nil>` {
			t.Errorf("%s: %s %q %v", way.base, response.Status, said, err)
		}
	}
}

// TestNginxReloadedUnderLoadFailsNoGET has nginx take new workers, whose old ones
// close their kept connections, again and again.
func TestNginxReloadedUnderLoadFailsNoGET(t *testing.T) {
	t.Parallel()
	n := startNginx(t, "127.0.0.1:1")
	plain, _, client, _, _ := gatewayBefore(t, fmt.Sprintf("  few: { path: /, access: public, upstreams: [\"http://%s\", \"h2c://%s\"] }\n", n.few, n.second))
	var done atomic.Int64
	var stop atomic.Bool
	var all sync.WaitGroup
	moved := make(chan struct{}, 1)
	for range 8 {
		all.Go(func() {
			for !stop.Load() {
				response, err := client.Get(plain + "/page.html")
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != 200 || string(body) != n.page {
					t.Errorf("%s %q: %d bytes, %v", response.Status, response.Header.Get("Proxy-Status"), len(body), err)
				}
				done.Add(1)
				select {
				case moved <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 5 {
		if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for goal := done.Load() + 300; done.Load() < goal && !t.Failed(); {
			<-moved
		}
	}
	stop.Store(true)
	all.Wait()
}

// send sends a body, and gives the status and the body of the answer.
func send(t *testing.T, client *http.Client, method, url, errand string, body []byte) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if errand != "" {
		request.Header.Set(errandField, errand)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Errorf("%s of %d bytes: %v", method, len(body), err)
		return 0, ""
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("%s of %d bytes: %s, and then %v", method, len(body), response.Status, err)
	}
	return response.StatusCode, string(said)
}

// fetch is a GET with one field more, which the client does not decode.
func fetch(t *testing.T, client *http.Client, url, name, value string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(name, value)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}
