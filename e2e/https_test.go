package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/edge/edgetest"
)

// httpsConfig is an installation with HTTPS, one service for everybody, and a
// console.
const httpsConfig = `
listen: { http: "127.0.0.1:%d", https: "127.0.0.1:%d" }
data: %q
console: { host: console.example.com }
services:
  app: { host: app.example.com, access: public, upstreams: [%q] }
%s
`

// installation writes a configuration with HTTPS; more is what follows it.
func httpsInstallation(t *testing.T, plain, secure int, upstream, more string) (file, data string) {
	t.Helper()
	dir := t.TempDir()
	file, data = filepath.Join(dir, "tollhouse.yml"), filepath.Join(dir, "data")
	if err := os.WriteFile(file, fmt.Appendf(nil, httpsConfig, plain, secure, data, upstream, more), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, data
}

// freePort finds a port that nobody has, below those that the system gives to
// whoever asks for any: nobody is given it before a program listens there.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 15000 + rand.IntN(15000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port was found")
	return 0
}

// caller is a browser for which every host is this machine.
func caller(t *testing.T, roots *x509.CertPool) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(address)
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Jar: jar, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func upstreamOf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "app over ", r.Header.Get("X-Forwarded-Proto"))
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return "http://" + l.Addr().String()
}

func TestHTTPSWithCertificatesFromAnAuthority(t *testing.T) {
	t.Parallel()
	plain, secure := freePort(t), freePort(t)
	pebble := edgetest.StartPebble(t, edgetest.PebbleOptions{HTTPPort: plain, TLSPort: secure})
	file, data := httpsInstallation(t, plain, secure, upstreamOf(t),
		fmt.Sprintf("acme: { email: ops@example.com, directory: %q, ca_file: %q }", pebble.Directory, pebble.CAFile))
	if stdout, stderr, status := tollhouse(t, "check", "--config", file); status != 0 {
		t.Fatalf("check: exit %d: %s%s", status, stdout, stderr)
	}
	p := start(t, fmt.Sprintf("Tollhouse serves at https://app.example.com:%d (console: https://console.example.com:%d/", secure, secure), "serve", "--config", file)
	waitFor(t, p, `"msg":"certificate fetched","host":"app.example.com"`)
	waitFor(t, p, `"msg":"certificate fetched","host":"console.example.com"`)

	client := caller(t, pebble.Roots(t))
	httpsWalk(t, client, plain, secure, data)
	if status := p.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
	// The certificates are kept: the next start has them at once.
	p = start(t, "Tollhouse serves at", "serve", "--config", file)
	client.CloseIdleConnections()
	get(t, client, fmt.Sprintf("https://app.example.com:%d/", secure))
	if strings.Contains(p.stderr.String(), "certificate fetched") {
		t.Error("a certificate was fetched again")
	}
}

func TestHTTPSWithCertificatesOfOnesOwn(t *testing.T) {
	t.Parallel()
	plain, secure := freePort(t), freePort(t)
	ca := edgetest.NewAuthority(t)
	own := ca.Files(t, t.TempDir(), "app.example.com", "console.example.com")
	file, data := httpsInstallation(t, plain, secure, upstreamOf(t), fmt.Sprintf("certificates: [ { cert: %q, key: %q } ]", own.Cert, own.Key))
	p := start(t, "Tollhouse serves at https://", "serve", "--config", file)
	httpsWalk(t, caller(t, ca.Roots()), plain, secure, data)
	if _, err := caller(t, ca.Roots()).Get(fmt.Sprintf("https://stranger.example.com:%d/", secure)); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("a stranger's name: %v", err)
	}
	if status := p.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
}

func TestNoAuthorityIsAskedWhereThatIsTurnedOff(t *testing.T) {
	t.Parallel()
	authority, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer authority.Close()
	asked := make(chan struct{}, 100)
	go func() {
		for {
			conn, err := authority.Accept()
			if err != nil {
				return
			}
			asked <- struct{}{}
			conn.Close()
		}
	}()
	plain, secure := freePort(t), freePort(t)
	ca := edgetest.NewAuthority(t)
	own := ca.Files(t, t.TempDir(), "app.example.com")
	directory := fmt.Sprintf("https://%s/dir", authority.Addr())
	run := func(acme string) *process {
		file, _ := httpsInstallation(t, plain, secure, upstreamOf(t), fmt.Sprintf("acme: { %s, directory: %q }\ncertificates: [ { cert: %q, key: %q } ]", acme, directory, own.Cert, own.Key))
		return start(t, "Tollhouse serves at https://", "serve", "--config", file)
	}
	p := run("enabled: false")
	client := caller(t, ca.Roots())
	if response, body := get(t, client, fmt.Sprintf("https://app.example.com:%d/", secure)); response.StatusCode != 200 || body != "app over https" {
		t.Errorf("a host with a certificate: %s %q", response.Status, body)
	}
	if _, err := client.Get(fmt.Sprintf("https://console.example.com:%d/", secure)); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("a host without one: %v", err)
	}
	if status := p.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
	if len(asked) > 0 {
		t.Error("the authority was asked though that is turned off")
	}
	run("enabled: true") // the same, turned on, asks: the test can fail
	select {
	case <-asked:
	case <-time.After(patience):
		t.Error("the authority is not asked where that is turned on")
	}
}

// httpsWalk goes from plain HTTP to a service and to a page behind the sign-in.
func httpsWalk(t *testing.T, client *http.Client, plain, secure int, data string) {
	t.Helper()
	response, _ := get(t, client, fmt.Sprintf("http://app.example.com:%d/a?b=c", plain))
	at := fmt.Sprintf("https://app.example.com:%d/a?b=c", secure)
	if response.StatusCode != 308 || response.Header.Get("Location") != at {
		t.Fatalf("plain HTTP: %s %s", response.Status, response.Header.Get("Location"))
	}
	response, body := get(t, client, at)
	if response.StatusCode != 200 || body != "app over https" || response.ProtoMajor != 2 {
		t.Errorf("HTTPS: %s %s %q", response.Proto, response.Status, body)
	}
	if got := response.Header.Get("Strict-Transport-Security"); got != "max-age=15552000" {
		t.Errorf("Strict-Transport-Security %q", got)
	}
	o := ask[struct{ Email, Password string }](t, "operator", "create", "--data", data, "--email", "ops@example.com")
	console := fmt.Sprintf("https://console.example.com:%d", secure)
	response, err := client.PostForm(console+"/sign-in", url.Values{"email": {o.Email}, "password": {o.Password}})
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	cookies := strings.Join(response.Header.Values("Set-Cookie"), "\n")
	if response.StatusCode != 303 || !regexp.MustCompile(`(?m)^__Host-tollhouse=.*; Secure`).MatchString(cookies) {
		t.Fatalf("sign-in: %s\n%s", response.Status, cookies)
	}
	if response, _ = get(t, client, console+"/customers"); response.StatusCode != 200 {
		t.Errorf("the console after the sign-in: %s", response.Status)
	}
	if response, _ = get(t, client, fmt.Sprintf("http://127.0.0.1:%d/", plain)); response.StatusCode == 308 {
		t.Error("an address is sent to HTTPS, which has no certificate for it")
	}
}

func get(t *testing.T, client *http.Client, at string) (*http.Response, string) {
	t.Helper()
	response, err := client.Get(at)
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

// waitFor waits until the log holds a text.
func waitFor(t *testing.T, p *process, text string) {
	t.Helper()
	limit := time.After(patience)
	for !strings.Contains(p.stderr.String(), text) {
		select {
		case <-p.stderr.more:
		case <-p.ended:
			t.Fatalf("it ended (%v) before the log had %s", p.err, text)
		case <-limit:
			t.Fatalf("the log has no %s", text)
		}
	}
}

func TestCertificatesAndHostsHoldAfterAReload(t *testing.T) {
	t.Parallel()
	plain, secure := freePort(t), freePort(t)
	ca := edgetest.NewAuthority(t)
	own := ca.Files(t, t.TempDir(), "app.example.com", "console.example.com")
	pair := fmt.Sprintf("{ cert: %q, key: %q }", own.Cert, own.Key)
	file, data := httpsInstallation(t, plain, secure, upstreamOf(t), "certificates: [ "+pair+" ]")
	start(t, "Tollhouse serves at https://", "serve", "--config", file)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	next := ca.Files(t, t.TempDir(), "next.example.com")
	replace := func(certificates string) {
		t.Helper()
		content := strings.Replace(string(before), "app.example.com", "next.example.com", 1)
		content = strings.Replace(content, pair, certificates, 1)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client := caller(t, ca.Roots())
	replace(fmt.Sprintf("{ cert: %q, key: %q }", next.Cert, own.Key))
	if line := refused(t, 1, "reload", "--data", data); !strings.Contains(line, "does not belong to the certificate") {
		t.Errorf("a broken pair: %q", line)
	}
	get(t, client, fmt.Sprintf("https://app.example.com:%d/", secure))
	replace(pair + ", " + fmt.Sprintf("{ cert: %q, key: %q }", next.Cert, next.Key))
	if _, stderr, status := tollhouse(t, "reload", "--data", data); status != 0 {
		t.Fatalf("reload: exit %d: %s", status, stderr)
	}
	if response, body := get(t, client, fmt.Sprintf("https://next.example.com:%d/", secure)); response.StatusCode != 200 || body != "app over https" {
		t.Errorf("the new host: %s %q", response.Status, body)
	}
}

func TestWhatKeepsHTTPSFromStartingIsOneLineWithItsCure(t *testing.T) {
	t.Parallel()
	ca := edgetest.NewAuthority(t)
	dir := t.TempDir()
	own, other := ca.Files(t, dir, "app.example.com"), ca.Files(t, dir, "other.example.com")
	certificates := func(cert, key string) string {
		return fmt.Sprintf("certificates: [ { cert: %q, key: %q } ]", cert, key)
	}
	for _, c := range []struct{ more, want string }{
		{certificates(own.Cert, other.Key), "does not belong to the certificate " + own.Cert},
		{certificates(dir+"/none.pem", own.Key), "there is no certificate file " + dir + "/none.pem"},
		{"acme: { directory: https://127.0.0.1:1/dir, ca_file: " + own.Key + " }", "acme.ca_file " + own.Key + " holds no certificate"},
	} {
		file, _ := httpsInstallation(t, freePort(t), freePort(t), "http://127.0.0.1:1", c.more)
		for _, command := range []string{"serve", "check"} {
			if line := refused(t, 1, command, "--config", file); !strings.Contains(line, c.want) {
				t.Errorf("%s: %q does not say %q", command, line, c.want)
			}
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file, _ := httpsInstallation(t, freePort(t), taken.Addr().(*net.TCPAddr).Port, "http://127.0.0.1:1", certificates(own.Cert, own.Key))
	if line := refused(t, 1, "serve", "--config", file); !strings.Contains(line, "in use") || !strings.Contains(line, "listen.https") {
		t.Errorf("a taken port: %q", line)
	}
}
