package limit

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Addresses keeps a State for each client address that was seen lately: IPv4
// by address, IPv6 by /64, for a household gets a /64 or more. It is bounded;
// nothing in it is worth money, for what quotas count lies in AddressQuotas. It is safe for
// concurrent use and locks only the part that an address falls into.
//
// An address is forgotten when a new State would decide the same (its rate
// limits are whole, nothing is in flight) and a place is wanted. Only when more
// addresses than there are places are busy at the same time is one forgotten
// that was still counting, of a few the one seen longest ago: it starts afresh.
// Memory is about 150 bytes for each address kept.
type Addresses struct {
	seed   maphash.Seed
	shards [addressShards]addressShard
	max    int // per shard
}

const addressShards = 64

type addressShard struct {
	mu    sync.Mutex
	index map[subnet]int32
	kept  []keptAddress
	hand  int    // where the search for a place goes on
	gone  *State // every newcomer's, while the counters are another process's; else nil
	_     [64]byte
}

type keptAddress struct {
	subnet subnet
	seen   int64 // Unix ns
	state  *State
}

// subnet is what counts as one client. Addresses that are no address at all
// share one.
type subnet struct {
	bits   uint64
	family uint8 // 4, 6, or 0
}

func subnetOf(addr netip.Addr) subnet {
	addr = addr.Unmap()
	switch {
	case addr.Is4():
		b := addr.As4()
		return subnet{bits: uint64(binary.BigEndian.Uint32(b[:])), family: 4}
	case addr.Is6():
		b := addr.As16()
		return subnet{bits: binary.BigEndian.Uint64(b[:8]), family: 6}
	}
	return subnet{}
}

// address is the first of a subnet; of what is no address, none.
func (s subnet) address() netip.Addr {
	switch s.family {
	case 4:
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(s.bits))
		return netip.AddrFrom4(b)
	case 6:
		var b [16]byte
		binary.BigEndian.PutUint64(b[:8], s.bits)
		return netip.AddrFrom16(b)
	}
	return netip.Addr{}
}

// NewAddresses returns an empty Addresses that keeps at most max addresses,
// rounded up to a multiple of 64.
func NewAddresses(max int) *Addresses {
	a := &Addresses{seed: maphash.MakeSeed(), max: (max + addressShards - 1) / addressShards}
	if a.max < 1 {
		a.max = 1
	}
	return a
}

// State returns the counters of a client address.
func (a *Addresses) State(addr netip.Addr, now time.Time) *State {
	state, _ := a.Decide(addr, now)
	return state
}

// Decide returns the counters of a client address, and the moment that the
// request is decided for, as Order.At.
func (a *Addresses) Decide(addr netip.Addr, now time.Time) (*State, time.Time) {
	key, ns := subnetOf(addr), now.UnixNano()
	s := &a.shards[maphash.Comparable(a.seed, key)%addressShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.index[key]; ok {
		k := &s.kept[i]
		if late(ns, k.seen) {
			return k.state, now.Add(time.Duration(k.seen - ns))
		}
		k.seen = ns
		return k.state, now
	}
	if s.gone != nil {
		return s.gone, now
	}
	if s.index == nil {
		s.index = make(map[subnet]int32)
	}
	// Each newcomer makes room for two: so the table shrinks back to who is
	// active, a little with every step and never all at once.
	s.sweep(ns)
	s.sweep(ns)
	if len(s.kept) >= a.max {
		s.evict(ns)
	}
	state := new(State)
	s.index[key] = int32(len(s.kept))
	s.kept = append(s.kept, keptAddress{subnet: key, seen: ns, state: state})
	return state, now
}

// Trim forgets the addresses that are idle, and gives the memory of those that
// many are gone of back: newcomers make room for themselves, but when the many
// have gone there may be none. It locks a part of them at a time.
func (a *Addresses) Trim(now time.Time) {
	ns := now.UnixNano()
	for i := range a.shards {
		s := &a.shards[i]
		s.mu.Lock()
		if s.gone != nil { // they look idle, and may come back
			s.mu.Unlock()
			continue
		}
		had := cap(s.kept)
		for j := len(s.kept) - 1; j >= 0; j-- {
			if k := &s.kept[j]; ns-k.seen > grace && k.state.idle(ns) {
				s.forget(j)
			}
		}
		if had > 64 && len(s.kept) < had/4 {
			s.kept = slices.Clone(s.kept)
			s.index = make(map[subnet]int32, len(s.kept)) // one that was large never shrinks
			for j := range s.kept {
				s.index[s.kept[j].subnet] = int32(j)
			}
		}
		s.mu.Unlock()
	}
}

// Len returns how many addresses are kept.
func (a *Addresses) Len() int {
	n := 0
	for i := range a.shards {
		s := &a.shards[i]
		s.mu.Lock()
		n += len(s.kept)
		s.mu.Unlock()
	}
	return n
}

// grace is how long an address is kept at least while there is room: a State
// that was just given out is about to be used.
const grace = int64(time.Minute)

// sweep looks at the next kept address and forgets it when it is idle.
func (s *addressShard) sweep(now int64) {
	if len(s.kept) == 0 {
		return
	}
	i := s.next()
	if k := &s.kept[i]; now-k.seen > grace && k.state.idle(now) {
		s.forget(i)
	}
}

// evict forgets one address of the next few: an idle one if there is one, else
// the one seen longest ago, but one that holds a concurrency limit last.
func (s *addressShard) evict(now int64) {
	const few = 16
	oldest, free := -1, false
	for range min(few, len(s.kept)) {
		i := s.next()
		k := &s.kept[i]
		if k.state.idle(now) {
			s.forget(i)
			return
		}
		f := !k.state.inFlight()
		if oldest < 0 || f && !free || f == free && k.seen < s.kept[oldest].seen {
			oldest, free = i, f
		}
	}
	s.forget(oldest)
}

func (s *addressShard) next() int {
	s.hand++
	if s.hand >= len(s.kept) {
		s.hand = 0
	}
	return s.hand
}

// forget drops the i-th. Its State is left to whoever still holds it, and never
// given to another address: an open lease goes on to be released on it.
func (s *addressShard) forget(i int) {
	last := len(s.kept) - 1
	delete(s.index, s.kept[i].subnet)
	if i != last {
		s.kept[i] = s.kept[last]
		s.index[s.kept[i].subnet] = int32(i)
	}
	s.kept[last] = keptAddress{}
	s.kept = s.kept[:last]
}
