package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// nameCache remembers which number a name was interned as. Names are never
// removed or renumbered, so it can only miss, never be wrong.
type nameCache struct {
	mu      sync.RWMutex
	numbers map[string]int64
	names   map[int64]string // of those that were asked for by their number
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

// namesOf returns the names of numbers; one that is not interned is missing.
func (s *Store) namesOf(ctx context.Context, numbers []int64) (map[int64]string, error) {
	found := make(map[int64]string, len(numbers))
	var unknown []int64
	s.names.mu.RLock()
	for _, number := range numbers {
		if _, twice := found[number]; twice {
			continue
		}
		name, known := s.names.names[number]
		if found[number] = name; !known && number != 0 {
			unknown = append(unknown, number)
		}
	}
	s.names.mu.RUnlock()
	for part := range slices.Chunk(unknown, 1000) {
		if err := s.lookUp(ctx, part, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// lookUp puts the names of numbers into found and into the cache.
func (s *Store) lookUp(ctx context.Context, numbers []int64, found map[int64]string) error {
	list := make([]string, len(numbers))
	for i, number := range numbers {
		list[i] = strconv.FormatInt(number, 10)
	}
	type named struct {
		number int64
		name   string
	}
	all, err := collect(ctx, s.reader, func(r row) (n named, err error) {
		err = r.Scan(&n.number, &n.name)
		return n, err
	}, `select id, name from usage_name where id in (`+strings.Join(list, ", ")+`)`)
	if err != nil {
		return err
	}
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	if s.names.names == nil || len(s.names.names)+len(all) > namesKept {
		s.names.names = make(map[int64]string)
	}
	for _, n := range all {
		found[n.number], s.names.names[n.number] = n.name, n.name
	}
	return nil
}
