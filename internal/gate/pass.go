package gate

import (
	"net/netip"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Pass is one request on its way through the gate: what Admit found, and what
// the later calls need. It is reused; after Done nothing of it may be read.
type Pass struct {
	facts
	way
	mu        sync.Mutex // Open may come from a timer
	event     toll.Event
	admission limit.Admission
}

// facts are what Admit found.
type facts struct {
	Service  *toll.Service // nil when no service takes the request
	Path     string        // what the service gets, decoded
	RawPath  string        // the same, encoded
	Prefix   string        // what was taken off the path, "" for nothing
	Endpoint string
	BadPath  error // why the path was refused
	APIToken bool  // what came as the key is a token of the management API, or begins as one

	Customer    string
	Key         string
	Plan        string
	PlanVersion string
	Features    []string // shared: not to be changed
	Mode        toll.Mode

	// Decided is the moment that its limits were decided for: its arrival, or some
	// microseconds later where a request of the same customer or address that was
	// read after it was decided before it. Zero where it did not come to its limits,
	// or another process decided.
	Decided time.Time

	Reason toll.RefusalReason // why it was refused, "" when it was not
}

// way is how far the request has come.
type way struct {
	gate      *Gate
	arrived   time.Time
	requestID string
	method    string
	client    netip.Addr
	bearer    *bearer
	plan      *plan
	months    *limit.Months
	cost      *toll.Cost // nil: one
	opened    meter.Ticket
	ticket    meter.Ticket
	isOpen    bool
	recorded  bool
}

// reset makes the pass ready for another request; what holds memory that can
// be used again stays.
func (p *Pass) reset(g *Gate, ask *Ask) {
	p.facts = facts{}
	p.way = way{gate: g, arrived: ask.Now, requestID: ask.RequestID, method: ask.Method, client: ask.Client}
	p.event = toll.Event{Units: p.event.Units[:0], PerAddress: p.event.PerAddress[:0]}
}

// refuse counts a refusal; nothing was consumed.
func (p *Pass) refuse(reason toll.RefusalReason) Decision {
	p.Reason = reason
	service, policy := "", ""
	if p.Service != nil {
		service = p.Service.Name
	}
	if reason == toll.RefusedLimit || reason == toll.RefusedUncounted {
		for i := range p.admission.Results() {
			if r := &p.admission.Results()[i]; r.Refused && r.Away == (reason == toll.RefusedUncounted) {
				policy = r.Policy.Name
				break
			}
		}
	}
	p.gate.recorder.Refuse(p.arrived, p.Customer, p.Key, service, policy, reason)
	p.gate.witness.see(p)
	return Refused
}

// limitReason is why the policies refused: one said so, or none could be asked
// that may only pass when it was.
func (p *Pass) limitReason() toll.RefusalReason {
	for i := range p.admission.Results() {
		if r := &p.admission.Results()[i]; r.Refused && !r.Away {
			return toll.RefusedLimit
		}
	}
	return toll.RefusedUncounted
}

// Limits are the policies that were looked at, with what each has left. The
// slice is valid until Done.
func (p *Pass) Limits() []limit.Result { return p.admission.Results() }

// Outcome is what is known of a request when it is recorded: this is what is billed.
type Outcome struct {
	Status   int
	Answered bool          // the service gave this answer; false: a timeout, or the gateway's own error
	Latency  time.Duration // arrival to the last byte of the upstream
	BytesIn  int64
	BytesOut int64
	Usage    []string // the Tollhouse-Usage fields of the answer, as they came
	Cached   bool     // the answer came from the cache: the service was not asked
	// Cut says that the service's answer was not read to its end, and not for the
	// service's sake: what is reserved of units that it did not name is used.
	Cut bool
	// Decided is for a delegated request that nobody settles: it counts as one
	// request, and nothing is known of its answer.
	Decided bool
	// Unsettled is for a delegated request whose settlement never came: it is
	// listed as unknown, and not billed.
	Unsettled bool
}

// ID is the identity of the request's event, also before there is one.
func (p *Pass) ID() toll.ULID {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.identify()
	return p.event.ID
}

func (p *Pass) identify() {
	if p.event.ID.IsZero() {
		p.event.ID = p.gate.ids.New(p.arrived)
	}
}

// Reserves tells whether the request holds units that its outcome has still to
// confirm: then Open must come before it is forwarded, so that a crash leaves it
// unknown.
func (p *Pass) Reserves() bool { return p.admission.Reserved() }

// Owes tells whether units for which the request reserves are not among what the
// service said so far (Tollhouse-Usage fields), and may still come. Calls
// with a test key reserve nothing.
func (p *Pass) Owes(usage []string) bool {
	reserved := p.reserve()
	if len(reserved) == 0 {
		return false
	}
	var said []toll.Amount
	for _, field := range usage {
		said, _ = AppendUsage(said, field, p.Service.Units)
	}
	for i := range reserved {
		if !named(said, reserved[i].Unit) {
			return true
		}
	}
	return false
}

// reserve is what the request reserves of units, whether a quota held it or not:
// without a quota it is a matter of the bill alone.
func (p *Pass) reserve() []toll.Amount {
	if p.cost == nil || p.Customer == "" || p.Mode == toll.Test {
		return nil
	}
	return p.cost.Reserve
}

// Open journals that the request is under way, so that a crash leaves a trace
// of it: for streams, long uploads and reserved costs. It may come from another
// goroutine than the request's own; after the first call, and after Record, it
// does nothing.
func (p *Pass) Open() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isOpen || p.recorded || p.gate == nil {
		return nil
	}
	p.isOpen = true
	p.fill(&Outcome{})
	p.event.Class = toll.Unknown
	ticket, err := p.gate.recorder.Open(&p.event)
	p.opened = ticket
	return err
}

// Record puts the event into the journal and settles the counters. When it
// returns nil, the last byte may be sent. Bad usage is refused and counted,
// and never makes a request fail. A second call does nothing.
func (p *Pass) Record(out *Outcome) (badUsage int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.recorded {
		return 0, nil
	}
	p.recorded = true
	badUsage = p.fill(out)
	p.event.Class = p.class(out)
	counts := p.event.Class == toll.Chargeable || p.event.Class == toll.TestUsage || p.event.Customer == "" && p.counts(out)
	if counts {
		if p.event.PerAddress = p.admission.AddressUses(p.event.PerAddress[:0], p.event.Units); len(p.event.PerAddress) > 0 {
			p.event.Address = p.gate.perIP.Hash(p.client)
		}
	}
	p.ticket, err = p.gate.recorder.Record(&p.event, p.opened)
	// What the journal did not take is in no rollup: a quota that kept it would
	// show and refuse by another number than the bill's.
	p.admission.Settle(err == nil && counts, p.event.Units)
	p.pay()
	return badUsage, err
}

// fill completes the event; it returns how many usage values were refused.
func (p *Pass) fill(out *Outcome) (bad int) {
	e := &p.event
	p.identify()
	e.Time, e.RequestID = p.arrived, p.requestID
	e.Customer, e.Key, e.Plan, e.PlanVersion = p.Customer, p.Key, p.Plan, p.PlanVersion
	e.Service, e.Endpoint, e.Method = p.Service.Name, p.Endpoint, p.method
	e.Status, e.Latency, e.BytesIn, e.BytesOut = out.Status, out.Latency, out.BytesIn, out.BytesOut
	e.Units = e.Units[:0]
	if p.cost != nil && (out.Answered || out.Decided) {
		e.Units = append(e.Units, p.cost.Uses...) // a report of the same unit is then one too many
	}
	for _, field := range out.Usage {
		var refused int
		e.Units, refused = AppendUsage(e.Units, field, p.Service.Units)
		bad += refused
	}
	if out.Cut && out.Answered {
		for _, a := range p.reserve() {
			if !named(e.Units, a.Unit) {
				e.Units = append(e.Units, a)
			}
		}
	}
	return bad
}

// class says what the outcome is worth for quota and bill (LIFECYCLE.md, What is counted).
func (p *Pass) class(out *Outcome) toll.Class {
	switch {
	case out.Unsettled:
		return toll.Unknown
	case p.Customer == "" || !p.counts(out):
		return toll.NotBillable
	case p.Mode == toll.Test:
		return toll.TestUsage
	}
	return toll.Chargeable
}

// counts tells whether an outcome counts for quotas, whoever called.
func (p *Pass) counts(out *Outcome) bool {
	class := out.Status / 100
	if out.Status == 101 {
		class = 2 // the service took the upgrade: one request, as any other success
	}
	switch {
	case out.Unsettled:
		return false
	case out.Decided && p.Service.Bill != [6]bool{}: // whatever the answer will be
		return true
	case !out.Answered || class < 1 || class > 5 || !p.Service.Bill[class]:
		return false
	}
	return !out.Cached || p.Service.Cache.Counts
}

// Done releases what the request held, and gives back what was never recorded.
// It is called once, whatever happened. The Receipt is for when the last byte is
// in the kernel's hands, or the client is known to have left: only then is the
// request out of doubt.
func (p *Pass) Done() Receipt {
	p.admission.Release()
	p.pay()
	p.mu.Lock()
	defer p.mu.Unlock()
	receipt := Receipt{recorder: p.gate.recorder, ticket: p.ticket}
	if !p.recorded {
		receipt.ticket = p.opened // nothing came of it: the open record must not look like a crash
	}
	p.recorded = true // a timer that comes late opens nothing any more
	return receipt
}

// Receipt outlives its Pass: it closes the request in the journal.
type Receipt struct {
	recorder Recorder
	ticket   meter.Ticket
}

// Delivered says whether the client was handed the whole answer. Without it a
// crash leaves the request in doubt.
func (r Receipt) Delivered(whole bool) {
	if r.recorder != nil {
		r.recorder.Done(r.ticket, whole)
	}
}
