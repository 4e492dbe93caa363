package edge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// ACME says which authority makes certificates (RFC 8555), and where its
// questions come in: HTTP-01 over plain HTTP, TLS-ALPN-01 (RFC 8737) over HTTPS.
type ACME struct {
	Dir        string        // keeps certificates, keys and the account; made with mode 0700, its files have 0600
	Email      string        // whom the authority tells of problems; "" for nobody
	Directory  string        // the authority's address; "": Let's Encrypt
	Staging    bool          // Let's Encrypt's staging authority, whose certificates nobody trusts
	CAFile     string        // PEM certificates that sign the authority's own, beside no others; "": the system's
	HTTP       string        // the address of the plain listener, host:port
	HTTPS      string        // the address of the TLS listener, host:port
	RenewCheck time.Duration // how often certificates are looked at; 0: ten minutes
}

// authority fetches and renews certificates and keeps them in memory. It wraps
// certmagic: one configuration for hosts that are named, one for names below a
// wildcard host, over the same memory.
type authority struct {
	log    *slog.Logger
	tell   func(fetched, renewal bool) // may be nil
	cache  *certmagic.Cache
	fixed  *certmagic.Config
	below  *certmagic.Config
	issuer *certmagic.ACMEIssuer // of fixed; answers questions for both
	names  *newNames

	kept   sync.Map // host to *tls.Certificate: what an earlier run left in the directory
	mu     sync.Mutex
	asked  map[string]context.CancelFunc // hosts that are fetched or renewed
	closed sync.Once
}

// newAuthority prepares fetching for what c knows. Nobody is called yet.
func newAuthority(o ACME, c *Certificates) (*authority, error) {
	if err := privateDirectory(o.Dir); err != nil {
		return nil, err
	}
	roots, err := readRoots(o.CAFile)
	if err != nil {
		return nil, err
	}
	a := &authority{log: c.log, tell: c.asked, asked: map[string]context.CancelFunc{}, names: &newNames{clock: c.clock}}
	logger := newACMELog(c.log)
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(cert certmagic.Certificate) (*certmagic.Config, error) {
			hosts := c.hosts.Load()
			if slices.ContainsFunc(cert.Names, func(name string) bool { exact, _ := hosts.has(name); return exact }) {
				return a.fixed, nil
			}
			return a.below, nil
		},
		RenewCheckInterval: o.RenewCheck, Logger: logger,
	})
	common := certmagic.Config{
		Storage: &certmagic.FileStorage{Path: o.Dir}, Logger: logger, OnEvent: a.event,
		ShouldEmitFunc: func(event string) bool { return event != "tls_get_certificate" }, // one for each handshake
	}
	a.fixed = certmagic.New(a.cache, common)
	common.OnDemand = &certmagic.OnDemandConfig{DecisionFunc: func(_ context.Context, name string) error {
		if _, below := c.hosts.Load().has(name); !below {
			return fmt.Errorf("%s is no host of this installation", name)
		}
		return a.names.patient(name)
	}}
	common.OnEvent = a.eventBelow
	a.below = certmagic.New(a.cache, common)

	template := certmagic.ACMEIssuer{
		CA: o.Directory, Email: o.Email, Agreed: true, TrustedRoots: roots, Logger: logger,
	}
	switch {
	case o.Staging:
		template.CA = certmagic.LetsEncryptStagingCA
	case o.Directory == "":
		template.CA, template.TestCA = certmagic.LetsEncryptProductionCA, certmagic.LetsEncryptStagingCA
	}
	// certmagic opens listeners of its own unless ours are where it looks.
	host, port := splitPort(o.HTTP)
	template.ListenHost, template.AltHTTPPort = host, port
	_, template.AltTLSALPNPort = splitPort(o.HTTPS)
	for _, config := range []*certmagic.Config{a.fixed, a.below} {
		a.issuer = certmagic.NewACMEIssuer(config, template)
		config.Issuers = []certmagic.Issuer{a.issuer}
	}
	return a, nil
}

func splitPort(address string) (host string, port int) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0
	}
	port, _ = strconv.Atoi(text)
	if addr := net.ParseIP(host); addr != nil && addr.IsUnspecified() {
		host = ""
	}
	return host, port
}

// privateDirectory makes a directory that only this user can enter.
func privateDirectory(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.Chmod(dir, 0o700) //nolint:gosec // a directory, which its owner enters
	}
	if err != nil {
		return toll.Errorf(toll.Unavailable, "the directory of certificates %s cannot be made private (%w); allow writing to it", dir, cause(err))
	}
	return nil
}

func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// readRoots reads the certificates that an authority of one's own is trusted by.
func readRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	content, err := readSmall(path)
	if err != nil {
		return nil, toll.Errorf(toll.Invalid, "acme.ca_file %s cannot be read (%w); name a PEM file that this user may read", path, cause(err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, toll.Errorf(toll.Invalid, "acme.ca_file %s holds no certificate in PEM form; name the one that signs the authority's own", path)
	}
	return pool, nil
}

// manage fetches and renews exactly these hosts from now on, in the background,
// until ctx ends.
func (a *authority) manage(ctx context.Context, hosts []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for host, cancel := range a.asked {
		if !slices.Contains(hosts, host) {
			cancel()
			delete(a.asked, host)
			a.kept.Delete(host)
			a.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: host}})
		}
	}
	for _, host := range hosts {
		if a.asked[host] != nil {
			continue
		}
		one, cancel := context.WithCancel(ctx)
		a.asked[host] = cancel
		if cert := a.load(one, host); cert != nil {
			a.kept.Store(host, cert)
		}
		if err := a.fixed.ManageAsync(one, []string{host}); err != nil {
			a.log.Error("a certificate is not looked after", "host", host, "error", err)
		}
	}
}

// load reads what an earlier run fetched, nil if there is nothing of use.
// certmagic does that too, but in the background, with a call to the authority
// in between: after a restart clients would be refused until then.
func (a *authority) load(ctx context.Context, host string) *tls.Certificate {
	authority := a.issuer.IssuerKey()
	cert, err := a.fixed.Storage.Load(ctx, certmagic.StorageKeys.SiteCert(authority, host))
	if err != nil {
		return nil
	}
	key, err := a.fixed.Storage.Load(ctx, certmagic.StorageKeys.SitePrivateKey(authority, host))
	if err != nil {
		return nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil
	}
	return &pair
}

// get gives the certificate of a host that is known: from memory or, below a
// wildcard host, from the directory or the authority. It also answers the
// authority's TLS-ALPN questions.
func (a *authority) get(hello *tls.ClientHelloInfo, host string, exact bool) (*tls.Certificate, error) {
	ctx, config := hello.Context(), a.fixed
	if !exact {
		config = a.below
		once, cancel := context.WithCancel(ctx)
		defer cancel()
		ctx = context.WithValue(once, giveUpKey{}, cancel)
	}
	cert, err := config.GetCertificateWithContext(ctx, hello)
	if err != nil {
		if kept, ok := a.kept.Load(host); ok && !isChallenge(hello) {
			return kept.(*tls.Certificate), nil
		}
		return nil, fmt.Errorf("no certificate for %s: %w", host, err)
	}
	return cert, nil
}

// isChallenge tells an authority's question from a client (RFC 8737 §3).
func isChallenge(hello *tls.ClientHelloInfo) bool {
	return slices.Equal(hello.SupportedProtos, []string{acmez.ACMETLS1Protocol})
}

// giveUpKey finds what ends the wait of a client for a new certificate: it is
// told of the first failure, not of what certmagic would try minutes later.
type giveUpKey struct{}

// challenge answers the authority's question over plain HTTP, if it is one that
// was asked for.
func (a *authority) challenge(w http.ResponseWriter, r *http.Request) bool {
	return a.issuer.HandleHTTPChallenge(w, r)
}

func (a *authority) close() { a.closed.Do(a.cache.Stop) }

// event tells people what became of a certificate.
func (a *authority) event(ctx context.Context, event string, data map[string]any) error {
	host, _ := data["identifier"].(string)
	renewal, _ := data["renewal"].(bool)
	switch event {
	case "cert_obtained":
		issuer, _ := data["issuer"].(string)
		a.ended(true, renewal)
		a.log.Info("certificate fetched", "host", host, "renewal", renewal, "authority", issuer)
	case "cert_failed":
		err, _ := data["error"].(error)
		if ctx.Err() != nil || errors.Is(err, context.Canceled) {
			return nil
		}
		a.ended(false, renewal)
		a.log.Warn("no certificate from the authority; it is asked again, in a minute at first",
			"host", host, "renewal", renewal, "authorities", data["issuers"], "error", err)
	}
	return nil
}

// ended tells how a question to the authority ended.
func (a *authority) ended(fetched, renewal bool) {
	if a.tell != nil {
		a.tell(fetched, renewal)
	}
}

// eventBelow is event for names below a wildcard host, whose number has a bound.
func (a *authority) eventBelow(ctx context.Context, event string, data map[string]any) error {
	host, _ := data["identifier"].(string)
	renewal, _ := data["renewal"].(bool)
	switch event {
	case "cert_obtaining":
		if renewal {
			return nil
		}
		err := a.names.take()
		if err != nil {
			a.log.Warn("a new name below a wildcard host gets no certificate now", "host", host, "error", err)
			return certmagic.ErrNoRetry{Err: err}
		}
		return nil
	case "cert_failed":
		err, _ := data["error"].(error)
		a.names.failed(host)
		if giveUp, ok := ctx.Value(giveUpKey{}).(context.CancelFunc); ok {
			defer giveUp()
		}
		a.ended(false, renewal)
		a.log.Warn("no certificate from the authority; it is asked again when a client comes after ten minutes",
			"host", host, "renewal", renewal, "authorities", data["issuers"], "error", err)
		return nil
	}
	return a.event(ctx, event, data)
}
