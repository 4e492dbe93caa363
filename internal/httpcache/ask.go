package httpcache

import (
	"crypto/sha256"
	"hash/maphash"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// uri is what is asked for: the target URI (RFC 9111 §2), without the prefix
// that the service does not see.
type uri struct{ scheme, host, path, query string }

// key is where answers are kept: a URI, and whose answers they are. The owner
// is zero for answers that everybody may have.
type key struct {
	uri
	owner owner
}

// owner tells credentials apart; it is a hash, so that no credential is kept.
type owner [16]byte

var everybody owner

// ask is a request as the cache sees it.
type ask struct {
	request    *exchange.Request
	now        time.Time
	uri        uri
	hash       uint64
	directives directives
	owner      owner
	credential bool // it carries one: Authorization, X-API-Key, or a customer's key
	cookie     bool
	ranged     bool // it wants a part (RFC 9110 §14.2)
}

var seed = maphash.MakeSeed()

// newAsk reads a request. customer is who calls, "" for nobody in particular.
func newAsk(r *exchange.Request, customer string) ask {
	a := ask{request: r, now: r.Arrived, uri: uri{scheme: r.Scheme, host: hostOf(r), path: r.RawPath, query: r.RawQuery}}
	a.hash = a.uri.hash()
	if fields := r.Header.Values("Cache-Control"); len(fields) > 0 {
		a.directives = parseDirectives(fields)
	} else {
		a.directives = parseDirectives(nil)
		if strings.EqualFold(r.Header.Get("Pragma"), "no-cache") { // §5.4
			a.directives.flags |= noCache
		}
	}
	authorization, apiKey := r.Header.Get("Authorization"), r.Header.Get("X-Api-Key")
	if customer != "" || authorization != "" || apiKey != "" {
		a.credential = true
		a.owner = ownerOf(customer, authorization, apiKey)
	}
	a.cookie = r.Header.Get("Cookie") != ""
	a.ranged = r.Method == "GET" && r.Header.Get("Range") != ""
	return a
}

// hostOf is the authority as the client sent it, without the scheme's own port.
func hostOf(r *exchange.Request) string {
	host := strings.ToLower(r.HostPort)
	if r.Scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

func (u *uri) hash() uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, part := range [...]string{u.scheme, u.host, u.path, u.query} {
		_, _ = h.WriteString(part) // never fails
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}

// clone makes a URI that holds no part of a request's memory.
func (u *uri) clone() uri {
	return uri{strings.Clone(u.scheme), strings.Clone(u.host), strings.Clone(u.path), strings.Clone(u.query)}
}

func ownerOf(customer, authorization, apiKey string) owner {
	var space [256]byte
	text := append(space[:0], customer...)
	text = append(append(text, 0), authorization...)
	text = append(append(text, 0), apiKey...)
	sum := sha256.Sum256(text)
	o := owner(sum[:len(owner{})])
	o[0] |= 1 // never everybody
	return o
}
