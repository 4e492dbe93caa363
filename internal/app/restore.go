package app

import (
	"context"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// quotaScope is what a quota counts, and over which periods.
type quotaScope struct {
	unit, service, endpoint string
	byKey                   bool
	every                   toll.Every
}

// scopesOf are the quotas among policies that count something else than a unit
// of a customer over a day or month of the calendar: those are always restored.
func scopesOf(into map[quotaScope]bool, policies []toll.Policy, byKey bool) {
	for _, p := range policies {
		if p.Kind != toll.Quota {
			continue
		}
		s := quotaScope{unit: p.Unit, service: p.Service, endpoint: p.Endpoint, byKey: byKey || p.Partition == toll.PerKey, every: p.Every}
		if s.service != "" || s.byKey || s.every == toll.SubscriptionMonth {
			into[s] = true
		}
	}
}

// restore gives quotas of a scope, or of a subscription's own months, what the
// store says was used of them now, as the start does for all others. since says
// when a customer's subscription began.
func restore(ctx context.Context, store usedReader, scopes map[quotaScope]bool, since map[string]time.Time, now time.Time, zone *time.Location, each func(gate.Restored)) error {
	for s := range scopes {
		type period struct{ from, to int64 }
		periods := map[period][2]time.Time{}
		if s.every == toll.SubscriptionMonth {
			for _, began := range since { // at most one for each day of a month
				from, to := s.every.PeriodSince(now, zone, began)
				periods[period{from.Unix(), to.Unix()}] = [2]time.Time{from, to}
			}
		} else {
			from, to := s.every.PeriodAt(now, zone)
			periods[period{}] = [2]time.Time{from, to}
		}
		for _, p := range periods {
			rows, err := store.UsedOf(ctx, meter.UsedQuery{From: p[0], To: p[1], Unit: s.unit, Service: s.service, Endpoint: s.endpoint, ByKey: s.byKey})
			if err != nil {
				return fmt.Errorf("reading what was used since %s: %w", p[0].Format(time.DateOnly), err)
			}
			for _, row := range rows {
				if row.Customer == "" {
					continue // a public service's: nobody has a quota there
				}
				if s.every == toll.SubscriptionMonth {
					if from, _ := s.every.PeriodSince(now, zone, since[row.Customer]); !from.Equal(p[0]) {
						continue // its months are others
					}
				}
				if s.byKey && row.Key == "" {
					continue
				}
				each(gate.Restored{
					Customer: row.Customer, Key: row.Key, Unit: row.Unit, Service: s.service, Endpoint: s.endpoint,
					Every: s.every, Start: p[0], Used: row.Count,
				})
			}
		}
	}
	return nil
}

// usedReader tells what was used, from the rollups.
type usedReader interface {
	UsedOf(ctx context.Context, q meter.UsedQuery) ([]meter.Used, error)
}
