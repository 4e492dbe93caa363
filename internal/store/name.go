package store

import (
	"context"
	"slices"
	"sync"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// nameCache remembers which number a name was interned as. Names are never
// removed or renumbered, so it can only miss, never be wrong.
type nameCache struct {
	mu      sync.RWMutex
	numbers map[string]int64
}

// namesKept bounds the cache: a fuller one is begun anew.
const namesKept = 200_000

// naming is what one transaction knows of names. What it learns goes into the
// cache only once the transaction has committed.
type naming struct {
	wanted  map[string]struct{}
	numbers map[string]int64
}

// of returns the number of a name that was wanted before.
func (n *naming) of(name string) int64 {
	if number, ok := n.numbers[name]; ok {
		return number
	}
	return n.numbers[mend(name)] // only what was mended is not found as it is
}

// numbers are the interned names of one event.
type numbers struct{ customer, key, plan, planVersion, service, endpoint int64 }

// ofEvents returns the numbers of every event.
func (n *naming) ofEvents(events []toll.Event) []numbers {
	all := make([]numbers, len(events))
	for i := range events {
		e := &events[i]
		all[i] = numbers{n.of(e.Customer), n.of(e.Key), n.of(e.Plan), n.of(e.PlanVersion), n.of(e.Service), n.of(e.Endpoint)}
	}
	return all
}

// begin notes names and takes from the cache what it has.
func (c *nameCache) begin(wanted map[string]struct{}) *naming {
	n := &naming{wanted: map[string]struct{}{}, numbers: make(map[string]int64, len(wanted))}
	c.mu.RLock()
	defer c.mu.RUnlock()
	for name := range wanted {
		if name == "" {
			n.numbers[""] = 0
		} else if number, ok := c.numbers[name]; ok {
			n.numbers[name] = number
		} else {
			n.wanted[name] = struct{}{}
		}
	}
	return n
}

// learned puts what a committed transaction found out into the cache.
func (c *nameCache) learned(n *naming) {
	if len(n.wanted) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.numbers == nil || len(c.numbers)+len(n.wanted) > namesKept {
		c.numbers = make(map[string]int64)
	}
	for name := range n.wanted {
		c.numbers[name] = n.numbers[name]
	}
}

// intern gives every wanted name that the cache did not know a number.
func (s *Store) intern(ctx context.Context, tx transaction, n *naming) error {
	if len(n.wanted) == 0 {
		return nil
	}
	names := make([]string, 0, len(n.wanted))
	for name := range n.wanted {
		delete(n.numbers, name) // what an attempt that was rolled back learned is void
		names = append(names, name)
	}
	slices.Sort(names) // two drainers that intern the same names must not lock each other out
	if err := s.engine.resolve(ctx, tx, names, n.numbers); err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { _, known := n.numbers[name]; return known })
	if len(names) == 0 {
		return nil
	}
	err := s.engine.run(ctx, tx, &bulk{insert: "usage_name", columns: []column{{name: "name", kind: texts, texts: names}}, conflict: `on conflict (name) do nothing`})
	if err != nil {
		return err
	}
	return s.engine.resolve(ctx, tx, names, n.numbers)
}
