package limit

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// heap is what is in use, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestAMillionAddressesTakeBoundedMemory(t *testing.T) { // not parallel: it weighs the heap
	const most = 1 << 14
	perIP := rate("flood", 5, time.Second)
	perIP.Partition = toll.PerIP
	set := compiled(t, perIP)
	before := heap()
	all := NewAddresses(most)
	var a Admission
	refused := 0
	for i := range uint32(million) {
		var ip netip.Addr
		if i%2 == 0 {
			ip = netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, i)))
		} else { // every one from another /64
			var b [16]byte
			b[0] = 0x20
			binary.BigEndian.PutUint32(b[4:], i)
			binary.BigEndian.PutUint64(b[8:], uint64(i)*7919)
			ip = netip.AddrFrom16(b)
		}
		state, now := all.Decide(ip, noon.Add(time.Duration(i)*time.Microsecond))
		if !a.Admit(now, Partitions{Address: state}, "ner", "other", set) {
			refused++
		}
		a.Release()
	}
	took := heap() - before
	if n := all.Len(); n > most {
		t.Errorf("%d addresses are kept, want %d at most", n, most)
	}
	if took > most*300 || refused > 0 {
		t.Errorf("%d bytes for %d addresses, want 300 each at most; %d were refused", took, all.Len(), refused)
	}
	t.Logf("a million addresses: %d kept, %d bytes (%d each)", all.Len(), took, took/int64(all.Len()))
	all.Trim(noon.Add(time.Hour))
	if n := all.Len(); n != 0 {
		t.Errorf("%d idle addresses are kept an hour later", n)
	}
	runtime.KeepAlive(all)
}

func TestOneHouseholdsAddressesAreOneHoweverManyItTakes(t *testing.T) {
	t.Parallel()
	perIP := rate("flood", 5, time.Hour)
	perIP.Partition = toll.PerIP
	set, all, admitted := compiled(t, perIP), NewAddresses(1<<16), 0
	var a Admission
	for i := range uint64(100_000) {
		b := netip.MustParseAddr("2001:db8:1:2::").As16()
		binary.BigEndian.PutUint64(b[8:], i*104729)
		state, now := all.Decide(netip.AddrFrom16(b), noon)
		if a.Admit(now, Partitions{Address: state}, "ner", "other", set) {
			admitted++
		}
	}
	if admitted != 5 || all.Len() != 1 {
		t.Errorf("%d were admitted and %d kept, want 5 and 1", admitted, all.Len())
	}
}

func TestAMillionKeysTakeAStateEachAndKeepTheirQuotas(t *testing.T) { // not parallel: it weighs the heap
	const keys = million
	perKey := []toll.Policy{rate("second", 5, time.Second), quota("monthly", toll.UnitRequests, toll.Monthly, 1)}
	for i := range perKey {
		perKey[i].Partition = toll.PerKey
	}
	set := compiled(t, perKey...)
	before := heap()
	states := make([]State, keys)
	var a Admission
	for i := range states {
		if !a.Admit(noon, Partitions{Key: &states[i]}, "ner", "other", set) {
			t.Fatal("the first call of a key was refused")
		}
		a.Settle(true, nil)
		a.Release()
	}
	took := heap() - before
	t.Logf("a million keys under a rate and a quota: %d bytes (%d each)", took, took/keys)
	if took > keys*72 {
		t.Errorf("%d bytes each, want 64 and what the heap rounds up", took/keys)
	}
	end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for i := range states {
		if states[i].Trim(end.Add(-time.Second)) {
			t.Fatalf("the quota of key %d was forgotten while its month runs", i)
		}
		if a.Admit(end.Add(-time.Second), Partitions{Key: &states[i]}, "ner", "other", set) {
			t.Fatalf("key %d has a fresh quota", i)
		}
		if i%1000 == 0 && !states[i].Trim(end.Add(100*24*time.Hour)) {
			t.Fatalf("key %d is kept for a month that is long over", i)
		}
	}
	runtime.KeepAlive(states)
}
