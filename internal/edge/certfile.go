package edge

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// CertificateFile is a certificate of one's own: the chain, leaf first, and its
// key, both in PEM form.
type CertificateFile struct {
	Cert string
	Key  string
}

// keyPair is one that was read. It is not changed afterwards.
type keyPair struct {
	file CertificateFile
	sum  [sha256.Size]byte // of both files
	cert *tls.Certificate
}

// readKeyPair reads a certificate and its key. The error is a *toll.Error that
// names the file and the cure.
func readKeyPair(file CertificateFile) (*keyPair, error) {
	certPEM, err := readPEM("certificate", file.Cert)
	if err != nil {
		return nil, err
	}
	keyPEM, err := readPEM("key", file.Key)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(certPEM)
	if block == nil || !bytes.Contains(certPEM, []byte("-----BEGIN CERTIFICATE-----")) {
		return nil, toll.Errorf(toll.Invalid, "the certificate file %s holds no certificate in PEM form; it begins with -----BEGIN CERTIFICATE-----, the server's own first", file.Cert)
	}
	if strings.Contains(string(keyPEM), "ENCRYPTED") {
		return nil, toll.Errorf(toll.Invalid, "the key file %s is encrypted; decrypt it with `openssl pkey -in %s -out NEW.pem`, readable for this user only", file.Key, file.Key)
	}
	if !bytes.Contains(keyPEM, []byte("PRIVATE KEY-----")) {
		return nil, toll.Errorf(toll.Invalid, "the key file %s holds no private key in PEM form; it has a line such as -----BEGIN PRIVATE KEY-----", file.Key)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		if strings.Contains(err.Error(), "does not match") {
			return nil, toll.Errorf(toll.Invalid, "the key %s does not belong to the certificate %s; name the key that it was made with", file.Key, file.Cert)
		}
		return nil, toll.Errorf(toll.Invalid, "the certificate %s with the key %s cannot be used: %w; make both anew", file.Cert, file.Key, err)
	}
	if len(cert.Leaf.DNSNames)+len(cert.Leaf.IPAddresses) == 0 {
		return nil, toll.Errorf(toll.Invalid, "the certificate %s names no host (subject alternative name), so no client accepts it; make one that does", file.Cert)
	}
	return &keyPair{file: file, sum: sha256.Sum256(append(append([]byte{}, certPEM...), keyPEM...)), cert: &cert}, nil
}

func readPEM(what, path string) ([]byte, error) {
	content, err := readSmall(path)
	switch {
	case err == nil:
		return content, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, toll.Errorf(toll.Invalid, "there is no %s file %s; name the right one under `certificates:`", what, path)
	case errors.Is(err, fs.ErrPermission):
		return nil, toll.Errorf(toll.Invalid, "the %s file %s cannot be read by this user; make it readable for the user that runs Tollhouse, and for no other", what, path)
	}
	return nil, toll.Errorf(toll.Invalid, "the %s file %s cannot be read: %w", what, path, err)
}

// maxPEM bounds what is read of a file that is named for a certificate.
const maxPEM = 1 << 20

// readSmall reads a file that is one: no pipe that nobody writes to, no device
// without end.
func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	if info.Size() > maxPEM {
		return nil, fmt.Errorf("it has %d bytes, and a certificate has a few thousand", info.Size())
	}
	return os.ReadFile(path)
}

// keyRing finds the certificate for a name. It is not changed after it was made.
type keyRing struct {
	pairs  []*keyPair
	byName map[string][]*tls.Certificate // lower case; "*.example.com" as it is
	byAddr map[netip.Addr][]*tls.Certificate
}

func newKeyRing(pairs []*keyPair) *keyRing {
	r := &keyRing{pairs: pairs, byName: map[string][]*tls.Certificate{}, byAddr: map[netip.Addr][]*tls.Certificate{}}
	for _, p := range pairs {
		for _, name := range p.cert.Leaf.DNSNames {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			r.byName[name] = append(r.byName[name], p.cert)
		}
		for _, ip := range p.cert.Leaf.IPAddresses {
			if addr, ok := netip.AddrFromSlice(ip); ok {
				r.byAddr[addr.Unmap()] = append(r.byAddr[addr.Unmap()], p.cert)
			}
		}
	}
	return r
}

// named gives the certificates for a host, an exact one before a wildcard. A
// wildcard stands for one label (RFC 9525 §6.3).
func (r *keyRing) named(host string) []*tls.Certificate {
	if found := r.byName[host]; found != nil {
		return found
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return r.byAddr[addr.Unmap()]
	}
	if dot := strings.IndexByte(host, '.'); dot > 0 {
		return r.byName["*"+host[dot:]]
	}
	return nil
}

// choose gives the first of several certificates that the client supports and
// that is valid now; if there is none, the first.
func choose(hello *tls.ClientHelloInfo, certs []*tls.Certificate, now time.Time) *tls.Certificate {
	var best *tls.Certificate
	for _, c := range certs {
		if hello.SupportsCertificate(c) != nil {
			continue
		}
		if validAt(c.Leaf, now) {
			return c
		}
		if best == nil {
			best = c
		}
	}
	if best == nil && len(certs) > 0 {
		best = certs[0]
	}
	return best
}

func validAt(leaf *x509.Certificate, now time.Time) bool {
	return !now.Before(leaf.NotBefore) && !now.After(leaf.NotAfter)
}
