package storetest

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// keepsAddressesNoLongerThanTheirPeriods: what quotas per IP counted goes two days
// after its period, whatever single events are kept for, and what is drained
// late goes with it.
func keepsAddressesNoLongerThanTheirPeriods(t *testing.T, s *store.Store) {
	ids := toll.NewIDs(nil)
	now := time.Now().UTC().Truncate(time.Microsecond) // the store's clock is the system's here
	today := now.Truncate(24 * time.Hour)
	uses := func(every toll.Every, start time.Time) toll.AddressUse {
		return toll.AddressUse{Unit: toll.UnitRequests, Service: "site", Every: every, Start: start.Unix(), Count: 1}
	}
	asked := func(every toll.Every, start time.Time) int {
		t.Helper()
		used, err := s.UsedOf(background, meter.UsedQuery{From: start, Unit: toll.UnitRequests, Service: "site", ByAddress: every})
		must(t, err)
		for _, u := range used {
			if u.Count != 1 || u.Customer != "" || u.Address.IsZero() {
				t.Errorf("an address used %+v", u)
			}
		}
		return len(used)
	}
	const addresses = 1201 // more than are deleted at once
	long := [...]time.Time{today.Add(-4 * days), today.AddDate(0, 0, -34)}
	late := [...]time.Time{today.Add(-2 * days), today.AddDate(0, 0, -31)}
	to := meter.Position{}
	drain := func() {
		b := &meter.Batch{Lane: "n/a", From: to, Next: meter.Position{Segment: 1, Offset: to.Offset + 8}}
		for i := range addresses {
			e := event(ids, now)
			e.Address = toll.AddressHash{byte(i), byte(i >> 8), 7}
			e.PerAddress = []toll.AddressUse{
				uses(toll.Daily, long[0]), uses(toll.Monthly, long[1]), uses(toll.Daily, late[0]), uses(toll.Monthly, late[1]), uses(toll.Daily, today),
				uses(toll.Monthly, long[0]), // a month that began four days ago is not over
			}
			b.Events = append(b.Events, e)
		}
		must(t, s.Drain(background, b))
		to = b.Next
	}
	drain()
	for range 2 {
		_, err := s.Retain(background, 90*days)
		must(t, err)
		for i, every := range []toll.Every{toll.Daily, toll.Monthly} {
			if n := asked(every, long[i]); n != 0 {
				t.Errorf("%d addresses of a %s that is long over are kept", n, every)
			}
			if n := asked(every, late[i]); n != addresses {
				t.Errorf("%d of %d addresses are kept of a %s that has just ended", n, addresses, every)
			}
		}
		if n, m := asked(toll.Daily, today), asked(toll.Monthly, long[0]); n != addresses || m != addresses {
			t.Errorf("%d and %d of %d addresses are kept of periods that run", n, m, addresses)
		}
	}
	events, err := s.Events(background, meter.EventQuery{Limit: 3})
	must(t, err)
	for _, e := range events {
		if !e.Address.IsZero() || e.PerAddress != nil {
			t.Errorf("a single event says whose address it was: %+v", e)
		}
	}
	for name, e := range map[string]toll.Event{
		"no address":    {PerAddress: []toll.AddressUse{uses(toll.Daily, today)}},
		"a negative":    {Address: toll.AddressHash{1}, PerAddress: []toll.AddressUse{{Unit: toll.UnitRequests, Every: toll.Daily, Count: -1}}},
		"no such every": {Address: toll.AddressHash{1}, PerAddress: []toll.AddressUse{{Unit: toll.UnitRequests, Every: toll.SubscriptionMonth, Count: 1}}},
	} {
		whole := event(ids, now)
		whole.Address, whole.PerAddress = e.Address, e.PerAddress
		wantCode(t, name, s.Drain(background, &meter.Batch{Lane: "n/a", From: to, Next: meter.Position{Segment: 2}, Events: []toll.Event{whole}}), toll.Invalid)
	}
}
