package edge

import (
	"net/netip"
	"strings"
)

// Proxies are the peers whose word about the client is believed.
type Proxies []netip.Prefix

// Trusts tells whether a peer's X-Forwarded-* fields are believed.
func (p Proxies) Trusts(peer netip.Addr) bool {
	peer = peer.Unmap()
	for _, prefix := range p {
		if prefix.Contains(peer) {
			return true
		}
	}
	return false
}

// Client finds the address that a request really comes from: the rightmost
// address of X-Forwarded-For that no trusted proxy stands for. Whatever an
// untrusted peer says about itself is ignored; an entry that is no address
// ends the walk, because nothing left of it can be trusted.
func (p Proxies) Client(peer netip.Addr, forwardedFor []string) netip.Addr {
	client := peer.Unmap()
	if !p.Trusts(client) {
		return client
	}
	for i := len(forwardedFor) - 1; i >= 0; i-- {
		rest := forwardedFor[i]
		for rest != "" {
			var entry string
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				rest, entry = rest[:at], rest[at+1:]
			} else {
				rest, entry = "", rest
			}
			addr, ok := parseForwarded(strings.TrimSpace(entry))
			if !ok {
				return client
			}
			client = addr
			if !p.Trusts(client) {
				return client
			}
		}
	}
	return client
}

// parseForwarded reads an entry of X-Forwarded-For: an address, which some
// proxies write with a port or in brackets.
func parseForwarded(s string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return addr.Unmap().WithZone(""), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}
