package limittest

import (
	"context"
	"fmt"
	"sync"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Memory is a limit.Ledger in this process. It is safe for concurrent use.
type Memory struct {
	clock toll.Clock

	mu       sync.Mutex
	away     error
	made     int
	amounts  map[limit.Counter]*amount
	replicas map[string]int64
}

// NewMemory makes an empty ledger with a clock of its own.
func NewMemory(clock toll.Clock) *Memory {
	m := &Memory{clock: clock}
	m.Lose()
	return m
}

// Away makes every call fail with err, until it is nil again.
func (m *Memory) Away(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = err
}

// Lose forgets everything, as a server without a disk does when it starts again.
func (m *Memory) Lose() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.amounts, m.replicas = map[limit.Counter]*amount{}, map[string]int64{}
}

// Present is limit.Ledger's.
func (m *Memory) Present(_ context.Context, replica string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return 0, m.away
	}
	now := m.clock().UnixMicro()
	m.replicas[replica] = now + limit.DeadAfter.Microseconds()
	for name, dead := range m.replicas {
		if dead <= now {
			delete(m.replicas, name)
		}
	}
	return len(m.replicas), nil
}

// Exchange is limit.Ledger's.
func (m *Memory) Exchange(_ context.Context, asks []limit.Ask, grants []limit.Grant) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return m.away
	}
	now := m.clock().UnixMicro()
	for i := range asks {
		grants[i] = limit.Grant{Now: now}
		m.exchange(&asks[i], &grants[i])
	}
	return nil
}

// amount is one counter: what was used, and what is leased to whom.
type amount struct {
	generation string
	base       int64 // Quota: what was known when it was made
	news       int64 // Quota: what was reported since
	fromStore  bool  // Quota: the base came of the store, and may hold what replicas have yet to report
	flow       flow  // RateLimit
	leases     map[string]*share
}

type share struct{ used, have, dead, seq int64 }

func (m *Memory) exchange(a *limit.Ask, g *limit.Grant) {
	c := m.amounts[a.Counter]
	isNew := c == nil
	if isNew {
		if a.Kind == toll.Quota && a.Generation == "" && !a.Sure {
			g.Unseeded = true
			return
		}
		m.made++
		c = &amount{generation: fmt.Sprint("g", m.made), leases: map[string]*share{}}
		if m.amounts[a.Counter] = c; a.Generation != "" {
			c.base = a.Known
		} else {
			c.base, c.fromStore = a.Floor, true
		}
	}
	mine := c.leases[a.Replica]
	var others int64
	for replica, s := range c.leases {
		switch {
		case replica == a.Replica:
		case s.dead <= g.Now:
			delete(c.leases, replica)
		default:
			others += s.have
		}
	}
	g.Generation = c.generation
	if mine != nil && a.Seq <= mine.seq {
		g.Stale, g.Leased = true, others+mine.have
		if a.Kind == toll.Quota {
			g.Used = c.base + c.news
		}
		return
	}
	news := a.Used - a.Acked
	if mine != nil {
		news = a.Used - mine.used
	}
	var room int64
	switch a.Kind {
	case toll.Quota:
		c.report(a, news, isNew, mine != nil)
		g.Used = c.base + c.news
		room = a.Limit - g.Used
	case toll.RateLimit:
		room = c.flow.report(a, g, news, c.generation)
	case toll.ConcurrencyLimit:
		room = a.Limit
	}
	g.Granted = granted(a, room-others-a.Have)
	c.leases[a.Replica] = &share{used: a.Used, have: a.Have + g.Granted, dead: g.Now + limit.DeadAfter.Microseconds(), seq: a.Seq}
	g.Leased = others + a.Have + g.Granted
}

// report adds to a quota what a replica has used since it last told.
func (c *amount) report(a *limit.Ask, news int64, isNew, isKnown bool) {
	switch {
	case isKnown || isNew || a.Generation == c.generation:
	case a.Generation == "":
		c.base = max(c.base, a.Floor-c.news)
	case c.fromStore: // where the news may be in it already
		c.base = max(c.base, a.Known+news-c.news)
		return
	default: // lost, and made again by somebody who saw it: both have counted on since
		c.base = max(c.base, a.Known)
	}
	c.news += news
}

// granted is how much of what remains an Ask gets: what it needs, and on top
// no more than half of its part of the rest. So batches shrink as the limit
// nears, and are one at the end.
func granted(a *limit.Ask, remaining int64) int64 {
	remaining = max(0, remaining)
	need := min(a.Need, remaining)
	return need + min(a.Spare, (remaining-need)/(2*int64(max(1, a.Replicas))))
}
