package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// UsagePeriod asks about a month; "" is the current one.
type UsagePeriod struct {
	Period   string `json:"period,omitempty"`
	Customer string `json:"customer,omitempty"`
}

// bounds returns the month [from, to).
func (p UsagePeriod) bounds(now time.Time, zone *time.Location) (from, to time.Time, err error) {
	if p.Period == "" {
		from, to = toll.Monthly.PeriodAt(now, zone)
		return from, to, nil
	}
	month, err := time.ParseInLocation("2006-01", p.Period, zone)
	if err != nil {
		return from, to, toll.FieldError("period", "--period takes a month as 2026-11; got %q", p.Period)
	}
	from, to = toll.Monthly.PeriodAt(month, zone)
	return from, to, nil
}

// UsageRow is how much a customer used of a unit.
type UsageRow struct {
	Customer string `json:"customer"`
	Name     string `json:"name"`
	Unit     string `json:"unit"`
	Count    int64  `json:"count"`
}

// UsageShown is what customers used in a period.
type UsageShown struct {
	From  time.Time  `json:"from"`
	To    time.Time  `json:"to"`
	Usage []UsageRow `json:"usage"`
}

func showUsage(ctx context.Context, r *rooms, in UsagePeriod) (UsageShown, error) {
	from, to, err := in.bounds(r.clock(), r.at.zone())
	if err != nil {
		return UsageShown{}, err
	}
	if err := r.drain(ctx, 0); err != nil {
		return UsageShown{}, err
	}
	if in.Customer != "" {
		c, err := r.office.Customer(ctx, account.System, in.Customer)
		if err != nil {
			return UsageShown{}, err
		}
		if plan, _, ok := r.plans.Plan(c.Subscription.Plan); ok && in.Period == "" { // the month that its quotas follow
			from, to = plan.PeriodAt(r.clock(), r.at.zone(), c.Subscription.Since)
		}
	}
	used, err := r.store.UsedBetween(ctx, from, to)
	if err != nil {
		return UsageShown{}, err
	}
	out := UsageShown{From: from, To: to, Usage: []UsageRow{}}
	names := map[string]string{}
	for _, u := range used {
		if in.Customer != "" && u.Customer != in.Customer {
			continue
		}
		if _, ok := names[u.Customer]; !ok {
			c, err := r.office.Customer(ctx, account.System, u.Customer)
			if err != nil && toll.CodeOf(err) != toll.NotFound {
				return out, err
			}
			names[u.Customer] = c.Name
		}
		out.Usage = append(out.Usage, UsageRow{Customer: u.Customer, Name: names[u.Customer], Unit: u.Unit, Count: u.Count})
	}
	return out, nil
}

// UsageAudited is the conservation statement of a period.
type UsageAudited struct {
	From     time.Time                     `json:"from"`
	To       time.Time                     `json:"to"`
	Order    []string                      `json:"order"` // units: requests first, then by name
	Units    map[string]meter.Conservation `json:"units"`
	Balanced bool                          `json:"balanced"`
	Doubts   int                           `json:"doubts"`
	// Undrained says what is not in the sums yet and why, "" when nothing is missing.
	Undrained string `json:"undrained,omitempty"`
	// Since is from when on single events are kept, when that is not the whole
	// period: what was received is then what the rollups say.
	Since *time.Time `json:"events_since,omitempty"`
}

// UsageAudit asks for the statement of a period.
type UsageAudit struct {
	UsagePeriod
	WaitSeconds int64 `json:"wait_seconds,omitempty"` // for the drain; 0: a few
}

// auditUsage compares what was received with what became of it. Received is
// counted from the events themselves, the parts from the rollups, so that one
// checks the other.
func auditUsage(ctx context.Context, r *rooms, in UsageAudit) (UsageAudited, error) {
	from, to, err := in.bounds(r.clock(), r.at.zone())
	if err != nil {
		return UsageAudited{}, err
	}
	if err := refuseDroppedSums(ctx, r.store, from); err != nil {
		return UsageAudited{}, err
	}
	undrained := ""
	if err := r.drain(ctx, time.Duration(in.WaitSeconds)*time.Second); err != nil {
		if toll.CodeOf(err) != toll.Unavailable {
			return UsageAudited{}, err
		}
		undrained = Say(err)
	}
	rows, err := r.store.Audit(ctx, from, to)
	if err != nil {
		return UsageAudited{}, err
	}
	included, err := includedBy(ctx, r.store)
	if err != nil {
		return UsageAudited{}, err
	}
	out := UsageAudited{From: from, To: to, Units: meter.Statement(rows, included), Balanced: true, Undrained: undrained}
	received := map[string]int64{}
	if since, gone, err := eventsGone(ctx, r.store, from); err != nil {
		return UsageAudited{}, err
	} else if gone {
		out.Since = &since
		for unit, c := range out.Units {
			received[unit] = c.Received
		}
	} else if received, err = r.store.Received(ctx, from, to); err != nil {
		return UsageAudited{}, err
	}
	for unit := range received { // also what no rollup knows of
		out.Units[unit] = out.Units[unit] //nolint:staticcheck // makes an entry where there is none
	}
	for unit, c := range out.Units {
		c.Received = received[unit]
		out.Units[unit] = c
		out.Order = append(out.Order, unit)
		out.Balanced = out.Balanced && c.Holds()
	}
	slices.SortFunc(out.Order, func(a, b string) int {
		if (a == toll.UnitRequests) != (b == toll.UnitRequests) {
			if a == toll.UnitRequests {
				return -1
			}
			return 1
		}
		if a < b {
			return -1
		}
		return 1
	})
	doubts, err := r.store.Doubts(ctx, from, to)
	if err != nil {
		return UsageAudited{}, err
	}
	out.Doubts = len(doubts)
	return out, nil
}

// includedBy returns how much of a chargeable amount the version of a plan
// includes; the rest is billed.
func includedBy(ctx context.Context, store planStore) (func(version, unit string, chargeable int64) int64, error) {
	versions, err := store.PlanVersions(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the plan versions: %w", err)
	}
	byID := make(map[string]toll.Plan, len(versions))
	for _, v := range versions {
		byID[v.ID] = v.Plan
	}
	return func(version, unit string, chargeable int64) int64 {
		plan, known := byID[version]
		if !known {
			// Usage of no plan that was ever loaded cannot be priced, so it is not billed.
			return chargeable
		}
		return billing.Included(plan, unit, chargeable)
	}, nil
}

// DoubtShown is a request that a crash left in doubt.
type DoubtShown struct {
	Kind      string    `json:"kind"` // "unknown" or "undelivered?"
	Event     string    `json:"event"`
	RequestID string    `json:"request_id"`
	Time      time.Time `json:"time"`
	Customer  string    `json:"customer"`
	Service   string    `json:"service"`
	Endpoint  string    `json:"endpoint"`
	Status    int       `json:"status"`
}

// DoubtsListed are the requests in doubt of a period.
type DoubtsListed struct {
	Doubts []DoubtShown `json:"doubts"`
}

func listDoubts(ctx context.Context, r *rooms, in UsagePeriod) (DoubtsListed, error) {
	from, to, err := in.bounds(r.clock(), r.at.zone())
	if err != nil {
		return DoubtsListed{}, err
	}
	if err := r.drain(ctx, 0); err != nil {
		return DoubtsListed{}, err
	}
	doubts, err := r.store.Doubts(ctx, from, to)
	if err != nil {
		return DoubtsListed{}, err
	}
	out := DoubtsListed{Doubts: make([]DoubtShown, len(doubts))}
	for i := range doubts {
		out.Doubts[i] = showDoubt(&doubts[i])
	}
	return out, nil
}

func showDoubt(d *meter.Doubt) DoubtShown {
	e := &d.Event
	return DoubtShown{
		Kind: d.Kind, Event: e.ID.String(), RequestID: e.RequestID, Time: e.Time,
		Customer: e.Customer, Service: e.Service, Endpoint: e.Endpoint, Status: e.Status,
	}
}
