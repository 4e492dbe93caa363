package gate

import "time"

// Trim gives back the memory of counters that make no difference any more: of
// limits that are whole, of quotas whose period ended two days ago or more, and
// of addresses that were not seen lately. What a quota counts now is never
// forgotten. It is meant to be called every few minutes; requests go on beside it.
func (g *Gate) Trim(now time.Time) {
	g.addresses.Trim(now)
	g.perIP.Trim(now)
	g.customers.each(func(h *holder) {
		h.counters.Trim(now)
		h.testCounters.Trim(now)
	})
	g.changes.Lock()
	defer g.changes.Unlock()
	for _, b := range g.bearers {
		b.counters.Trim(now)
	}
}
