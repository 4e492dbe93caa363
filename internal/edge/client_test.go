package edge

import (
	"net/netip"
	"testing"
)

func TestClientAddressIsTheRightmostUntrusted(t *testing.T) {
	t.Parallel()
	trusted := Proxies{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"an untrusted peer is the client whatever it says", "203.0.113.9", []string{"198.51.100.1"}, "203.0.113.9"},
		{"a trusted peer's word is believed", "127.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a forged entry on the left is not reached", "127.0.0.1", []string{"1.2.3.4, 198.51.100.1"}, "198.51.100.1"},
		{"trusted hops are walked over, also over several fields", "127.0.0.1", []string{"198.51.100.1", "10.1.1.1, 10.1.1.2"}, "198.51.100.1"},
		{"all trusted: the leftmost", "127.0.0.1", []string{"10.9.9.9, 10.1.1.1"}, "10.9.9.9"},
		{"rubbish ends the walk at the last known", "127.0.0.1", []string{"198.51.100.1, unknown, 10.1.1.1"}, "10.1.1.1"},
		{"ports and brackets", "127.0.0.1", []string{"[2001:db8::1]:443"}, "2001:db8::1"},
		{"an IPv4-mapped address is that IPv4 address", "::ffff:127.0.0.1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"no field", "127.0.0.1", nil, "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := trusted.Client(netip.MustParseAddr(c.peer), c.forwarded); got.String() != c.want {
				t.Errorf("Client(%s, %q) = %s, want %s", c.peer, c.forwarded, got, c.want)
			}
		})
	}
}
