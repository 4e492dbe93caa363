package billing

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Evidence says which events a line's usage of a day is made of, in a few bytes,
// for as long as the invoice is kept: how many, how much, the first and the last
// ID, and a digest by which any list of events can be shown to be the one, or not.
type Evidence struct {
	Month       Span   // whose usage it is; zero until it is gathered for an invoice
	Version     string // the plan version
	Unit        string
	Day         time.Time // its beginning, UTC
	Events      int64
	Count       int64 // of Unit
	First, Last toll.ULID
	Digest      [sha256.Size]byte // of each event's ID (16 bytes) and count (8, big end first), in the order of the IDs
}

// Collector makes evidence of events.
type Collector struct {
	rows map[evidenceKey]*evidenceRow
	last toll.ULID
	any  bool
}

type evidenceKey struct {
	version, unit string
	day           int64
}

type evidenceRow struct {
	Evidence
	sum hash.Hash
}

// Add counts an event in; those that are not chargeable are passed over. Events
// come in the order of their IDs, each once: one that does not is an error.
func (c *Collector) Add(e *toll.Event) error {
	if c.any && slices.Compare(e.ID[:], c.last[:]) <= 0 {
		return fmt.Errorf("event %s came after %s: evidence is made in the order of the IDs", e.ID, c.last)
	}
	c.last, c.any = e.ID, true
	if e.Class != toll.Chargeable {
		return nil
	}
	c.count(e, toll.UnitRequests, e.Requests())
	for _, u := range e.Units {
		if u.Unit != toll.UnitRequests {
			c.count(e, u.Unit, u.Count)
		}
	}
	return nil
}

func (c *Collector) count(e *toll.Event, unit string, count int64) {
	if count <= 0 {
		return
	}
	day := e.Time.UTC().Truncate(24 * time.Hour)
	key := evidenceKey{e.PlanVersion, unit, day.Unix()}
	row := c.rows[key]
	if row == nil {
		row = &evidenceRow{Evidence: Evidence{Version: e.PlanVersion, Unit: unit, Day: day, First: e.ID}, sum: sha256.New()}
		if c.rows == nil {
			c.rows = map[evidenceKey]*evidenceRow{}
		}
		c.rows[key] = row
	}
	row.Events++
	row.Count = plus(row.Count, count)
	row.Last = e.ID
	var b [24]byte
	copy(b[:], e.ID[:])
	binary.BigEndian.PutUint64(b[16:], uint64(count))
	row.sum.Write(b[:]) // never fails
}

// Evidence gives what was collected so far, by version, unit and day.
func (c *Collector) Evidence() []Evidence {
	out := make([]Evidence, 0, len(c.rows))
	for _, row := range c.rows {
		one := row.Evidence
		row.sum.Sum(one.Digest[:0])
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Evidence) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Unit, b.Unit), a.Day.Compare(b.Day))
	})
	return out
}
