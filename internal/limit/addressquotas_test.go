package limit

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func perIP(p toll.Policy) toll.Policy {
	p.Partition = toll.PerIP
	return p
}

// fourByte is the n-th IPv4 address.
func fourByte(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

func TestAnAddressIsKnownByItsHashAlone(t *testing.T) {
	t.Parallel()
	all, twin, other := NewAddressQuotas(10), NewAddressQuotas(10), NewAddressQuotas(10)
	all.SetKey("one secret")
	twin.SetKey("one secret")
	hash := func(text string) toll.AddressHash { return all.Hash(netip.MustParseAddr(text)) }
	if hash("192.0.2.1") != hash("::ffff:192.0.2.1") || hash("2001:db8::1") != hash("2001:db8::ffff:1") {
		t.Error("one client has two hashes")
	}
	seen := map[toll.AddressHash]string{}
	for _, text := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::", "2001:db8:0:1::", "::c000:201"} {
		if was := seen[hash(text)]; was != "" {
			t.Errorf("%s and %s have one hash", text, was)
		}
		seen[hash(text)] = text
	}
	if at := netip.MustParseAddr("192.0.2.1"); twin.Hash(at) != all.Hash(at) || other.Hash(at) == all.Hash(at) {
		t.Error("the hash is not that of the secret")
	}
	if at := netip.MustParseAddr("192.0.2.1"); !twin.Ours(all.Hash(at)) || other.Ours(all.Hash(at)) {
		t.Error("it is not told whose a hash is")
	}
	if all.Hash(netip.Addr{}).IsZero() {
		t.Error("what is no address has no hash")
	}
}

func TestAQuotaPerIPCountsEachAddressApartAndBesideItsRateLimit(t *testing.T) {
	t.Parallel()
	set := compiled(t, perIP(quota("visits", toll.UnitRequests, toll.Daily, 3)), perIP(rate("flood", 100, time.Second)))
	quotas, rates := NewAddressQuotas(100), NewAddresses(64)
	var a Admission
	call := func(n uint32, settle bool) bool {
		state, _ := quotas.State(quotas.Hash(fourByte(n)))
		admitted := a.Admit(noon, Partitions{Address: rates.State(fourByte(n), noon), AddressQuota: state}, "site", "other", set)
		if admitted {
			uses := a.AddressUses(nil, nil)
			want := toll.AddressUse{Unit: toll.UnitRequests, Every: toll.Daily, Start: noon.Truncate(24 * time.Hour).Unix(), Count: 1}
			if len(uses) != 1 || uses[0] != want {
				t.Fatalf("a call counts %+v, want %+v", uses, want)
			}
		}
		a.Settle(settle, nil)
		a.Release()
		return admitted
	}
	for n := range uint32(50) {
		call(n, false) // a 5xx: given back
		for i := range 5 {
			if got := call(n, true); got != (i < 3) {
				t.Errorf("call %d of address %d: admitted %v", i+1, n, got)
			}
		}
	}
	// The rate limit's place may be taken by others; the quota's is not.
	for n := uint32(1000); n < 3000; n++ {
		rates.State(fourByte(n), noon)
	}
	rates.Trim(noon.Add(2 * time.Hour))
	quotas.Trim(noon.Add(2 * time.Hour))
	if call(7, true) {
		t.Error("a quota was forgotten within its period")
	}
}

func TestWhereNoAddressIsCountedAQuotaPerIPIsNotLookedAt(t *testing.T) {
	t.Parallel()
	set := compiled(t, perIP(quota("visits", toll.UnitRequests, toll.Daily, 1)))
	var a Admission
	for range 3 {
		if !a.Admit(noon, Partitions{Customer: new(State), Address: new(State)}, "site", "other", set) || len(a.Results()) != 0 {
			t.Fatal("a quota per IP was asked where no address is counted")
		}
	}
	counting, err := Counting([]toll.Policy{perIP(quota("visits", toll.UnitRequests, toll.Daily, 1)), quota("month", toll.UnitRequests, toll.Monthly, 1)}, nil)
	if err != nil || len(counting.rules) != 1 || counting.Counts(toll.PerIP) {
		t.Errorf("addresses are counted where no quota holds for them: %v", err)
	}
}

// TestAFullTableTurnsNewcomersAwayAndForgetsNobody: of a million addresses as
// many are counted as there is place for, each exactly, and the memory of the
// table ends there.
func TestAFullTableTurnsNewcomersAwayAndForgetsNobody(t *testing.T) { // not parallel: it weighs the heap
	most := million / 4
	set := compiled(t, perIP(quota("visits", toll.UnitRequests, toll.Monthly, 1)))
	before := heap()
	all := NewAddressQuotas(most)
	var a Admission
	admitted, turned := 0, 0
	for round := range 2 {
		for n := range uint32(million) {
			state, ok := all.State(all.Hash(fourByte(n)))
			if !ok {
				turned++
				continue
			}
			if a.Admit(noon, Partitions{AddressQuota: state}, "site", "other", set) {
				if round > 0 {
					t.Fatalf("address %d has a fresh quota", n)
				}
				admitted++
			}
			a.Settle(true, nil)
			a.Release()
		}
	}
	took := heap() - before
	kept, told := all.Kept()
	if kept != admitted || kept < most || kept > most*5/4 || turned != 2*(million-kept) || told != int64(turned) {
		t.Errorf("%d are kept of %d places, %d were admitted, %d turned away (it says %d)", kept, most, admitted, turned, told)
	}
	if took > int64(kept)*200 {
		t.Errorf("%d bytes for each address, want 200 at most", took/int64(kept))
	}
	t.Logf("a million addresses, %d places: %d kept, %d bytes each, %d calls turned away", most, kept, took/int64(kept), turned)
	all.Trim(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC).Add(49 * time.Hour)) // some hours more than the month and two days
	if kept, _ := all.Kept(); kept != admitted {
		t.Errorf("%d of %d are left less than two days after their month", kept, admitted)
	}
	all.Trim(time.Date(2026, 12, 6, 0, 0, 0, 0, time.UTC))
	if kept, _ := all.Kept(); kept != 0 {
		t.Errorf("%d are kept for a month that is over", kept)
	}
	if _, ok := all.State(all.Hash(fourByte(million - 1))); !ok {
		t.Error("there is no place though nobody is kept")
	}
	runtime.KeepAlive(all)
}

// TestNoCallIsLostWhereItsAddressIsForgotten: Trim takes states away while
// requests are about to be counted on them.
func TestNoCallIsLostWhereItsAddressIsForgotten(t *testing.T) {
	t.Parallel()
	const calls = 20_000
	set := compiled(t, perIP(quota("visits", toll.UnitRequests, toll.Daily, calls*4)))
	all := NewAddressQuotas(100)
	address := all.Hash(fourByte(1))
	var clients, trimmer sync.WaitGroup
	over := make(chan struct{})
	trimmer.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				all.Trim(noon)
			}
		}
	})
	for range 2 {
		clients.Go(func() {
			var a Admission
			for range calls {
				for {
					state, _ := all.State(address)
					if a.Admit(noon, Partitions{AddressQuota: state}, "site", "other", set) {
						break
					}
					if !a.Departed() {
						t.Error("a call was refused")
						return
					}
				}
				a.Settle(true, nil)
				a.Release()
			}
		})
	}
	clients.Wait()
	close(over)
	trimmer.Wait()
	if got := all.Find(address).usedOf(set.rules[0].id, periodNumber(noon.Truncate(24*time.Hour))); got != 2*calls {
		t.Errorf("%d calls were counted of %d", got, 2*calls)
	}
}

func TestCountersOfAddressesTravelAndComeBack(t *testing.T) {
	t.Parallel()
	set := compiled(t, perIP(quota("visits", toll.UnitRequests, toll.Daily, 2)))
	old, next := NewAddressQuotas(100), NewAddressQuotas(100)
	var a Admission
	admit := func(all *AddressQuotas, n byte) bool {
		state, _ := all.State(toll.AddressHash{n})
		return a.Admit(noon, Partitions{AddressQuota: state}, "site", "other", set)
	}
	admit(old, 1)
	a.Settle(true, nil)
	admit(old, 2) // still open
	carried := old.Depart()
	if admit(old, 1); !a.Departed() {
		t.Error("an address that left is still counted")
	}
	if admit(old, 3); !a.Departed() {
		t.Error("a newcomer is counted where the others left")
	}
	old.Trim(noon.AddDate(0, 0, 9))
	for _, c := range carried {
		next.Arrive(c)
	}
	for n, want := range map[byte]int{1: 1, 3: 2} {
		for i := range 3 {
			if got := admit(next, n); got != (i < want) {
				t.Errorf("address %d, call %d: %v", n, i+1, got)
			}
			a.Settle(true, nil)
		}
	}
	for _, c := range carried { // the other process will not have them
		old.Arrive(c)
	}
	old.Stay()
	for n, want := range map[byte]int{1: 1, 4: 2} {
		for i := range 3 {
			if got := admit(old, n); got != (i < want) {
				t.Errorf("back again, address %d, call %d: %v", n, i+1, got)
			}
			a.Settle(true, nil)
		}
	}
}

func TestCountingPerIPAllocatesNothing(t *testing.T) {
	set := compiled(t, perIP(quota("visits", toll.UnitRequests, toll.Daily, 1<<40)))
	all, at := NewAddressQuotas(100), fourByte(9)
	var a Admission
	var uses []toll.AddressUse
	if n := testing.AllocsPerRun(100, func() {
		state, _ := all.State(all.Hash(at))
		a.Admit(noon, Partitions{AddressQuota: state}, "site", "other", set)
		uses = a.AddressUses(uses[:0], nil)
		a.Settle(true, nil)
		a.Release()
	}); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
}

// BenchmarkAddressQuota is what a quota per IP adds to a decision: the hash, its
// counters, and the admission.
func BenchmarkAddressQuota(b *testing.B) {
	set := compiled(b, perIP(quota("visits", toll.UnitRequests, toll.Daily, 1<<40)))
	all, at := NewAddressQuotas(100), fourByte(9)
	var a Admission
	b.ReportAllocs()
	for b.Loop() {
		state, _ := all.State(all.Hash(at))
		a.Admit(noon, Partitions{AddressQuota: state}, "site", "other", set)
		a.Settle(true, nil)
		a.Release()
	}
}
