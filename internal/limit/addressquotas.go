package limit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// AddressQuotas keeps a State for each client address that a quota per IP
// counts: IPv4 by address, IPv6 by /64. It knows addresses by their hash only.
// Rate limits of addresses lie in Addresses, which may forget them; what is here
// is never forgotten before its period is over for two days. So it is bounded
// the other way: where it is full, a newcomer gets no State, and State says so.
// It is safe for concurrent use and locks only the part that a hash falls into.
// Memory is about 150 bytes for each address kept.
type AddressQuotas struct {
	key    [32]byte
	tag    [4]byte // of the key; every hash begins with it
	shards [addressShards]addressQuotaShard
	max    int // per shard
	turned atomic.Int64
}

type addressQuotaShard struct {
	mu     sync.Mutex
	states map[toll.AddressHash]*State
	gone   *State // every newcomer's, while the counters are another process's; else nil
	_      [64]byte
}

// NewAddressQuotas returns an empty one that keeps about max addresses (no
// fewer; their hashes spread them over 64 parts, of which each has its share
// and a little), with a key of its own.
func NewAddressQuotas(max int) *AddressQuotas {
	each := max/addressShards + 1
	a := &AddressQuotas{max: each + each/16 + 8}
	var random [32]byte
	rand.Read(random[:]) // never fails
	a.setKey(random[:])
	return a
}

// SetKey makes hashes those of other processes with the same secret. It must be
// called before the first Hash.
func (a *AddressQuotas) SetKey(secret toll.Secret) {
	a.setKey([]byte(secret.Reveal()))
}

func (a *AddressQuotas) setKey(secret []byte) {
	a.key = sha256.Sum256(append([]byte("tollhouse: addresses of quotas\x00"), secret...))
	tag := sha256.Sum256(append([]byte("tollhouse: whose addresses\x00"), a.key[:]...))
	copy(a.tag[:], tag[:])
}

// Ours tells whether a hash was made with this key. Replicas that share a
// database have keys of their own, and each counts for itself.
func (a *AddressQuotas) Ours(h toll.AddressHash) bool { return [4]byte(h[:4]) == a.tag }

// Hash returns what stands for an address: addresses of one IPv6 /64 have the
// same, and so have an IPv4 address and its IPv6-mapped form.
func (a *AddressQuotas) Hash(addr netip.Addr) (h toll.AddressHash) {
	of := subnetOf(addr)
	var text [32 + 1 + 8]byte // always as long, so that nothing can be appended to the key
	copy(text[:], a.key[:])
	text[32] = of.family
	binary.BigEndian.PutUint64(text[33:], of.bits)
	sum := sha256.Sum256(text[:])
	copy(h[:], a.tag[:])
	copy(h[4:], sum[:]) // 96 bits: of a million addresses no two have the same
	return h
}

// State returns the counters of an address. It is false where there are none
// yet, and no place for more: then nothing can be counted, and nothing said of
// what was used.
func (a *AddressQuotas) State(h toll.AddressHash) (*State, bool) {
	s := a.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if state := s.states[h]; state != nil {
		return state, true
	}
	if s.gone != nil {
		return s.gone, true
	}
	if len(s.states) >= a.max {
		a.turned.Add(1)
		return nil, false
	}
	return s.make(h), true
}

func (a *AddressQuotas) shard(h toll.AddressHash) *addressQuotaShard {
	return &a.shards[h[len(h)-1]%addressShards]
}

func (s *addressQuotaShard) make(h toll.AddressHash) *State {
	if s.states == nil {
		s.states = make(map[toll.AddressHash]*State)
	}
	state := new(State)
	s.states[h] = state
	return state
}

// Restored returns the counters of an address for what was used before the
// start: there is always place for that.
func (a *AddressQuotas) Restored(h toll.AddressHash) *State {
	s := a.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if state := s.states[h]; state != nil {
		return state
	}
	if s.gone != nil {
		return s.gone
	}
	return s.make(h)
}

// Find returns the counters of an address, nil when there are none. Where
// counters were given away it is a State that departed.
func (a *AddressQuotas) Find(h toll.AddressHash) *State {
	s := a.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if state := s.states[h]; state != nil {
		return state
	}
	return s.gone
}

// Trim forgets what was counted in periods that ended two days ago or more. A
// request that has just been given such a State finds that it departed, and asks
// for another.
func (a *AddressQuotas) Trim(now time.Time) {
	for i := range a.shards {
		s := &a.shards[i]
		s.mu.Lock()
		if s.gone == nil {
			for h, state := range s.states {
				if state.retire(now) {
					delete(s.states, h)
				}
			}
			if len(s.states) == 0 {
				s.states = nil // a map that was large never shrinks
			}
		}
		s.mu.Unlock()
	}
}

// retire is Trim, and a State of which nothing is left departs.
func (s *State) retire(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.trim(now.UnixNano()) {
		return false
	}
	s.slots = slots{more: departed}
	return true
}

// Kept is how many addresses are kept, and turned how many requests found no
// place for theirs since the start.
func (a *AddressQuotas) Kept() (kept int, turned int64) {
	for i := range a.shards {
		s := &a.shards[i]
		s.mu.Lock()
		kept += len(s.states)
		s.mu.Unlock()
	}
	return kept, a.turned.Load()
}

// AddressQuotaCounters are what quotas counted of one address, on their way.
type AddressQuotaCounters struct {
	Address  toll.AddressHash
	Counters []Carried
}

// Depart gives every address's counters away, as Addresses.Depart.
func (a *AddressQuotas) Depart() []AddressQuotaCounters {
	var all []AddressQuotaCounters
	for i := range a.shards {
		s := &a.shards[i]
		s.mu.Lock()
		if s.gone == nil {
			s.gone = new(State)
			s.gone.Depart(nil)
		}
		for h, state := range s.states {
			if counters := state.Depart(nil); len(counters) > 0 {
				all = append(all, AddressQuotaCounters{h, counters})
			}
		}
		s.mu.Unlock()
	}
	return all
}

// Stay undoes Depart, after each address's counters have arrived again.
func (a *AddressQuotas) Stay() {
	for i := range a.shards {
		s := &a.shards[i]
		s.mu.Lock()
		s.gone = nil
		for _, state := range s.states {
			state.Arrive(nil)
		}
		s.mu.Unlock()
	}
}

// Arrive sets the counters of an address, in this process's numbers. There is
// always place for them.
func (a *AddressQuotas) Arrive(c AddressQuotaCounters) {
	s := a.shard(c.Address)
	s.mu.Lock()
	state := s.states[c.Address]
	if state == nil {
		state = s.make(c.Address)
	}
	s.mu.Unlock()
	state.Arrive(c.Counters)
}

// CountsAddresses tells whether a quota per IP of the set is for calls of an
// endpoint, and whether one of these may refuse.
func (s *Set) CountsAddresses(service, endpoint string) (counts, refuses bool) {
	if s == nil || !s.addressQuotas {
		return false, false
	}
	for i := range s.rules {
		if r := &s.rules[i]; r.place == ofAddressQuota && r.covers(service, endpoint) {
			counts = true
			refuses = refuses || !r.policy.Shadow
		}
	}
	return counts, refuses
}

// AddressUses appends to dst what an admitted request counts of quotas per IP,
// where its outcome counts: what Settle then makes of them. It must be called
// before Settle.
func (a *Admission) AddressUses(dst []toll.AddressUse, units []toll.Amount) []toll.AddressUse {
	if a.settled {
		return dst
	}
	for i := range a.holds {
		if h := &a.holds[i]; h.rule.place == ofAddressQuota {
			p := h.rule.policy
			dst = appendUse(dst, toll.AddressUse{Unit: p.Unit, Service: p.Service, Endpoint: p.Endpoint, Every: p.Every, Start: periodStart(h.period)}, units)
		}
	}
	for i := range a.elsewhere {
		if l := &a.elsewhere[i]; l.Name.Kind == toll.Quota && l.Partition == toll.PerIP {
			dst = appendUse(dst, toll.AddressUse{Unit: l.Name.Unit, Service: l.Name.Service, Endpoint: l.Name.Endpoint, Every: l.Name.Every, Start: periodStart(l.Period)}, units)
		}
	}
	return dst
}

func appendUse(dst []toll.AddressUse, u toll.AddressUse, units []toll.Amount) []toll.AddressUse {
	if u.Count = settled(u.Unit, 0, true, units); u.Count == 0 {
		return dst
	}
	return append(dst, u)
}

// periodStart undoes periodNumber: the start in Unix seconds.
func periodStart(number uint32) int64 { return int64(int32(number)) * 60 }

// Forget has Results say nothing, for a request that no policy was asked about.
func (a *Admission) Forget() {
	a.Release()
	a.results = a.results[:0]
}
