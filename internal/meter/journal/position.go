package journal

import "fmt"

// Position is a place in a lane: everything before it has been taken. The zero
// Position is the start of a lane of which nothing was taken yet.
type Position struct {
	Segment uint64 // the segment's number in its lane, from 1; 0: nothing taken yet
	Offset  int64  // bytes from the start of the segment
}

// Before tells whether p comes before q in the same lane.
func (p Position) Before(q Position) bool {
	return p.Segment < q.Segment || p.Segment == q.Segment && p.Offset < q.Offset
}

// IsZero tells whether nothing was taken yet.
func (p Position) IsZero() bool { return p == Position{} }

// String returns "segment:offset".
func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Segment, p.Offset) }
