package edgetest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Pebble is a real certificate authority (RFC 8555) on this machine, which
// really comes to ask. Every host name leads to 127.0.0.1 for it.
type Pebble struct {
	Directory string // its address, for acme.directory
	CAFile    string // for acme.ca_file

	management string
	client     *http.Client
	output     *output
}

// PebbleOptions are what a test wants of a Pebble.
type PebbleOptions struct {
	HTTPPort int           // where it asks over plain HTTP
	TLSPort  int           // where it asks over TLS
	Valid    time.Duration // how long its certificates are good; 0: 90 days
	Refused  []string      // names that it makes no certificate for
}

// StartPebble starts one and waits until it answers. Without Debian's package
// pebble (or its two programs elsewhere on the path) the test is skipped, with
// CI=true it fails.
func StartPebble(t *testing.T, o PebbleOptions) *Pebble {
	t.Helper()
	for _, program := range []string{"pebble", "pebble-challtestsrv"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not installed (apt-get install pebble)", program)
			}
			t.Skipf("%s is not installed (apt-get install pebble)", program)
		}
	}
	if o.Valid == 0 {
		o.Valid = 90 * 24 * time.Hour
	}
	dir := t.TempDir()
	ca := NewAuthority(t)
	own := ca.Files(t, dir, "localhost", "127.0.0.1")
	p := &Pebble{CAFile: filepath.Join(dir, "ca.pem"), output: newOutput()}
	if err := os.WriteFile(p.CAFile, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	p.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Roots()}}, Timeout: 10 * time.Second}
	t.Cleanup(p.client.CloseIdleConnections)
	ports := freePorts(t, 4)
	dns := fmt.Sprintf("127.0.0.1:%d", ports[0])
	p.run(t, nil, "pebble-challtestsrv", nameServer(dns, ports[3])...)
	p.Directory = fmt.Sprintf("https://127.0.0.1:%d/dir", ports[1])
	p.management = fmt.Sprintf("https://127.0.0.1:%d", ports[2])
	seconds := int(o.Valid / time.Second)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": fmt.Sprintf("127.0.0.1:%d", ports[1]), "managementListenAddress": fmt.Sprintf("127.0.0.1:%d", ports[2]),
		"certificate": own.Cert, "privateKey": own.Key, "httpPort": o.HTTPPort, "tlsPort": o.TLSPort,
		"domainBlocklist": o.Refused, "retryAfter": map[string]int{"authz": 1, "order": 1},
		"certificateValidityPeriod": seconds, // before 2.7
		"profiles":                  map[string]any{"default": map[string]any{"description": "of a test", "validityPeriod": seconds}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(t, []string{"PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=5"}, "pebble", "-config", file, "-dnsserver", dns)
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := p.answers(p.Directory)
		if err == nil { // its two listeners come up one after the other
			err = p.answers(p.management + "/roots/0")
		}
		if err == nil {
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("pebble does not answer: %v\n%s", err, p.Output())
		}
		p.output.wait(50 * time.Millisecond)
	}
}

// answers tells whether one of pebble's listeners is up.
func (p *Pebble) answers(url string) error {
	response, err := p.client.Get(url)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// nameServer gives the arguments with which challtestsrv is a name server and
// nothing else; the option changed its name between 2.4 (Debian 12) and 2.6.
func nameServer(address string, management int) []string {
	args := []string{"-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "", "-management", fmt.Sprintf("127.0.0.1:%d", management)}
	help, _ := exec.Command("pebble-challtestsrv", "-help").CombinedOutput() // ends with status 2, having said what it knows
	if strings.Contains(string(help), "-dnsserver") {
		return append(args, "-dnsserver", address, "-doh", "")
	}
	return append(args, "-dns01", address)
}

// Roots trusts what this pebble makes. It makes a new root at each start.
func (p *Pebble) Roots(t *testing.T) *x509.CertPool {
	t.Helper()
	response, err := p.client.Get(p.management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var content bytes.Buffer
	if _, err := content.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content.Bytes()) {
		t.Fatalf("pebble's root is %q", content.String())
	}
	return pool
}

// Output is what pebble has said so far; its log names every order.
func (p *Pebble) Output() string { return p.output.String() }

func (p *Pebble) run(t *testing.T, env []string, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = p.output, p.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed: the status says nothing
	})
}

// freePorts finds ports of this machine that nobody has. They lie below those
// that the system gives to whoever asks for any (RFC 6335 §6), so that nobody is
// given one between now and when a program listens there.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for try := 0; len(ports) < n; try++ {
		if try > 1000 {
			t.Fatal("no free ports were found")
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(15000)))
		if err != nil {
			continue
		}
		defer l.Close() // all at once, so that they differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// output collects what programs say.
type output struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func newOutput() *output { return &output{more: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// wait waits for more output, or so long.
func (o *output) wait(most time.Duration) {
	select {
	case <-o.more:
	case <-time.After(most):
	}
}
