package edge

import (
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// The fields by which a service learns who calls. The same names from outside
// are removed, however they are spelled.
const (
	customerField = "Tollhouse-Customer"
	keyField      = "Tollhouse-Key"
	planField     = "Tollhouse-Plan"
	featuresField = "Tollhouse-Features"
	modeField     = "Tollhouse-Mode"
	usageField    = "Tollhouse-Usage"
	idField       = "X-Request-Id"
)

// The names that the console's cookies start with: they must never reach a
// service, which could act as whoever is signed in.
const (
	consoleCookie       = "tollhouse"
	secureConsoleCookie = "__Host-tollhouse"
)

// ours tells whether a field's name is one that only the gateway may set.
// Some servers take '_' for '-' (CGI does), so both count as the same.
func ours(name string) bool {
	if len(name) < len("x-request-id") {
		return false
	}
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	return strings.HasPrefix(name, "tollhouse-") || name == "x-request-id" ||
		strings.HasPrefix(name, "x-forwarded-") && name != "x-forwarded-for"
}

// identify makes a request speak for its caller: it removes what a caller may
// not say, the credential and the console's cookie, and says who calls, where
// the service is rooted and how the client came.
func identify(r *exchange.Request, p *gate.Pass, trusted bool) {
	h := r.Header
	var remove []string
	for name := range h.All() {
		if ours(name) || !trusted && saysWhereFrom(name) || strings.ContainsRune(name, '_') && isForwardedFor(name) {
			remove = append(remove, name)
		}
	}
	for _, name := range remove {
		h.Del(name)
	}
	if p.Service.Access == toll.AccessKey {
		// The service learns who calls from the fields below; a credential that
		// it does not need is one that it cannot leak.
		h.Del("Authorization")
		h.Del("X-Api-Key")
	}
	dropConsoleCookie(h)

	h.Set(idField, r.ID)
	sayWho(h, p)
	if p.Prefix != "" {
		h.Set("X-Forwarded-Prefix", p.Prefix)
	}
	h.Set("X-Forwarded-Proto", r.Scheme)
	h.Set("X-Forwarded-Host", r.HostPort)
	if before := h.Values("X-Forwarded-For"); trusted && len(before) > 0 {
		h.Set("X-Forwarded-For", strings.Join(before, ", ")+", "+r.Peer.String())
	} else {
		h.Set("X-Forwarded-For", r.Peer.String())
	}
}

// sayWho says who calls, where a key did.
func sayWho(h exchange.Header, p *gate.Pass) {
	if p.Customer == "" {
		return
	}
	h.Set(customerField, p.Customer)
	h.Set(keyField, p.Key)
	h.Set(planField, p.Plan)
	h.Set(modeField, string(p.Mode))
	if len(p.Features) > 0 {
		h.Set(featuresField, strings.Join(p.Features, ", "))
	}
}

// saysWhereFrom tells whether a field says what X-Forwarded-For says: only a
// trusted proxy may, or a service that reads it takes the caller's word.
func saysWhereFrom(name string) bool {
	name = strings.ReplaceAll(name, "_", "-")
	return strings.EqualFold(name, "Forwarded") || strings.EqualFold(name, "X-Real-Ip")
}

func isForwardedFor(name string) bool {
	return strings.EqualFold(strings.ReplaceAll(name, "_", "-"), "x-forwarded-for")
}

// dropConsoleCookie takes the console's session out of the Cookie fields and
// leaves the others as they came.
func dropConsoleCookie(h exchange.Header) {
	fields := h.Values("Cookie")
	if len(fields) == 0 {
		return
	}
	var kept []string
	changed := false
	for _, field := range fields {
		for _, pair := range strings.Split(field, ";") {
			pair = strings.TrimSpace(pair)
			name, _, _ := strings.Cut(pair, "=")
			if isConsoleCookie(strings.TrimSpace(name)) {
				changed = true
				continue
			}
			if pair != "" {
				kept = append(kept, pair)
			}
		}
	}
	if !changed {
		return
	}
	h.Del("Cookie")
	if len(kept) > 0 {
		h.Set("Cookie", strings.Join(kept, "; "))
	}
}

func isConsoleCookie(name string) bool {
	return strings.HasPrefix(name, consoleCookie) || strings.HasPrefix(name, secureConsoleCookie)
}
