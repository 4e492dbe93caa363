package meter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Replayed is what Replay found besides events.
type Replayed struct {
	Lanes   int  // that were read
	Missing bool // a part that was asked for is not there any more, or a lane lives
	Damages int  // stretches that could not be read
}

// Replay visits the events that lie in the lanes under root (DATA/journal), in
// each lane from a position on: what the drainer would store, without storing
// it. from says of a lane's name where to begin. An event is valid during its visit
// only. Nothing is changed; the caller holds the lock of the data directory. The
// lane own, "" for none, is left out, and so is one that another living process
// writes.
func Replay(ctx context.Context, files journal.Files, root, own string, from func(lane string) Position, visit func(e *toll.Event)) (r Replayed, err error) {
	lanes, err := journal.Lanes(files, root)
	if err != nil {
		return r, err
	}
	for _, lane := range lanes {
		if lane.Name() == own {
			continue
		}
		if err := ctx.Err(); err != nil {
			return r, err
		}
		claimed, err := journal.Claim(files, root, lane)
		switch {
		case errors.Is(err, journal.ErrLocked):
			r.Missing = true
			continue
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return r, fmt.Errorf("read the journal lane %s: %w", lane.Name(), err)
		}
		r.Lanes++
		err = r.lane(claimed.Reader(from(lane.Name())), visit)
		if err := errors.Join(err, claimed.Release()); err != nil {
			return r, fmt.Errorf("read the journal lane %s: %w", lane.Name(), err)
		}
	}
	return r, nil
}

// lane visits one lane's events.
func (r *Replayed) lane(from *journal.Reader, visit func(e *toll.Event)) (err error) {
	defer func() { err = errors.Join(err, from.Close()) }()
	var decoder Decoder
	var e toll.Event
	for {
		record, err := from.Next()
		var damage *journal.Damage
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &damage):
			if damage.Missing > 0 {
				r.Missing = true
			} else {
				r.Damages++
			}
			continue
		case err != nil:
			return err
		}
		if record.Kind != kindEvent && record.Kind != kindClosing {
			continue
		}
		e = toll.Event{Units: e.Units[:0]}
		switch err := decoder.Event(record.Payload, &e); {
		case errors.Is(err, errEncoding):
			r.Damages++
		case err != nil:
			return err
		default:
			visit(&e)
		}
	}
}
