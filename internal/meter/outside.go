package meter

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Sent is a usage event as somebody outside tells it.
type Sent struct {
	Index  int    // in its batch, from 0
	Source string // with ID its identity, which counts once for ever
	ID     string
	Type   string
	// Customer is who used it.
	Customer string
	Time     time.Time // when it was used; zero: when it arrives
	Units    []toll.Amount
}

// Outside is a usage event from outside, ready to be stored.
type Outside struct {
	Index      int // in its batch
	Source, ID string
	Content    [32]byte // of what was said: the same identity with another is a mistake
	Event      toll.Event
}

// Fate is what came of an event from outside.
type Fate uint8

// The fates of an event from outside.
const (
	NotTaken Fate = iota // nothing of the batch was
	Stored               // stored now, durably
	Repeated             // it was stored before, with the same content
	Differs              // its identity was used before, for another content
)

// Intake is the store as events from outside see it.
type Intake interface {
	// TakeOutside stores events, their rollups and their identities in one
	// transaction, and says what came of each. Where one Differs and partial is
	// false, nothing is stored and all others are NotTaken. What comes a second
	// time, in the same batch or at the same time from elsewhere, is Repeated.
	TakeOutside(ctx context.Context, events []Outside, partial bool) ([]Fate, error)
}

// Counters are the gate's, as events from outside see them.
type Counters interface {
	// PlanOf returns the plan that a customer is on and the version that prices
	// what it uses now; version is "" when nothing does.
	PlanOf(customer string) (plan, version string, known bool)
	PrepareOutside(ctx context.Context, customer string, now time.Time)
	CountOutside(customer string, now, at time.Time, units []toll.Amount)
}

// OutsideOptions are what TakeIn needs. All but the clock and IDs are needed.
type OutsideOptions struct {
	Intake   Intake
	Counters Counters
	Units    func() []string // every unit that there is, beside UnitRequests
	Clock    toll.Clock      // nil: toll.SystemClock
	IDs      *toll.IDs       // nil: toll.NewIDs(nil)
}

// Door takes usage events in from outside. It is safe for concurrent use.
//
//	Sent ─► Check ─► Outside ─► Take: Intake (one transaction), then Counters
type Door struct{ o OutsideOptions }

// NewDoor opens a Door.
func NewDoor(o OutsideOptions) *Door {
	if o.Clock == nil {
		o.Clock = toll.SystemClock
	}
	if o.IDs == nil {
		o.IDs = toll.NewIDs(nil)
	}
	return &Door{o}
}

// What events from outside may be.
const (
	MaxAhead       = 5 * time.Minute      // of our clock
	MaxLate        = 400 * 24 * time.Hour // a year, and time to notice
	MaxIdentity    = 256                  // bytes of Source and of ID
	MaxOutsideType = 100                  // bytes of Type
)

// Flaw is what is wrong with one event.
type Flaw struct {
	Index   int
	Field   string // "subject", "time", "data.words"
	Message string // a whole sentence
}

// Check prepares events to be taken, and says what is wrong with the others,
// one Flaw for each.
func (d *Door) Check(sent []Sent) (ready []Outside, flaws []Flaw) {
	now := d.o.Clock()
	units := map[string]bool{toll.UnitRequests: true}
	for _, u := range d.o.Units() {
		units[u] = true
	}
	type standing struct {
		plan, version string
		known         bool
	}
	customers := map[string]standing{}
	ready = make([]Outside, 0, len(sent))
	for i := range sent {
		s := &sent[i]
		flaw := func(field, message string, args ...any) {
			flaws = append(flaws, Flaw{s.Index, field, fmt.Sprintf(message, args...)})
		}
		if field, message := s.form(); field != "" {
			flaw(field, "%s", message)
			continue
		}
		who, looked := customers[s.Customer]
		if !looked {
			who.plan, who.version, who.known = d.o.Counters.PlanOf(s.Customer)
			customers[s.Customer] = who
		}
		unknown := slices.IndexFunc(s.Units, func(u toll.Amount) bool { return !units[u.Unit] })
		at := s.Time
		if at.IsZero() {
			at = now
		}
		switch {
		case !who.known:
			flaw("subject", "There is no customer %s. The subject is a customer's ID, such as cus_01J….", brief(s.Customer))
		case who.version == "":
			flaw("subject", "The customer is on the plan %q, which the configuration does not have: nothing prices what it uses.", who.plan)
		case unknown >= 0:
			flaw("data."+brief(s.Units[unknown].Unit), "There is no unit %q: no service counts it, and no plan names it. There are: %s.", brief(s.Units[unknown].Unit), d.unitNames())
		case at.Sub(now) > MaxAhead:
			flaw("time", "%s is in the future; an event may be %s ahead of our clock, which shows %s.", at.Format(time.RFC3339), MaxAhead, now.UTC().Format(time.RFC3339))
		case now.Sub(at) > MaxLate:
			flaw("time", "%s is too long ago; an event may be %d days late.", at.Format(time.RFC3339), MaxLate/(24*time.Hour))
		default:
			ready = append(ready, Outside{
				Index: s.Index, Source: s.Source, ID: s.ID, Content: s.content(),
				Event: toll.Event{
					ID: d.o.IDs.New(now), Time: at.UTC().Truncate(time.Microsecond), RequestID: s.ID,
					Customer: s.Customer, Plan: who.plan, PlanVersion: who.version,
					Service: toll.OutsideService, Endpoint: s.Type, Status: 200, Class: toll.Chargeable, Units: s.amounts(),
				},
			})
		}
	}
	return ready, flaws
}

// Taken is what came of a batch.
type Taken struct {
	Counted  int
	Repeated int
	Differs  []Outside // whose identity was used before for another content
}

// Take stores events that were checked: durably, when it returns without an
// error, and counted in the quotas from then on. Where one of them Differs and
// partial is false, nothing is taken. Errors: Unavailable, when the store is away.
func (d *Door) Take(ctx context.Context, events []Outside, partial bool) (Taken, error) {
	var taken Taken
	now := d.o.Clock()
	asked := map[string]bool{}
	for i := range events {
		if c := events[i].Event.Customer; !asked[c] {
			asked[c] = true
			d.o.Counters.PrepareOutside(ctx, c, now)
		}
	}
	fates, err := d.o.Intake.TakeOutside(ctx, events, partial)
	if err != nil {
		return taken, fmt.Errorf("take usage events in from outside: %w", err)
	}
	for i, fate := range fates {
		switch e := &events[i].Event; fate {
		case Stored:
			taken.Counted++
			d.o.Counters.CountOutside(e.Customer, now, e.Time, e.Units)
		case Repeated:
			taken.Repeated++
		case Differs:
			taken.Differs = append(taken.Differs, events[i])
		}
	}
	return taken, nil
}

// form says what is wrong with an event as it stands, whatever there is.
func (s *Sent) form() (field, message string) {
	for _, text := range []struct {
		field, text string
		most        int
	}{{"source", s.Source, MaxIdentity}, {"id", s.ID, MaxIdentity}, {"type", s.Type, MaxOutsideType}, {"subject", s.Customer, MaxIdentity}} {
		switch {
		case text.text == "":
			return text.field, "Every event needs a " + text.field + "."
		case len(text.text) > text.most:
			return text.field, fmt.Sprintf("It has %d bytes; it may have %d.", len(text.text), text.most)
		case strings.ContainsFunc(text.text, unprintable):
			return text.field, "It holds a control character, or one that could not be read."
		}
	}
	if len(s.Units) == 0 {
		return "data", `It counts nothing: data names units and how much of each, as in {"words": 123}.`
	}
	for i, u := range s.Units {
		switch {
		case u.Count < 0 || u.Count > toll.MaxCount:
			return "data." + brief(u.Unit), fmt.Sprintf("It takes a whole number from 0 to %d.", int64(toll.MaxCount))
		case slices.ContainsFunc(s.Units[:i], func(v toll.Amount) bool { return v.Unit == u.Unit }):
			return "data." + brief(u.Unit), "It is there twice."
		}
	}
	return "", ""
}

// unprintable tells the characters that CloudEvents keeps out of its strings
// (§3.1.1: controls, and what is no character).
func unprintable(r rune) bool {
	return r < 0x20 || r >= 0x7f && r <= 0x9f || r == '\uFFFD' || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef
}

// content is the fingerprint of what an event says: the same however it is
// written. What it does not say is not in it, so that a time that is left out
// stays the same when the event is sent again.
func (s *Sent) content() [32]byte {
	units := slices.Clone(s.Units)
	slices.SortFunc(units, func(a, b toll.Amount) int { return strings.Compare(a.Unit, b.Unit) })
	var b []byte
	text := func(t string) { b = append(binary.AppendUvarint(b, uint64(len(t))), t...) }
	text(s.Type)
	text(s.Customer)
	if s.Time.IsZero() {
		b = append(b, 0)
	} else {
		b = binary.BigEndian.AppendUint64(append(b, 1), uint64(s.Time.UnixMicro()))
	}
	for _, u := range units {
		text(u.Unit)
		b = binary.BigEndian.AppendUint64(b, uint64(u.Count))
	}
	return sha256.Sum256(b)
}

// amounts are the event's units, which say how many requests it is: none where
// it does not.
func (s *Sent) amounts() []toll.Amount {
	units := slices.Clone(s.Units)
	if !slices.ContainsFunc(units, func(u toll.Amount) bool { return u.Unit == toll.UnitRequests }) {
		units = append(units, toll.Amount{Unit: toll.UnitRequests})
	}
	return units
}

func (d *Door) unitNames() string {
	names := append([]string{toll.UnitRequests}, d.o.Units()...)
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// brief keeps somebody's long input out of messages.
func brief(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
