package store

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// What quotas per IP counted: one row for each address, quota and period. It is
// the one place in the database where anything of an address stands, by its hash
// alone, and only as long as somebody may still count by it.

// addressesKept is how long after the start of its period a row is kept: the
// period, and as long as the gate remembers one that is over, for what is
// drained late.
var addressesKept = map[toll.Every]time.Duration{
	toll.Daily:   (25 + 48) * time.Hour,
	toll.Monthly: (31*24 + 1 + 48) * time.Hour,
}

// addressCounter is one row's identity.
type addressCounter struct {
	period                  int64 // its start, Unix microseconds
	every                   toll.Every
	unit, service, endpoint int64
	address                 toll.AddressHash
}

// addressRows add up what a batch counts of quotas per IP, in one order, so that
// two drainers do not lock each other out.
func addressRows(events []toll.Event, names *naming) *bulk {
	sums := map[addressCounter]int64{}
	for i := range events {
		e := &events[i]
		for k := range e.PerAddress {
			u := &e.PerAddress[k]
			sums[addressCounter{
				period: time.Unix(u.Start, 0).UnixMicro(), every: u.Every,
				unit: names.of(u.Unit), service: names.of(u.Service), endpoint: names.of(u.Endpoint), address: e.Address,
			}] += u.Count
		}
	}
	b := &bulk{insert: "address_quota", columns: []column{
		{name: "period"}, {name: "every", kind: texts}, {name: "unit", kind: integers}, {name: "service", kind: integers},
		{name: "endpoint", kind: integers}, {name: "address", kind: blobs}, {name: "used"},
	}, conflict: `on conflict (period, every, unit, service, endpoint, address) do update set used = address_quota.used + excluded.used`}
	c := b.columns
	for _, k := range slices.SortedFunc(maps.Keys(sums), compareAddressCounters) {
		c[0].ints = append(c[0].ints, k.period)
		c[1].texts = append(c[1].texts, string(k.every))
		c[2].ints = append(c[2].ints, k.unit)
		c[3].ints = append(c[3].ints, k.service)
		c[4].ints = append(c[4].ints, k.endpoint)
		c[5].blobs = append(c[5].blobs, k.address[:])
		c[6].ints = append(c[6].ints, sums[k])
	}
	return b
}

func compareAddressCounters(a, b addressCounter) int {
	return cmp.Or(cmp.Compare(a.period, b.period), cmp.Compare(a.every, b.every), cmp.Compare(a.unit, b.unit),
		cmp.Compare(a.service, b.service), cmp.Compare(a.endpoint, b.endpoint), bytes.Compare(a.address[:], b.address[:]))
}

// usedByAddress is usedOf for what addresses used of one quota per IP.
func usedByAddress(ctx context.Context, db queryer, q meter.UsedQuery) ([]meter.Used, error) {
	if !storable(q.Unit + q.Service + q.Endpoint) {
		return nil, nil
	}
	return collect(ctx, db, func(r row) (meter.Used, error) {
		u := meter.Used{Unit: q.Unit}
		var address []byte
		err := r.Scan(&address, &u.Count)
		copy(u.Address[:], address)
		return u, err
	}, `select a.address, a.used from address_quota a
		join usage_name u on u.id = a.unit join usage_name s on s.id = a.service join usage_name e on e.id = a.endpoint
		where a.period = $1 and a.every = $2 and u.name = $3 and s.name = $4 and e.name = $5 and a.used <> 0
		order by a.address`, q.From.UnixMicro(), string(q.ByAddress), q.Unit, q.Service, q.Endpoint)
}

// forgetAddresses deletes what was counted in periods that are over for two days,
// a few rows at a time, so that drains have their turn.
func (s *Store) forgetAddresses(ctx context.Context, now time.Time) error {
	const key = `period, every, unit, service, endpoint, address`
	query := `delete from address_quota where (` + key + `) in (select ` + key + ` from address_quota where every = $1 and period < $2 limit ` + strconv.Itoa(deletedAtOnce) + `)` //nolint:gosec // G202: the key is ours
	for every, kept := range addressesKept {
		for {
			began := time.Now()
			result, err := s.writer.ExecContext(ctx, query, string(every), now.Add(-kept).UnixMicro())
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			if n < deletedAtOnce {
				break
			}
			rest := time.NewTimer(time.Since(began))
			select {
			case <-ctx.Done():
				rest.Stop()
				return ctx.Err()
			case <-rest.C:
			}
		}
	}
	return nil
}
