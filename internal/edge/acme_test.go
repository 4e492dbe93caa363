package edge_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/edge/edgetest"
)

// doors are the two listeners of a house whose certificates come from a pebble.
type doors struct {
	pebble       *edgetest.Pebble
	certificates *edge.Certificates
	dir          string
	secure       string // the address of the TLS listener
	plain        string // the address of the plain one
	log          *lines
}

// lines collects a log, and tells when there is more.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wait waits until a line of the log holds all of the parts, and gives it. It
// outlasts a first attempt that fails on a loaded machine: the second comes
// after a minute.
func (d *doors) wait(t *testing.T, parts ...string) string {
	t.Helper()
	limit := time.After(150 * time.Second)
	for {
	line:
		for line := range strings.Lines(d.log.String()) {
			for _, part := range parts {
				if !strings.Contains(line, part) {
					continue line
				}
			}
			return line
		}
		select {
		case <-d.log.more:
		case <-limit:
			said := ""
			if d.pebble != nil {
				said = d.pebble.Output()
			}
			t.Fatalf("the log has no line with %q:\n%s\nthe authority said:\n%s", parts, d.log, said)
		}
	}
}

// openDoors opens listeners for hosts, and a pebble that asks at those that
// reached names ("http", "tls", or both).
func openDoors(t *testing.T, reached string, o edgetest.PebbleOptions, renewCheck time.Duration, hosts ...string) *doors {
	t.Helper()
	d := &doors{dir: filepath.Join(t.TempDir(), "certificates"), log: &lines{more: make(chan struct{}, 1)}}
	plain, secure := listenLocal(t), listenLocal(t)
	d.plain, d.secure = plain.Addr().String(), secure.Addr().String()
	o.HTTPPort, o.TLSPort = 1, 1 // nobody listens there
	if strings.Contains(reached, "http") {
		o.HTTPPort = plain.Addr().(*net.TCPAddr).Port
	}
	if strings.Contains(reached, "tls") {
		o.TLSPort = secure.Addr().(*net.TCPAddr).Port
	}
	d.pebble = edgetest.StartPebble(t, o)
	var err error
	d.certificates, err = edge.NewCertificates(edge.CertificateOptions{
		Hosts: hosts, Log: slog.New(slog.NewTextHandler(d.log, nil)),
		ACME: edge.ACME{
			Dir: d.dir, Email: "ops@example.com", Directory: d.pebble.Directory, CAFile: d.pebble.CAFile,
			HTTP: d.plain, HTTPS: d.secure, RenewCheck: renewCheck,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.certificates.Close)
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello from ", r.Host) })
	config := d.certificates.TLS()
	quiet := slog.New(slog.DiscardHandler)
	behind, err := edge.NewTLSServer(hello, config, quiet)
	if err != nil {
		t.Fatal(err)
	}
	before := edge.NewServer(d.certificates.Challenges(edge.Redirect{Answers: d.certificates.Answers, HTTPS: "443", Next: hello}), quiet)
	go func() { _ = behind.Serve(edge.ListenTLS(edge.Listen(secure), config)) }()
	go func() { _ = before.Serve(edge.Listen(plain)) }()
	t.Cleanup(func() { _, _ = behind.Close(), before.Close() })
	return d
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// leaf connects as a client that trusts the pebble, and gives the certificate.
func (d *doors) leaf(t *testing.T, host string) (*x509.Certificate, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{ServerName: host, RootCAs: d.pebble.Roots(t)}}
	conn, err := dialer.DialContext(ctx, "tcp", d.secure)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

func TestCertificatesAreFetchedByEitherQuestion(t *testing.T) {
	t.Parallel()
	for _, question := range []string{"http", "tls"} {
		t.Run(question, func(t *testing.T) {
			t.Parallel()
			one, two := question+"-one.example.com", question+"-two.example.com"
			d := openDoors(t, question, edgetest.PebbleOptions{}, 0, one, two)
			// Nothing waits for it: plain HTTP answers while there is no certificate.
			response, err := (&http.Client{Transport: transport}).Get("http://" + d.plain + "/")
			if err != nil || response.StatusCode != 200 {
				t.Fatalf("before the start: %v %v", response, err)
			}
			response.Body.Close()
			if _, err := d.leaf(t, one); err == nil {
				t.Fatal("there was a certificate before there was one")
			}
			d.certificates.Start()
			for _, host := range []string{one, two} {
				d.wait(t, "certificate fetched", host)
				leafEventually(t, d, host)
			}
			private(t, d.dir)
		})
	}
}

// leafEventually connects until the certificate that was fetched is in memory,
// which is a moment after it was told.
func leafEventually(t *testing.T, d *doors, host string) *x509.Certificate {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; {
		cert, err := d.leaf(t, host)
		if err == nil {
			if err := cert.VerifyHostname(host); err != nil {
				t.Error(err)
			}
			return cert
		}
		if time.Now().After(limit) {
			t.Fatalf("%s: %v", host, err)
		}
	}
}

// private checks that nobody else can read a directory.
func private(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("%d files in %s: %v", files, dir, err)
	}
}

func TestARefusedNameIsToldWithItsCauseAndHarmsNoOther(t *testing.T) {
	t.Parallel()
	d := openDoors(t, "http tls", edgetest.PebbleOptions{Refused: []string{"refused.example.com"}}, 0, "refused.example.com", "accepted.example.com")
	d.certificates.Start()
	d.wait(t, "certificate fetched", "accepted.example.com")
	leafEventually(t, d, "accepted.example.com")
	line := d.wait(t, "no certificate from the authority; it is asked again", "host=refused.example.com")
	if !strings.Contains(line, "rejectedIdentifier") {
		t.Errorf("the cause is missing: %s", line)
	}
	if _, err := d.leaf(t, "refused.example.com"); err == nil {
		t.Error("the refused host has a certificate")
	}
}

func TestAnAuthorityThatIsAwayAtTheStartIsToldAndStopsNothing(t *testing.T) {
	t.Parallel()
	away := listenLocal(t)
	_ = away.Close()
	log := &lines{more: make(chan struct{}, 1)}
	ca := edgetest.NewAuthority(t)
	certificates, err := edge.NewCertificates(edge.CertificateOptions{
		Hosts: []string{"away.example.com", "own.example.com"},
		Files: []edge.CertificateFile{ca.Files(t, t.TempDir(), "own.example.com")},
		ACME:  edge.ACME{Dir: t.TempDir(), Directory: "https://" + away.Addr().String() + "/dir"},
		Log:   slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	certificates.Start()
	defer certificates.Close()
	d := &doors{log: log}
	d.wait(t, "no certificate from the authority; it is asked again", "host=away.example.com", "connection refused")
	if cert, err := certificates.Get(&tls.ClientHelloInfo{ServerName: "own.example.com"}); err != nil || cert == nil {
		t.Errorf("the host with a certificate of its own: %v", err)
	}
	if strings.Contains(log.String(), "host=own.example.com") {
		t.Errorf("the authority was asked for a host that has a certificate:\n%s", log)
	}
}

func TestCertificatesAreRenewedBeforeTheyEnd(t *testing.T) {
	t.Parallel()
	// A third of the life of a certificate before its end it is time.
	d := openDoors(t, "http tls", edgetest.PebbleOptions{Valid: 15 * time.Second}, 500*time.Millisecond, "brief.example.com")
	d.certificates.Start()
	d.wait(t, "certificate fetched", "brief.example.com", "renewal=false")
	first := leafEventually(t, d, "brief.example.com")
	d.wait(t, "certificate fetched", "brief.example.com", "renewal=true")
	for limit := time.Now().Add(30 * time.Second); ; {
		if next := leafEventually(t, d, "brief.example.com"); next.SerialNumber.Cmp(first.SerialNumber) != 0 {
			if !next.NotAfter.After(first.NotAfter) {
				t.Errorf("the renewed certificate ends at %s, the first one at %s", next.NotAfter, first.NotAfter)
			}
			return
		}
		if time.Now().After(limit) {
			t.Fatal("the renewed certificate is not served")
		}
	}
}

func TestNamesBelowAWildcardHostAreFetchedWhenAClientComes(t *testing.T) {
	t.Parallel()
	d := openDoors(t, "http tls", edgetest.PebbleOptions{Refused: []string{"bad.shops.example.com"}}, 0, "*.shops.example.com")
	d.certificates.Start()
	for _, host := range []string{"a.shops.example.com", "b.a.shops.example.com"} {
		if cert := leafEventually(t, d, host); len(cert.DNSNames) != 1 || cert.DNSNames[0] != host {
			t.Errorf("%s: the certificate is for %v", host, cert.DNSNames)
		}
	}
	orders := func(host string) int { return strings.Count(d.pebble.Output(), host) }
	if _, err := d.leaf(t, "bad.shops.example.com"); err == nil {
		t.Error("the refused name has a certificate")
	}
	d.wait(t, "no certificate from the authority", "host=bad.shops.example.com")
	lines := strings.Count(d.log.String(), "host=bad.shops.example.com")
	if _, err := d.leaf(t, "bad.shops.example.com"); err == nil {
		t.Error("the refused name has a certificate the second time")
	}
	if again := strings.Count(d.log.String(), "host=bad.shops.example.com"); again != lines {
		t.Error("a refused name was asked for again at once")
	}
	for _, stranger := range []string{"shops.example.com", "a.example.com", "evilshops.example.com", "localhost"} {
		if _, err := d.leaf(t, stranger); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%s: %v, want the alert unrecognized_name", stranger, err)
		}
		if stranger != "shops.example.com" && orders(stranger) > 0 && stranger != "localhost" {
			t.Errorf("the authority was asked for %s", stranger)
		}
	}
}

func TestCertificatesOutliveARestart(t *testing.T) {
	t.Parallel()
	d := openDoors(t, "http tls", edgetest.PebbleOptions{}, 0, "kept.example.com")
	d.certificates.Start()
	d.wait(t, "certificate fetched", "kept.example.com")
	first := leafEventually(t, d, "kept.example.com")
	d.certificates.Close()
	again, err := edge.NewCertificates(edge.CertificateOptions{
		Hosts: []string{"kept.example.com"}, Log: slog.New(slog.DiscardHandler),
		ACME: edge.ACME{Dir: d.dir, Directory: d.pebble.Directory, CAFile: d.pebble.CAFile},
	})
	if err != nil {
		t.Fatal(err)
	}
	again.Start()
	defer again.Close()
	conn, _ := net.Pipe()
	defer conn.Close()
	// At once: a restart refuses nobody.
	cert, err := again.Get(&tls.ClientHelloInfo{ServerName: "kept.example.com", Conn: conn})
	if err != nil {
		t.Fatal(err)
	}
	if cert.Leaf.SerialNumber.Cmp(first.SerialNumber) != 0 {
		t.Error("another certificate was fetched")
	}
}
