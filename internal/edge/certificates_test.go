package edge_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/edge/edgetest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// certificatesOf opens certificates of files alone, and gives the address of a
// listener that uses them.
func certificatesOf(t *testing.T, log *slog.Logger, hosts []string, files ...edge.CertificateFile) (*edge.Certificates, string) {
	t.Helper()
	c, err := edge.NewCertificates(edge.CertificateOptions{Hosts: hosts, Files: files, ACME: edge.ACME{Dir: t.TempDir()}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	config := c.TLS()
	listener := listenLocal(t)
	server, err := edge.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Proto, " ", r.TLS.ServerName)
	}), config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(edge.ListenTLS(edge.Listen(listener), config)) }()
	t.Cleanup(func() { _ = server.Close() })
	return c, listener.Addr().String()
}

// serial is which certificate a client gets, however little it trusts it.
func serial(address, host string, change ...func(*tls.Config)) (string, error) {
	config := &tls.Config{ServerName: host, InsecureSkipVerify: true}
	for _, f := range change {
		f(config)
	}
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

func serialOf(t *testing.T, f edge.CertificateFile) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf.SerialNumber.String()
}

func TestTheCertificateIsChosenByTheNameThatTheClientAsksFor(t *testing.T) {
	t.Parallel()
	ca := edgetest.NewAuthority(t)
	one := ca.Files(t, t.TempDir(), "one.example", "other.example")
	wild := ca.Files(t, t.TempDir(), "*.wild.example")
	exact := ca.Files(t, t.TempDir(), "exact.wild.example")
	address := ca.Files(t, t.TempDir(), "127.0.0.2")
	_, at := certificatesOf(t, slog.New(slog.DiscardHandler), nil, one, wild, exact, address)
	for host, file := range map[string]edge.CertificateFile{
		"one.example": one, "OTHER.example": one, "a.wild.example": wild, "exact.wild.example": exact,
		"": one, // no name: the first
	} {
		if got, err := serial(at, host); err != nil || got != serialOf(t, file) {
			t.Errorf("%q: got certificate %s (%v), want that of %s", host, got, err, file.Cert)
		}
	}
	for _, host := range []string{"stranger.example", "a.b.wild.example", "wild.example", "example"} {
		if _, err := serial(at, host); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%q: %v, want the alert unrecognized_name", host, err)
		}
	}
	if _, err := serial(at, "one.example", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 }); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	if _, err := serial(at, "one.example", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
}

func TestAClientWithoutANameGetsTheCertificateOfTheAddress(t *testing.T) {
	t.Parallel()
	ca := edgetest.NewAuthority(t)
	first := ca.Files(t, t.TempDir(), "one.example")
	address := ca.Files(t, t.TempDir(), "127.0.0.1")
	_, at := certificatesOf(t, slog.New(slog.DiscardHandler), nil, first, address)
	if got, err := serial(at, ""); err != nil || got != serialOf(t, address) {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestSessionsAreResumedByTickets(t *testing.T) {
	t.Parallel()
	ca := edgetest.NewAuthority(t)
	_, at := certificatesOf(t, slog.New(slog.DiscardHandler), nil, ca.Files(t, t.TempDir(), "one.example"))
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{ServerName: "one.example", RootCAs: ca.Roots(), ClientSessionCache: tls.NewLRUClientSessionCache(1)},
	}}
	for i, resumed := range []bool{false, true} {
		response, err := client.Get("https://" + at)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.TLS.DidResume != resumed {
			t.Errorf("connection %d: resumed %v", i+1, response.TLS.DidResume)
		}
	}
}

func TestChangedFilesAreReadAgainAndBrokenOnesAreNot(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	ca := edgetest.NewAuthority(t)
	dir := t.TempDir()
	file := ca.Files(t, dir, "one.example")
	c, at := certificatesOf(t, slog.New(slog.NewTextHandler(&log, nil)), nil, file)
	check := func(when, want string) {
		t.Helper()
		if got, err := serial(at, "one.example"); err != nil || got != want {
			t.Errorf("%s: certificate %s (%v), want %s", when, got, err, want)
		}
	}
	before := serialOf(t, file)
	c.Reload()
	check("unchanged", before)
	if log.Len() > 0 {
		t.Errorf("unchanged files are told: %s", &log)
	}

	cert, key := ca.Pair(t, time.Now().Add(time.Hour), "one.example", "two.example")
	write := func(path string, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file.Cert, cert) // the key is still the old one
	c.Reload()
	c.Reload()
	check("half replaced", before)
	if n := strings.Count(log.String(), "does not belong to the certificate"); n != 1 {
		t.Errorf("a broken pair is told %d times, want once:\n%s", n, &log)
	}
	write(file.Key, key)
	c.Reload()
	check("replaced", serialOf(t, file))
	if got, err := serial(at, "two.example"); err != nil || got != serialOf(t, file) {
		t.Errorf("the new name: %s, %v", got, err)
	}
	if err := os.Remove(file.Cert); err != nil {
		t.Fatal(err)
	}
	c.Reload()
	if _, err := serial(at, "one.example"); err != nil {
		t.Errorf("after the file was removed: %v", err)
	}
	if !strings.Contains(log.String(), "there is no certificate file") {
		t.Errorf("the removed file is not told:\n%s", &log)
	}
}

func TestOtherHostsAndFilesHoldForTheNextConnection(t *testing.T) {
	t.Parallel()
	ca := edgetest.NewAuthority(t)
	one, two := ca.Files(t, t.TempDir(), "one.example"), ca.Files(t, t.TempDir(), "two.example")
	c, at := certificatesOf(t, slog.New(slog.DiscardHandler), []string{"one.example", "*.below.example"}, one)
	if err := c.Switch([]string{"two.example"}, []edge.CertificateFile{two}); err != nil {
		t.Fatal(err)
	}
	if got, err := serial(at, "two.example"); err != nil || got != serialOf(t, two) {
		t.Errorf("got %s, %v", got, err)
	}
	if err := c.Switch([]string{"three.example"}, []edge.CertificateFile{{Cert: "none.pem", Key: "none.key"}}); err == nil {
		t.Error("took files that are not there")
	}
	if err := c.Switch([]string{"two.example", "*.wide.example"}, []edge.CertificateFile{two}); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"a.wide.example": true, "a.b.wide.example": true, "wide.example": false, ".wide.example": false, "a..wide.example": false,
		"evil.example/a.wide.example": false, "evil@a.wide.example": false, "a b.wide.example": false, strings.Repeat("a", 64) + ".wide.example": false,
		"two.example": true, "TWO.example.": true, "two.example:8443": true, "one.example": false, "a.below.example": false, "three.example": false,
	} {
		if c.Answers(host) != want {
			t.Errorf("answers for %s: %v", host, !want)
		}
	}
}

func TestFilesThatCannotBeUsedAreToldWithTheirCure(t *testing.T) {
	t.Parallel()
	ca := edgetest.NewAuthority(t)
	dir := t.TempDir()
	good, other := ca.Files(t, dir, "one.example"), ca.Files(t, dir, "two.example")
	nameless := ca.Files(t, filepath.Join(dir))
	text := filepath.Join(dir, "text")
	locked := filepath.Join(dir, "locked.key")
	for path, content := range map[string]string{text: "hello", locked: "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		file edge.CertificateFile
		want []string
	}{
		{edge.CertificateFile{Cert: good.Cert, Key: other.Key}, []string{other.Key, "does not belong to the certificate " + good.Cert, "name the key"}},
		{edge.CertificateFile{Cert: dir + "/none.pem", Key: good.Key}, []string{"there is no certificate file " + dir + "/none.pem", "certificates:"}},
		{edge.CertificateFile{Cert: good.Cert, Key: dir + "/none.key"}, []string{"there is no key file"}},
		{edge.CertificateFile{Cert: dir, Key: good.Key}, []string{dir + " cannot be read"}},
		{edge.CertificateFile{Cert: text, Key: good.Key}, []string{text + " holds no certificate", "BEGIN CERTIFICATE"}},
		{edge.CertificateFile{Cert: good.Cert, Key: good.Cert}, []string{"holds no private key"}},
		{edge.CertificateFile{Cert: good.Cert, Key: locked}, []string{"is encrypted", "openssl pkey"}},
		{nameless, []string{"names no host"}},
	} {
		_, err := edge.NewCertificates(edge.CertificateOptions{Files: []edge.CertificateFile{good, c.file}, ACME: edge.ACME{Dir: t.TempDir()}, Log: slog.New(slog.DiscardHandler)})
		if toll.CodeOf(err) != toll.Invalid {
			t.Errorf("%+v: %v", c.file, err)
			continue
		}
		for _, part := range c.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
		if err := edge.CheckCertificates(edge.CertificateOptions{Files: []edge.CertificateFile{c.file}}); err == nil {
			t.Errorf("%+v passes the check", c.file)
		}
	}
	for _, ca := range []string{text, dir + "/none.pem"} {
		if err := edge.CheckCertificates(edge.CertificateOptions{ACME: edge.ACME{CAFile: ca}}); err == nil || !strings.Contains(err.Error(), "acme.ca_file "+ca) {
			t.Errorf("%v", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := edge.NewCertificates(edge.CertificateOptions{ACME: edge.ACME{Dir: filepath.Join(dir, "file", "certificates")}, Log: slog.New(slog.DiscardHandler)})
	if toll.CodeOf(err) != toll.Unavailable || !strings.Contains(err.Error(), "the directory of certificates") {
		t.Errorf("an impossible directory: %v", err)
	}
}

func TestAnEndedCertificateIsToldAndGivesWayToOneThatIsValid(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	ca := edgetest.NewAuthority(t)
	old := ca.Files(t, t.TempDir(), "one.example")
	cert, key := ca.Pair(t, time.Now().Add(-time.Hour), "one.example")
	for path, content := range map[string][]byte{old.Cert: cert, old.Key: key} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fresh := ca.Files(t, t.TempDir(), "one.example")
	_, at := certificatesOf(t, slog.New(slog.NewTextHandler(&log, nil)), nil, old, fresh)
	if got, err := serial(at, "one.example"); err != nil || got != serialOf(t, fresh) {
		t.Errorf("got %s, %v", got, err)
	}
	if !strings.Contains(log.String(), "not valid now") || !strings.Contains(log.String(), old.Cert) {
		t.Errorf("the log is %s", &log)
	}
}

func TestUnknownNamesAreRefusedByTheThousandWithoutAnOrder(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	authority := listenLocal(t)
	go func() {
		for {
			conn, err := authority.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
			select {
			case asked <- conn.RemoteAddr().String():
			default:
			}
		}
	}()
	c, err := edge.NewCertificates(edge.CertificateOptions{
		Hosts: []string{"*.below.example"}, Log: slog.New(slog.DiscardHandler),
		ACME: edge.ACME{Dir: t.TempDir(), Directory: "https://" + authority.Addr().String() + "/dir"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Start()
	defer c.Close()
	conn, _ := net.Pipe()
	defer conn.Close()
	for i := range 10_000 {
		cert, err := c.Get(&tls.ClientHelloInfo{ServerName: fmt.Sprintf("h%d.example", i), Conn: conn})
		if cert != nil || err != nil {
			t.Fatalf("h%d: %v %v", i, cert, err)
		}
		cert, err = c.Get(&tls.ClientHelloInfo{ServerName: fmt.Sprintf("h%d.example", i), Conn: conn, SupportedProtos: []string{"acme-tls/1"}})
		if cert != nil || err != nil {
			t.Fatalf("h%d, as an authority would ask: %v %v", i, cert, err)
		}
	}
	select {
	case <-asked:
		t.Error("the authority was called")
	default:
	}
}

func TestACertificateIsReadFromAFileThatEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe, huge := filepath.Join(dir, "pipe"), filepath.Join(dir, "huge")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no pipes here:", err)
	}
	if err := os.WriteFile(huge, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero", dir, huge} { // the first two would never end
		o := edge.CertificateOptions{Files: []edge.CertificateFile{{Cert: path, Key: path}}}
		if err := edge.CheckCertificates(o); toll.CodeOf(err) != toll.Invalid || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
		if err := edge.CheckCertificates(edge.CertificateOptions{ACME: edge.ACME{CAFile: path}}); toll.CodeOf(err) != toll.Invalid {
			t.Errorf("as an authority's, %s: %v", path, err)
		}
	}
}
