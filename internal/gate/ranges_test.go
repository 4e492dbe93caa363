package gate

import (
	"net/netip"
	"testing"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"pgregory.net/rapid"
)

func drawAddr(rt *rapid.T, label string) netip.Addr {
	// Few different bits, so that addresses and prefixes meet.
	b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 127, 128, 255}), 16, 16).Draw(rt, label)
	if rapid.Bool().Draw(rt, label+" v4") {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16([16]byte(b))
}

func TestRangesContainWhatTheirPrefixesDo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var prefixes []netip.Prefix
		for range rapid.IntRange(0, 12).Draw(rt, "prefixes") {
			a := drawAddr(rt, "prefix").Unmap()
			prefixes = append(prefixes, netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(rt, "bits")))
		}
		compiled := rangesOf(prefixes)
		for i := 1; i < len(compiled); i++ {
			if compiled[i-1].last.Compare(compiled[i].first) >= 0 {
				rt.Fatalf("%v are not apart", compiled)
			}
		}
		for range 20 {
			client := drawAddr(rt, "client")
			want := false
			for _, p := range prefixes {
				want = want || p.Contains(client.Unmap())
			}
			if got := compiled.contain(client); got != want {
				rt.Fatalf("%v in %v: %v, want %v", client, prefixes, got, want)
			}
		}
	})
}

func TestNoAddressIsInNoRange(t *testing.T) {
	t.Parallel()
	everything := rangesOf([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})
	if everything.contain(netip.Addr{}) {
		t.Error("an invalid address is in a range")
	}
	for _, in := range []string{"0.0.0.0", "255.255.255.255", "::", "ffff::1", "fe80::1%eth0", "::ffff:10.0.0.1"} {
		if !everything.contain(netip.MustParseAddr(in)) {
			t.Errorf("%s is not in everything", in)
		}
	}
	mapped := rangesOf([]netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")})
	if !mapped.contain(netip.MustParseAddr("10.1.2.3")) || mapped.contain(netip.MustParseAddr("11.0.0.0")) {
		t.Error("a mapped range is not the IPv4 range that it means")
	}
}

func BenchmarkTenThousandRanges(b *testing.B) {
	var prefixes []netip.Prefix
	for i := range 10_000 {
		prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 7), byte(i << 1), 0}), 24))
	}
	set, client := rangesOf(prefixes), netip.MustParseAddr("10.40.200.9")
	b.ReportAllocs()
	for b.Loop() {
		set.contain(client)
	}
}
