package lifecycle

import (
	"fmt"
	"slices"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// State is where a request stands.
type State string

// The states of a request.
const (
	Admitted     State = "admitted"
	Opened       State = "opened"
	Recorded     State = "recorded"
	Acknowledged State = "acknowledged" // the client has the whole answer
	Finished     State = "finished"
)

// Doubt says what a crash left open about a stored event.
type Doubt string

// The doubts.
const (
	NoDoubt     Doubt = ""
	NoOutcome   Doubt = "unknown"
	Undelivered Doubt = "undelivered?"
)

// request is one request of the model.
type request struct {
	event toll.Event
	state State
	open  bool // an open record was written
}

// Stored is what the store holds in the end about a request.
type Stored struct {
	Event toll.Event
	Doubt Doubt
}

// Model plays one process after another on one journal and store: requests,
// kills and what must be stored in the end. The zero Model is a process that
// has just started with nothing stored. It belongs to one goroutine. A call out
// of order is an error of the test and panics.
type Model struct {
	live    map[toll.ULID]*request // of the process that runs
	ended   map[toll.ULID]Stored   // what earlier processes left, and what is certain of this one
	refused int64                  // refusals of all processes
	lost    int64                  // of them, those that a kill may have lost
	pending int64                  // of this process, not written yet
}

// Admit lets a request in: it reserves one request of its customer's quota.
func (m *Model) Admit(e toll.Event) {
	if m.live == nil {
		m.live, m.ended = map[toll.ULID]*request{}, map[toll.ULID]Stored{}
	}
	if _, seen := m.live[e.ID]; seen {
		panic(fmt.Sprintf("lifecycle: %s is admitted twice", e.ID))
	}
	m.live[e.ID] = &request{event: e, state: Admitted}
}

// Open writes an open record.
func (m *Model) Open(id toll.ULID) {
	r := m.at(id, Admitted)
	r.state, r.open = Opened, true
}

// Record writes the event: from now on it is stored exactly once, whatever is
// killed when. The reservation becomes what the event counts for.
func (m *Model) Record(e toll.Event) {
	r := m.at(e.ID, Admitted, Opened)
	r.event, r.state = e, Recorded
}

// LastByte hands the last byte to the client.
func (m *Model) LastByte(id toll.ULID) { m.at(id, Recorded).state = Acknowledged }

// Done ends a request.
func (m *Model) Done(id toll.ULID) {
	r := m.at(id, Recorded, Acknowledged)
	r.state = Finished
}

// Refuse refuses a request.
func (m *Model) Refuse() {
	m.refused++
	m.pending++
}

// FlushRefusals writes the refusals added up so far.
func (m *Model) FlushRefusals() { m.pending = 0 }

// Kill ends the process between two instructions, and starts another one.
func (m *Model) Kill() {
	m.lost += m.pending
	m.end()
}

// Close ends the process in order, and starts another one: only refusals are
// safe by that. What is still open is in doubt as after a kill.
func (m *Model) Close() {
	m.FlushRefusals()
	m.end()
}

func (m *Model) end() {
	for id, r := range m.live {
		switch r.state {
		case Admitted: // no event, nothing billed: the client has no whole answer
		case Opened:
			e := r.event
			e.Class = toll.Unknown
			m.ended[id] = Stored{e, NoOutcome}
		case Recorded, Acknowledged:
			m.ended[id] = Stored{r.event, Undelivered}
		case Finished:
			m.ended[id] = Stored{r.event, NoDoubt}
		}
	}
	clear(m.live)
	m.pending = 0
}

// Stored returns what is stored once everything is drained: of ended processes
// with their doubts, of the running one its recorded events without.
func (m *Model) Stored() map[toll.ULID]Stored {
	all := map[toll.ULID]Stored{}
	for id, s := range m.ended {
		all[id] = s
	}
	for id, r := range m.live {
		if r.state == Recorded || r.state == Acknowledged || r.state == Finished {
			all[id] = Stored{Event: r.event}
		}
	}
	return all
}

// Used returns what a customer has used of a unit: stored and journalled
// chargeable amounts, and for requests the reservations of those that are open.
func (m *Model) Used(customer, unit string) (used int64) {
	for _, s := range m.Stored() {
		if s.Event.Customer == customer && s.Event.Class == toll.Chargeable {
			used += amount(s.Event, unit)
		}
	}
	for _, r := range m.live {
		if (r.state == Admitted || r.state == Opened) && r.event.Customer == customer && unit == toll.UnitRequests {
			used++
		}
	}
	return used
}

func amount(e toll.Event, unit string) (n int64) {
	if unit == toll.UnitRequests {
		return 1
	}
	for _, a := range e.Units {
		if a.Unit == unit {
			n += a.Count
		}
	}
	return n
}

// Refusals returns how many refusals are stored once everything is drained, at
// least and at most: a kill may lose those that were not written yet.
func (m *Model) Refusals() (least, most int64) { return m.refused - m.lost - m.pending, m.refused }

// In returns the requests of the running process that are in one of the
// states, by ID.
func (m *Model) In(states ...State) []toll.ULID {
	var ids []toll.ULID
	for id, r := range m.live {
		if slices.Contains(states, r.state) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, toll.ULID.Compare)
	return ids
}

// at returns a request that must be in one of the states.
func (m *Model) at(id toll.ULID, states ...State) *request {
	r := m.live[id]
	if r == nil || !slices.Contains(states, r.state) {
		panic(fmt.Sprintf("lifecycle: %s is not in %v", id, states))
	}
	return r
}
