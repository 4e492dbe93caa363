package meter

import (
	"context"
	"errors"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Position is a place in a journal lane: everything before it has been taken.
type Position = journal.Position

// DoubtsSuffix makes, from the name of a lane, the name of the cursor of its
// second look. A lane whose process is gone is looked at twice: first what was
// not drained yet, under the lane's own name; then, from its first record that
// still has a file, what the crash left in doubt: Unknown events and
// Undelivered, under "<node>/<ulid>/doubts". To the sink these are two lanes
// like any others, so each is exactly once by its own cursor.
const DoubtsSuffix = "/doubts"

// Batch is what the drainer hands to the sink: all that a lane holds between
// two positions. Rows, rollups and the cursor's move are one transaction.
type Batch struct {
	Lane        string // "<node>/<ulid>", or that and DoubtsSuffix
	From        Position
	Next        Position
	Events      []toll.Event   // Class Unknown: opened, and the crash left no outcome
	Refusals    []toll.Refusal // to be added up
	Undelivered []toll.ULID    // events of this or an earlier batch that were recorded, but a crash came before Done: the client may not have the whole answer
}

// ErrCursorMoved is what Sink.Drain answers when the lane's cursor is not at
// Batch.From any more: somebody else has drained it. Nothing was written.
var ErrCursorMoved = errors.New("the journal cursor is not where this batch starts")

// Sink is the store as the drainer sees it. Every call is safe for concurrent use.
type Sink interface {
	// Cursor returns how far a lane has been drained; the zero Position for a lane never seen.
	Cursor(ctx context.Context, lane string) (Position, error)
	// Drain stores a batch and moves the cursor from From to Next in one
	// transaction: after an error nothing of it is there. An event whose ID is
	// there already is an error of the caller (a *toll.Error, Conflict), not a
	// duplicate to be skipped: the cursor alone makes it exactly once. The sink
	// keeps neither b nor its slices: the drainer fills them again.
	Drain(ctx context.Context, b *Batch) error
	// ForgetLane removes the cursor of a lane whose files are gone. Forgetting
	// a lane that is not there is no error.
	ForgetLane(ctx context.Context, lane string) error
}
