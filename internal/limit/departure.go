package limit

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// When a new process takes over from a running one, the counters go with it:
//
//	Depart ─► [Carried] ─► Arrive        (Names says what the numbers in them mean)
//
// A State that departed decides nothing any more: Admit and Settle say so, and
// whoever called them asks the process that has the counters now. The mark is
// set under the State's own mutex, so each request is counted either before it,
// and travels, or by the other process. No lock is shared for that.

// Name says what a counter counts, in words that mean the same in every
// process. It is a value on its way; its fields are those of the policies.
type Name struct {
	Kind              toll.PolicyKind
	Service, Endpoint string
	Policy, Owner     string // RateLimit
	Count, Window     int64  // RateLimit
	Unit              string // Quota
	Every             toll.Every
}

func nameOf(i identity) Name {
	return Name{
		Kind: i.kind, Service: i.service, Endpoint: i.endpoint, Policy: i.name, Owner: i.owner,
		Count: i.count, Window: i.window, Unit: i.unit, Every: i.every,
	}
}

func (n Name) identity() identity {
	return identity{
		kind: n.Kind, service: n.Service, endpoint: n.Endpoint, name: n.Policy, owner: n.Owner,
		count: n.Count, window: n.Window, unit: n.Unit, every: n.Every,
	}
}

// Names lists what the numbers in Counters of this process mean: the n-th is
// that of Carried.Name n. It grows while policies are compiled, so it is asked
// after the last Depart.
func Names() []Name {
	known.mu.Lock()
	list := known.list.Load()
	known.mu.Unlock()
	if list == nil {
		return nil
	}
	names := make([]Name, len(*list))
	for i, id := range *list {
		names[i] = nameOf(id)
	}
	return names
}

// Carried is one counter on its way.
type Carried struct {
	Name  uint32 // its place in Names of the process that it comes from
	Extra uint32
	Value int64
}

// Translate puts the Counters of another process, whose Names are given, into
// this one's numbers, in place. A number beyond the names is left out.
type Translate struct{ ids []counterID }

// NewTranslate reads another process's Names.
func NewTranslate(names []Name) Translate {
	t := Translate{ids: make([]counterID, len(names))}
	for i, n := range names {
		if i > 0 { // 0 is no counter
			t.ids[i] = known.id(n.identity())
		}
	}
	return t
}

// Counters translates in place, and returns what could be.
func (t Translate) Counters(from []Carried) []Carried {
	to := from[:0]
	for _, c := range from {
		if int(c.Name) < len(t.ids) && t.ids[c.Name] != 0 {
			c.Name = uint32(t.ids[c.Name])
			to = append(to, c)
		}
	}
	return to
}

// departed stands behind the counters of a State that has given them away.
var departed = new(slots)

func (s *State) hasDeparted() bool { return s.slots.more == departed }

// Depart appends the State's counters to dst and gives them away: from now on
// Admit refuses to decide and Settle to count (Admission.Departed), until
// Arrive. A State that departed already has none.
func (s *State) Depart(dst []Carried) []Carried {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hasDeparted() {
		return dst
	}
	for c := &s.slots; c != nil; c = c.more {
		for i := range c.here {
			if sl := &c.here[i]; sl.id != 0 {
				dst = append(dst, Carried{uint32(sl.id), sl.extra, sl.value})
			}
		}
	}
	s.slots = slots{more: departed}
	return dst
}

// Arrive sets counters, in this process's numbers, in place of what the State
// has of the same; others stay. A State that departed counts again.
func (s *State) Arrive(counters []Carried) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hasDeparted() {
		s.slots = slots{}
	}
	for _, c := range counters {
		id := counterID(c.Name)
		var sl *slot
		if known.of(id).kind == toll.Quota {
			sl = s.quota(id, c.Extra)
		} else if sl = s.find(id); sl == nil {
			sl = s.free()
		}
		*sl = slot{id: id, extra: c.Extra, value: c.Value}
	}
}

// Latest is the latest moment that was decided for, Unix ns, for Since.
func (o *Order) Latest() int64 { return o.latest.Load() }

// Since goes on from the latest moment of another process's Order.
func (o *Order) Since(latest int64) { o.latest.Store(latest) }

// Lease is what an admitted request holds in a process that is not its own.
type Lease struct {
	Partition toll.Partition
	Name      Name
	Period    uint32 // Quota: the period in which it was admitted
	Reserved  int64  // Quota: what was taken before the outcome
}

// Adjustment is what becomes of a Lease: Add is for its counter.
type Adjustment struct {
	Lease
	Add int64
	// Make has the counter made where there is none: nobody was admitted before.
	Make bool
}

// Adjust carries an Adjustment out. It tells whether it could: a State that
// departed cannot.
func (s *State) Adjust(a Adjustment) bool {
	id := known.id(a.Name.identity())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hasDeparted() {
		return false
	}
	var sl *slot
	switch {
	case a.Name.Kind != toll.Quota:
		sl = s.find(id)
	case a.Make:
		sl = s.quota(id, a.Period)
	default:
		sl = s.findQuota(id, a.Period)
	}
	if sl != nil { // else the period was forgotten
		sl.value = max(0, plus(sl.value, a.Add))
	}
	return true
}

// Adjust carries an Adjustment out where replicas share the counter: its lease
// tells the ledger.
func (s *Shared) Adjust(a Adjustment) {
	id := known.id(a.Name.identity())
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	quota := a.Name.Kind == toll.Quota
	var sl *slot
	switch {
	case !quota:
		sl = s.state.find(id)
	case a.Make:
		sl = s.state.quota(id, a.Period)
	default:
		sl = s.state.findQuota(id, a.Period)
	}
	if sl != nil {
		sl.value = max(0, plus(sl.value, a.Add))
	}
	for l := s.leases; l != nil; l = l.next {
		if l.id != id || quota && l.period != a.Period {
			continue
		}
		if quota {
			l.settled(a.Add)
		} else {
			l.wake()
		}
		return
	}
}

// Departed tells whether the last Admit decided nothing because a counter that
// it needs was given away: another process has to decide.
func (a *Admission) Departed() bool { return a.departed }

// Leases gives away what the request holds, as another process's request: it
// is Settled and Released there. The Admission holds nothing any more.
func (a *Admission) Leases() []Lease {
	var leases []Lease
	for i, h := range a.holds {
		leases = append(leases, h.held())
		a.holds[i] = hold{}
	}
	a.holds, a.settled = a.holds[:0], true
	leases = append(leases, a.elsewhere...)
	a.elsewhere = nil
	return leases
}

func (h hold) held() Lease {
	return Lease{Partition: h.rule.partition, Name: nameOf(known.of(h.rule.id)), Period: h.period, Reserved: h.reserved}
}

// Borrow makes the Admission hold what another process admitted, with what the
// policies said there.
func (a *Admission) Borrow(results []Result, leases []Lease) {
	a.Release()
	a.results = append(a.results[:0], results...)
	a.elsewhere, a.settled, a.departed = leases, false, false
}

// Owed returns what Settle and Release could not count here, and forgets it:
// adjustments for the process that has the counters.
func (a *Admission) Owed() []Adjustment {
	owed := a.owed
	a.owed = nil
	return owed
}

// settleElsewhere is Settle for leases in another process.
func (a *Admission) settleElsewhere(chargeable bool, units []toll.Amount) {
	for _, l := range a.elsewhere {
		if l.Name.Kind != toll.Quota {
			continue
		}
		reserved := l.Reserved
		if l.Name.Unit == toll.UnitRequests {
			reserved = 1 // also of a process of before costs, which says nothing of it
		}
		if add := settled(l.Name.Unit, reserved, chargeable, units); add != 0 {
			a.owed = append(a.owed, Adjustment{Lease: l, Add: add})
		}
	}
}

func (a *Admission) releaseElsewhere() {
	for _, l := range a.elsewhere {
		if l.Name.Kind == toll.ConcurrencyLimit {
			a.owed = append(a.owed, Adjustment{Lease: l, Add: -1})
		}
	}
	a.elsewhere = nil
}

// AddressCounters are one client address's, on their way.
type AddressCounters struct {
	Address  netip.Addr // of an IPv6 /64 the first; none: of those that are no address
	Seen     int64      // Unix ns
	Counters []Carried
}

// Depart gives every address's counters away. An address that comes later has a
// State that departed, until Stay.
func (a *Addresses) Depart() []AddressCounters {
	var all []AddressCounters
	for i := range a.shards {
		s := &a.shards[i]
		s.mu.Lock()
		if s.gone == nil {
			s.gone = new(State)
			s.gone.Depart(nil)
		}
		for _, k := range s.kept {
			if counters := k.state.Depart(nil); len(counters) > 0 {
				all = append(all, AddressCounters{k.subnet.address(), k.seen, counters})
			}
		}
		s.mu.Unlock()
	}
	return all
}

// Stay undoes Depart, after each address's counters have arrived again.
func (a *Addresses) Stay() {
	for i := range a.shards {
		s := &a.shards[i]
		s.mu.Lock()
		s.gone = nil
		for _, k := range s.kept {
			k.state.Arrive(nil)
		}
		s.mu.Unlock()
	}
}

// Find returns the counters of a client address, nil when it is not kept. Where
// counters were given away it is a State that departed.
func (a *Addresses) Find(addr netip.Addr) *State {
	key := subnetOf(addr)
	s := &a.shards[maphash.Comparable(a.seed, key)%addressShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.index[key]; ok {
		return s.kept[i].state
	}
	return s.gone
}

// Arrive sets the counters of an address, in this process's numbers.
func (a *Addresses) Arrive(c AddressCounters) {
	a.State(c.Address, time.Unix(0, c.Seen)).Arrive(c.Counters)
}
