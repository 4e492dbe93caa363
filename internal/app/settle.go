package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// UsageSettle is what an operator decides about a request whose outcome a crash
// left unknown.
type UsageSettle struct {
	Request string           `json:"request"` // its request ID, or the ID of its event
	As      string           `json:"as"`      // "billed" or "free"
	Units   map[string]int64 `json:"units,omitempty"`
	Reason  string           `json:"reason,omitempty"`
	By      string           `json:"by,omitempty"` // whoever runs the command
}

// maxReason bounds why something was settled, in bytes.
const maxReason = 1000

// UsageSettled is a request as it was settled.
type UsageSettled struct {
	Event     string           `json:"event"`
	RequestID string           `json:"request_id"`
	Time      time.Time        `json:"time"`
	Customer  string           `json:"customer"`
	Service   string           `json:"service"`
	Endpoint  string           `json:"endpoint"`
	As        string           `json:"as"`
	Units     map[string]int64 `json:"units"` // with "requests"
	By        string           `json:"by,omitempty"`
	Reason    string           `json:"reason,omitempty"`
	At        time.Time        `json:"at"`
}

// settledAs are the classes of what operators say.
var settledAs = map[string]toll.Class{"billed": toll.Chargeable, "free": toll.NotBillable}

// lateCounters are the gate's, as settlements see them.
type lateCounters interface {
	PrepareSettled(ctx context.Context, e *toll.Event, now time.Time)
	CountSettled(e *toll.Event, now time.Time)
}

func settleUsage(ctx context.Context, r *rooms, in UsageSettle) (UsageSettled, error) {
	as, ok := settledAs[in.As]
	switch {
	case !ok:
		return UsageSettled{}, toll.FieldError("as", "--as takes billed or free; got %q", in.As)
	case len(in.Reason) > maxReason:
		return UsageSettled{}, toll.FieldError("reason", "the reason has %d bytes; it may have %d", len(in.Reason), maxReason)
	}
	if err := r.drain(ctx, 0); err != nil {
		return UsageSettled{}, err
	}
	e, err := unknownEvent(ctx, r, in.Request)
	if err != nil {
		return UsageSettled{}, err
	}
	if as == toll.Chargeable {
		if err := r.mayBeBilled(ctx, &e); err != nil {
			return UsageSettled{}, err
		}
	}
	now := r.clock()
	s := meter.Settlement{Event: e.ID, As: as, By: in.By, Reason: in.Reason, At: now.UTC().Truncate(time.Microsecond)}
	for unit, n := range in.Units {
		s.Units = append(s.Units, toll.Amount{Unit: unit, Count: n})
	}
	slices.SortFunc(s.Units, func(a, b toll.Amount) int { return strings.Compare(a.Unit, b.Unit) })
	if err := r.haveUnits(&e, s.Units); err != nil {
		return UsageSettled{}, err
	}
	if r.late != nil && as == toll.Chargeable {
		r.late.PrepareSettled(ctx, &e, now)
	}
	after, err := r.store.Settle(ctx, s, account.NewEntry(ctx, account.System, account.SettledUsage, e.Customer, e.ID.String(), now, nil, nil))
	r.outside() // also after an error: it may be stored all the same
	if err != nil {
		return UsageSettled{}, err
	}
	if r.late != nil && as == toll.Chargeable {
		r.late.CountSettled(&after, now)
	}
	return showSettled(&after, &s), nil
}

func showSettled(e *toll.Event, s *meter.Settlement) UsageSettled {
	return UsageSettled{
		Event: e.ID.String(), RequestID: e.RequestID, Time: e.Time, Customer: e.Customer, Service: e.Service, Endpoint: e.Endpoint,
		As: saidAs(s.As), Units: unitsOf(e), By: s.By, Reason: s.Reason, At: s.At,
	}
}

func saidAs(class toll.Class) string {
	for said, c := range settledAs {
		if c == class {
			return said
		}
	}
	return string(class)
}

// unitsOf are an event's amounts by unit, with its requests.
func unitsOf(e *toll.Event) map[string]int64 {
	units := map[string]int64{toll.UnitRequests: e.Requests()}
	for _, u := range e.Units {
		units[u.Unit] = u.Count
	}
	return units
}

// unknownEvent finds the event that is meant. What was settled already is found
// too: the store then says when and how.
func unknownEvent(ctx context.Context, r *rooms, named string) (toll.Event, error) {
	events, err := r.store.EventsNamed(ctx, named)
	if err != nil {
		return toll.Event{}, err
	}
	if len(events) == 0 {
		return toll.Event{}, toll.Errorf(toll.NotFound, "there is no request or event %q; `tollhouse usage unknown` lists what can be settled", named)
	}
	if len(events) > 1 { // somebody may give many requests one ID, and an event ID is somebody's request ID
		open := slices.DeleteFunc(slices.Clone(events), func(e toll.Event) bool { return e.Class != toll.Unknown })
		switch len(open) {
		case 0:
		case 1:
			events = open
		default:
			ids := make([]string, len(open))
			for i := range open {
				ids[i] = open[i].ID.String()
			}
			return toll.Event{}, toll.Errorf(toll.Conflict, "%d requests that are unknown have the ID %q; name the event: %s", len(open), named, strings.Join(ids, ", "))
		}
	}
	return events[0], nil
}

// mayBeBilled says why an unknown request cannot be settled as billed.
func (r *rooms) mayBeBilled(ctx context.Context, e *toll.Event) error {
	if e.Class != toll.Unknown {
		return nil // the store says what it is
	}
	if e.Customer == "" {
		return toll.Errorf(toll.Conflict, "the request %s was nobody's: the service %s is public, and there is no customer to bill; settle it --as free", e.RequestID, e.Service)
	}
	if e.Key == "" {
		return nil
	}
	key, err := r.store.Key(ctx, e.Key)
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return nil
	case err != nil:
		return fmt.Errorf("reading the key of the request: %w", err)
	case key.Mode == toll.Test:
		return toll.Errorf(toll.Conflict, "the request %s was made with a test key, which is never billed; settle it --as free", e.RequestID)
	}
	return nil
}

// haveUnits refuses units that nothing counts: a typing error on a bill.
func (r *rooms) haveUnits(e *toll.Event, units []toll.Amount) error {
	known := []string{toll.UnitRequests}
	for _, u := range e.Units {
		known = append(known, u.Unit)
	}
	known = append(known, r.units()...)
	slices.Sort(known)
	known = slices.Compact(known)
	for _, u := range units {
		if !slices.Contains(known, u.Unit) {
			return toll.FieldError("unit", "there is no unit %q: no service reports it, and no plan names it; there are: %s", u.Unit, strings.Join(known, ", "))
		}
	}
	return nil
}

// UsageUnknown asks for the requests of a month whose outcome a crash left unknown.
type UsageUnknown struct {
	UsagePeriod
	Settled bool `json:"settled,omitempty"` // those that were settled, and how, instead
}

// UnknownShown is a request whose outcome is unknown.
type UnknownShown struct {
	DoubtShown
	Units map[string]int64 `json:"units"` // what the gateway knew when it came, with "requests"
}

// UnknownListed are the requests of a month that are unknown, or were settled.
type UnknownListed struct {
	Unknown []UnknownShown `json:"unknown"`
	Settled []UsageSettled `json:"settled"`
}

func listUnknown(ctx context.Context, r *rooms, in UsageUnknown) (UnknownListed, error) {
	out := UnknownListed{Unknown: []UnknownShown{}, Settled: []UsageSettled{}}
	from, to, err := in.bounds(r.clock(), r.at.zone())
	if err != nil {
		return out, err
	}
	if err := r.drain(ctx, 0); err != nil {
		return out, err
	}
	if in.Settled {
		entries, err := r.store.Settlements(ctx, from, to)
		if err != nil {
			return out, err
		}
		for _, s := range entries {
			e := toll.Event{ID: s.Event, RequestID: s.RequestID, Time: s.Time, Customer: s.Customer, Service: s.Service, Endpoint: s.Endpoint, Units: s.After}
			out.Settled = append(out.Settled, showSettled(&e, &s.Settlement))
		}
		return out, nil
	}
	doubts, err := r.store.Doubts(ctx, from, to)
	if err != nil {
		return out, err
	}
	for _, d := range doubts {
		if d.Kind == meter.DoubtUnknown {
			out.Unknown = append(out.Unknown, UnknownShown{DoubtShown: showDoubt(&d), Units: unitsOf(&d.Event)})
		}
	}
	return out, nil
}
