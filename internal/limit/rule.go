package limit

import (
	"errors"
	"fmt"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const maxName = 64 // bytes of a policy's name: it goes into every answer

// newRule checks a policy and makes it ready; its calendar is still missing.
func newRule(owner string, p *toll.Policy) (rule, error) {
	r := rule{policy: p, kind: p.Kind, partition: p.Partition, service: p.Service, endpoint: p.Endpoint}
	if err := checkName(p.Name); err != nil {
		return r, err
	}
	if p.Partition > toll.PerIP {
		return r, fmt.Errorf("it counts per something unknown (%d)", p.Partition)
	}
	if p.Endpoint != "" && p.Service == "" {
		return r, errors.New("it names an endpoint but no service")
	}
	r.place = place(p.Partition)
	switch p.Kind {
	case toll.RateLimit:
		pace, err := newPace(p.Count, p.Window, p.Burst)
		if err != nil {
			return r, err
		}
		r.pace = pace
		r.id = known.id(identity{
			kind: toll.RateLimit, service: p.Service, endpoint: p.Endpoint,
			name: p.Name, owner: owner, count: pace.count, window: pace.window,
		})
	case toll.ConcurrencyLimit:
		if p.Count < 1 {
			return r, fmt.Errorf("it lets %d pass at the same time; it takes 1 or more", p.Count)
		}
		r.id = known.id(identity{kind: toll.ConcurrencyLimit, service: p.Service, endpoint: p.Endpoint})
	case toll.Quota:
		switch {
		case p.Count < 0:
			return r, fmt.Errorf("its limit is %d; it takes 0 or more", p.Count)
		case p.Unit == "":
			return r, errors.New("it names no unit")
		case p.Every != toll.Daily && p.Every != toll.Monthly && p.Every != toll.SubscriptionMonth:
			return r, fmt.Errorf("its period is %q; it takes day or month", p.Every)
		case p.Partition == toll.PerIP && p.Every == toll.SubscriptionMonth:
			return r, errors.New("an address has no subscription, so a quota per ip follows the calendar's months")
		}
		if r.requests = p.Unit == toll.UnitRequests; r.partition == toll.PerIP {
			r.place = ofAddressQuota
		}
		r.id = known.id(quotaIdentity(p.Unit, p.Every, p.Service, p.Endpoint))
	default:
		return r, errors.New("it is neither a rate, a quota nor a concurrency limit")
	}
	r.item, r.nameLen = policyItem(p), len(appendString(nil, p.Name))
	return r, nil
}

func quotaIdentity(unit string, every toll.Every, service, endpoint string) identity {
	return identity{kind: toll.Quota, unit: unit, every: every, service: service, endpoint: endpoint}
}

// checkName holds names to what a structured field's String can carry
// (RFC 9651 §3.3.3), for clients read them there.
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("its name has %d bytes; it takes 1 to %d", len(name), maxName)
	}
	for i := 0; i < len(name); i++ {
		if name[i] < 0x20 || name[i] > 0x7e {
			return errors.New("its name holds a character that is not printable ASCII")
		}
	}
	return nil
}
