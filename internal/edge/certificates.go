package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mholt/acmez/v3"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// reloadEvery is how often the files of one's own certificates are looked at.
const reloadEvery = 5 * time.Second

// CertificateOptions say which hosts HTTPS answers for, and where the
// certificates come from.
type CertificateOptions struct {
	// Hosts are the only names that a certificate is ever asked for: exact ones,
	// for which it is fetched at once, and "*.example.com", for which it is
	// fetched when the first client comes with a name below it.
	Hosts []string
	// Files are certificates of one's own. They come before fetched ones.
	Files []CertificateFile
	ACME  ACME
	Log   *slog.Logger // needed
	// Asked is told how each question to an authority ended; nil: nobody is.
	Asked func(fetched, renewal bool)
	Clock toll.Clock // for the validity of Files and for bounds; nil: toll.SystemClock
}

// Certificates choose the certificate of each TLS connection by the name that
// its client asks for (SNI, RFC 6066 §3), and see to it that there is one:
//
//	handshake ─► own files ─► fetched for an exact host ─► fetched now for a wildcard host ─► refused
//
// All methods are safe for concurrent use.
type Certificates struct {
	log   *slog.Logger
	clock toll.Clock
	acme  *authority
	asked func(fetched, renewal bool)

	ring  atomic.Pointer[keyRing]
	hosts atomic.Pointer[hostSet]

	mu      sync.Mutex // Start, Switch, Reload and Close one after the other
	told    map[string]string
	running context.Context // nil before Start and after Close
	cancel  context.CancelFunc
	watch   sync.WaitGroup
}

// NewCertificates reads the files and prepares fetching. The error is a
// *toll.Error about a file or directory, with the cure.
func NewCertificates(o CertificateOptions) (*Certificates, error) {
	c := &Certificates{log: o.Log, clock: o.Clock, told: map[string]string{}, asked: o.Asked}
	if c.clock == nil {
		c.clock = toll.SystemClock
	}
	ring, err := c.read(o.Files)
	if err != nil {
		return nil, err
	}
	c.ring.Store(ring)
	c.hosts.Store(newHostSet(o.Hosts))
	if c.acme, err = newAuthority(o.ACME, c); err != nil {
		return nil, err
	}
	return c, nil
}

// CheckCertificates tells what is wrong with the files that o names, without
// making or fetching anything.
func CheckCertificates(o CertificateOptions) error {
	for _, file := range o.Files {
		if _, err := readKeyPair(file); err != nil {
			return err
		}
	}
	_, err := readRoots(o.ACME.CAFile)
	return err
}

// Start begins to fetch what is missing and to renew what ends, in the
// background, and to look for changed files. The listeners must be open: the
// authority comes to them to ask. Close ends it.
func (c *Certificates) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.cancel = context.WithCancel(context.Background())
	c.manage()
	ctx := c.running
	c.watch.Go(func() {
		tick := time.NewTicker(reloadEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				c.Reload()
			}
		}
	})
}

// Switch makes other hosts and files hold for the next connection. With an
// error everything stays as it is.
func (c *Certificates) Switch(hosts []string, files []CertificateFile) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	ring, err := c.read(files)
	if err != nil {
		return err
	}
	c.ring.Store(ring)
	c.hosts.Store(newHostSet(hosts))
	c.manage()
	return nil
}

// Reload reads the files that changed. A pair that cannot be used, for example
// because only one of its files was replaced so far, is told once, and what was
// read before stays in use.
func (c *Certificates) Reload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.ring.Load()
	pairs, changed := slices.Clone(before.pairs), false
	for i, old := range pairs {
		next, err := readKeyPair(old.file)
		if err != nil {
			if c.told[old.file.Cert] != err.Error() {
				c.told[old.file.Cert] = err.Error()
				c.log.Warn("a changed certificate cannot be used; the one before stays", "certificate", old.file.Cert, "error", err)
			}
			continue
		}
		delete(c.told, old.file.Cert)
		if next.sum != old.sum {
			pairs[i], changed = next, true
			c.log.Info("certificate read again", "certificate", next.file.Cert, "hosts", next.cert.Leaf.DNSNames, "until", next.cert.Leaf.NotAfter)
		}
	}
	if !changed {
		return
	}
	c.ring.Store(newKeyRing(pairs))
	c.manage()
}

// Close ends fetching, renewing and looking for changed files. Connections can
// still be answered with what is in memory.
func (c *Certificates) Close() {
	c.mu.Lock()
	cancel := c.cancel
	c.running, c.cancel = nil, nil
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	c.watch.Wait()
	c.acme.close()
}

// read reads all files, and says which have ended already.
func (c *Certificates) read(files []CertificateFile) (*keyRing, error) {
	pairs := make([]*keyPair, 0, len(files))
	for _, file := range files {
		pair, err := readKeyPair(file)
		if err != nil {
			return nil, err
		}
		if !validAt(pair.cert.Leaf, c.clock()) {
			c.log.Warn("a certificate is not valid now, so clients refuse it",
				"certificate", file.Cert, "from", pair.cert.Leaf.NotBefore, "until", pair.cert.Leaf.NotAfter)
		}
		pairs = append(pairs, pair)
	}
	return newKeyRing(pairs), nil
}

// manage has every exact host fetched for which there is no file. The caller
// holds the mutex.
func (c *Certificates) manage() {
	if c.running == nil {
		return
	}
	ring := c.ring.Load()
	var missing []string
	for host := range c.hosts.Load().exact {
		if len(ring.named(host)) == 0 {
			missing = append(missing, host)
		}
	}
	slices.Sort(missing)
	c.acme.manage(c.running, missing)
}

// Answers tells whether HTTPS answers for a host: one of the configuration, or
// one that a file is for.
func (c *Certificates) Answers(host string) bool {
	host = hostOf(host)
	exact, below := c.hosts.Load().has(host)
	return exact || below || len(c.ring.Load().named(host)) > 0
}

// errUnnamed is what the server's own log says; the client gets an alert.
var errUnnamed = errors.New("the client names no host, and there is no certificate to give it")

// Get chooses a connection's certificate; it is a tls.Config's GetCertificate. A
// name that HTTPS does not answer for gets the alert unrecognized_name, and
// nobody is asked for a certificate.
func (c *Certificates) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	host := hostOf(hello.ServerName)
	if host == "" {
		return c.unnamed(hello)
	}
	exact, below := c.hosts.Load().has(host)
	if isChallenge(hello) {
		if exact || below {
			return c.acme.get(hello, host, exact)
		}
		return nil, nil
	}
	if own := c.ring.Load().named(host); own != nil {
		return choose(hello, own, c.clock()), nil
	}
	if exact || below {
		return c.acme.get(hello, host, exact)
	}
	return nil, nil // crypto/tls makes unrecognized_name of it
}

// unnamed serves clients without SNI, such as health checks of balancers: the
// certificate for the address they came to, else the first own one, else that
// of the first exact host.
func (c *Certificates) unnamed(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	ring := c.ring.Load()
	if hello.Conn != nil {
		if at, err := netip.ParseAddrPort(hello.Conn.LocalAddr().String()); err == nil {
			if own := ring.byAddr[at.Addr().Unmap().WithZone("")]; own != nil {
				return choose(hello, own, c.clock()), nil
			}
		}
	}
	if len(ring.pairs) > 0 {
		return ring.pairs[0].cert, nil
	}
	if first := c.hosts.Load().first; first != "" {
		named := *hello
		named.ServerName = first
		return c.acme.get(&named, first, true)
	}
	return nil, errUnnamed
}

// TLS is the configuration of an HTTPS listener: TLS 1.2 or newer, with Go's
// choice of ciphers and curves, and session tickets whose keys crypto/tls
// changes daily.
func (c *Certificates) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: c.Get,
		NextProtos:     []string{"h2", "http/1.1", acmez.ACMETLS1Protocol},
	}
}

// Challenges answers what an authority asks over plain HTTP (RFC 8555 §8.3)
// before next sees any other request.
func (c *Certificates) Challenges(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/acme-challenge/") && c.acme.challenge(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostSet is what HTTPS answers for. It is not changed after it was made.
type hostSet struct {
	exact map[string]struct{}
	below []string // ".example.com" for "*.example.com"
	first string   // the first exact one, "" for none
}

func newHostSet(hosts []string) *hostSet {
	s := &hostSet{exact: map[string]struct{}{}}
	for _, host := range hosts {
		host = hostOf(host)
		if rest, wild := strings.CutPrefix(host, "*"); wild {
			s.below = append(s.below, rest)
			continue
		}
		if s.first == "" {
			s.first = host
		}
		s.exact[host] = struct{}{}
	}
	return s
}

func (s *hostSet) has(host string) (exact, below bool) {
	if _, exact = s.exact[host]; exact {
		return true, false
	}
	for _, end := range s.below {
		if len(host) > len(end) && strings.HasSuffix(host, end) && isName(host) {
			return false, true
		}
	}
	return false, false
}

// isName tells whether a text that a client made up is a host's name: labels of
// 1 to 63 letters, digits, - and _ (RFC 1123 §2.1; _ is seen in the wild).
func isName(host string) bool {
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}
