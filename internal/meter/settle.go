package meter

import (
	"context"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Settlement is an operator's word on an event whose outcome a crash left
// unknown. It is said once.
type Settlement struct {
	Event  toll.ULID
	As     toll.Class    // toll.Chargeable or toll.NotBillable
	Units  []toll.Amount // what was used after all; what the event says of other units stays. Each once, 0 to toll.MaxCount
	By     string        // who decided
	Reason string        // why; may be ""
	At     time.Time     // when; microseconds are kept
}

// Apply gives an event as the settlement makes it.
func (s *Settlement) Apply(e toll.Event) toll.Event {
	e.Class, e.Units = s.As, slices.Clone(e.Units)
	for _, u := range s.Units {
		if i := slices.IndexFunc(e.Units, func(v toll.Amount) bool { return v.Unit == u.Unit }); i >= 0 {
			e.Units[i].Count = u.Count
		} else {
			e.Units = append(e.Units, u)
		}
	}
	return e
}

// Settled is the entry of one settlement: what was decided about what, and what
// the event said before. It is kept for ever, longer than the event.
type Settled struct {
	Settlement
	RequestID string
	Time      time.Time // of the request
	Customer  string
	Service   string
	Endpoint  string
	Before    []toll.Amount // the event's units before
	After     []toll.Amount // and since
}

// Settler is the store as settlements see it.
type Settler interface {
	// Settle carries a settlement out: the event, every rollup and the entry
	// change in one transaction, with the audit entry e, whose customer, object
	// and facts the store fills in. It returns the event as it is now. Latencies
	// stay without it: how long it took is still not known. Errors: NotFound
	// where no event is unknown by that ID; Conflict where it was recorded, or
	// settled before; Invalid for a Settlement that is none.
	Settle(ctx context.Context, s Settlement, e toll.Entry) (toll.Event, error)
	// Settlements lists the entries about requests in [from, to), by event ID.
	Settlements(ctx context.Context, from, to time.Time) ([]Settled, error)
}

// Check refuses a settlement that is none.
func (s *Settlement) Check() error {
	if s.As != toll.Chargeable && s.As != toll.NotBillable {
		return toll.FieldError("as", "A request is settled as %s or %s; got %q.", toll.Chargeable, toll.NotBillable, s.As)
	}
	for i, u := range s.Units {
		switch {
		case u.Unit == "":
			return toll.FieldError("unit", "A unit needs a name, as in words=123.")
		case u.Count < 0 || u.Count > toll.MaxCount:
			return toll.FieldError("unit", "A request can have used 0 to %d of %q; got %d.", int64(toll.MaxCount), u.Unit, u.Count)
		case slices.ContainsFunc(s.Units[:i], func(v toll.Amount) bool { return v.Unit == u.Unit }):
			return toll.FieldError("unit", "The unit %q is there twice.", u.Unit)
		}
	}
	return nil
}
