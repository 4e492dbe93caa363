package gate

import (
	"net/netip"
	"slices"
)

// ranges is a set of addresses: sorted, apart from each other, never changed.
type ranges []addresses

// addresses are those from one to another, both included and of one family.
type addresses struct{ first, last netip.Addr }

// rangesOf compiles prefixes. IPv4 written as IPv6 (::ffff:10.0.0.0/104) is
// IPv4, as it is of clients.
func rangesOf(prefixes []netip.Prefix) ranges {
	all := make(ranges, 0, len(prefixes))
	for _, p := range prefixes {
		if !p.IsValid() {
			continue
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		p = p.Masked()
		all = append(all, addresses{p.Addr(), lastOf(p)})
	}
	slices.SortFunc(all, func(a, b addresses) int { return a.first.Compare(b.first) })
	var out ranges
	for _, r := range all {
		// Every IPv4 address orders before every IPv6 one.
		if n := len(out); n > 0 && r.first.Compare(out[n-1].last) <= 0 {
			if out[n-1].last.Compare(r.last) < 0 {
				out[n-1].last = r.last
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// lastOf gives the last address of a masked prefix.
func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 1 << (7 - bit%8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}

// contain tells whether an address is in the set.
func (r ranges) contain(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	low, high := 0, len(r)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if r[middle].last.Compare(a) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low < len(r) && r[low].first.Compare(a) <= 0 && a.IsValid()
}
