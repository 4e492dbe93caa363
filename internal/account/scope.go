package account

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Bounds of a key's scope: every replica looks through it at each request.
const (
	maxMethods = 10
	maxOrigins = 100
)

// knownMethods are those of RFC 9110 §9 and RFC 5789, but for CONNECT, which the
// gateway never forwards: what services answer, and what a key can be for.
var knownMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}

// methods checks the methods of a key; they are kept in upper case.
func methods(typed []string) ([]string, error) {
	if len(typed) > maxMethods {
		return nil, toll.FieldError("methods", "A key may name at most %d methods.", maxMethods)
	}
	var all []string
	for _, m := range typed {
		name := strings.ToUpper(strings.TrimSpace(m))
		if !slices.Contains(knownMethods, name) {
			return nil, toll.FieldError("methods", "%q is no method that a key can be for. There are: %s.", shorten(m), strings.Join(knownMethods, ", "))
		}
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all, nil
}

// origins checks the addresses that a key may be used from: single ones, and
// ranges in CIDR form.
func origins(typed []string) ([]netip.Prefix, error) {
	if len(typed) > maxOrigins {
		return nil, toll.FieldError("origins", "A key may name at most %d addresses or ranges.", maxOrigins)
	}
	var all []netip.Prefix
	for _, o := range typed {
		p, err := origin(strings.TrimSpace(o))
		if err != nil {
			return nil, toll.FieldError("origins", "%q is no address and no range; write for example 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32.", shorten(o))
		}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all, nil
}

func origin(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	if addr := p.Addr(); addr.Is4In6() { // "::ffff:10.0.0.0/104" means 10.0.0.0/8
		return addr.Unmap().Prefix(max(0, p.Bits()-96))
	}
	return p.Masked(), nil
}
