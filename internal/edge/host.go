package edge

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// hostOf returns the host without its port, in lower case and without a final dot.
func hostOf(hostPort string) string {
	host := hostPort
	if h, _, err := net.SplitHostPort(hostPort); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// goodHost tells whether a Host field (RFC 9110 §7.2) can be read in one way: a
// name of letters, digits, '-', '_' and '.', or an address, and a port. The
// standard's grammar lets more through (escapes, sub-delims, a second colon),
// which no host's name has and which other readers take for a user, a list or a
// port. None at all, as HTTP/1.0 allows, is good.
func goodHost(hostPort string) bool {
	host, port := hostPort, ""
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 {
			return false
		}
		host, port = host[1:end], host[end+1:]
		if addr, err := netip.ParseAddr(host); err != nil || !addr.Is6() || addr.Zone() != "" {
			return false
		}
	} else {
		if colon := strings.IndexByte(host, ':'); colon >= 0 {
			host, port = host[:colon], host[colon:]
		}
		for i := range len(host) {
			c := host[i]
			if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.' {
				return false
			}
		}
	}
	if port == "" || port == ":" {
		return true
	}
	n, err := strconv.ParseUint(port[1:], 10, 16)
	return port[0] == ':' && err == nil && n > 0 && port[1] != '+'
}
