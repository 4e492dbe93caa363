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

// DrainDead drains every lane whose process is gone, to its end, and deletes
// it. Lanes of other living processes are drained to where they end now, and
// followed from then on. Before the first request is admitted it is called
// once, so that what is used is known. While the sink fails it tries again
// until ctx is over; a lane that cannot be read, or is of a newer format
// (journal.ErrNewer), is left as it is and told in the error after all others
// are done.
func (d *Drainer) DrainDead(ctx context.Context) error {
	if err := d.takeTurn(ctx); err != nil {
		return err
	}
	defer d.endTurn()
	if !d.swept {
		if err := journal.Sweep(d.o.Files, d.o.Root); err != nil {
			return err
		}
		d.swept = true
	}
	lanes, err := journal.Lanes(d.o.Files, d.o.Root)
	if err != nil {
		return err
	}
	var errs []error
	left := 0
	for _, lane := range lanes {
		if err := ctx.Err(); err != nil {
			errs = append(errs, err)
			left++
			continue
		}
		if d.o.Own != nil && lane.Name() == d.o.Own.Name() && !errors.Is(d.o.Own.Err(), journal.ErrClosed) {
			continue
		}
		alive, err := d.drainLane(ctx, lane)
		if err != nil {
			left++
			errs = append(errs, err)
		} else if alive && d.foreign[lane.Name()] == nil {
			d.foreign[lane.Name()] = &foreign{lane: lane}
		}
	}
	errs = append(errs, d.flushForeign(ctx))
	err = errors.Join(errs...)
	d.condition.stuck(left, err)
	return err
}

// drainLane finishes a lane whose process is gone, or tells that it lives.
func (d *Drainer) drainLane(ctx context.Context, lane journal.Found) (alive bool, err error) {
	claimed, err := journal.Claim(d.o.Files, d.o.Root, lane)
	switch {
	case errors.Is(err, journal.ErrLocked):
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err == nil:
		err = d.finish(ctx, lane.Name(), claimed)
	}
	if err != nil {
		err = fmt.Errorf("finish the journal lane %s: %w", lane.Name(), err)
	}
	return false, err
}

// finish takes a dead lane to its end, in the order that Drainer promises.
func (d *Drainer) finish(ctx context.Context, lane string, c *journal.Claimed) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Release())
		}
	}()
	doubts := lane + DoubtsSuffix
	told := func(damage *journal.Damage) { d.condition.damaged(lane, damage) }
	if err := d.look(ctx, lane, c, d.takeEvents, told); err != nil {
		return err
	}
	open, damaged, err := d.survey(c)
	if err != nil {
		return err
	}
	if err := d.look(ctx, doubts, c, d.takeDoubts(open), func(damage *journal.Damage) {
		if damage.Missing == 0 { // what was drained and done may be gone by right
			told(damage)
		}
	}); err != nil {
		return err
	}
	d.o.Keeper.Keep(ctx)
	if err := c.Discard(damaged); err != nil {
		return err
	}
	for _, name := range []string{doubts, lane} {
		if err := d.insist(ctx, func() error { return d.o.Sink.ForgetLane(ctx, name) }); err != nil {
			return fmt.Errorf("forget the cursor of %s: %w", name, err)
		}
	}
	return c.Remove()
}

// look walks over a dead lane from a cursor to its end.
func (d *Drainer) look(ctx context.Context, name string, c *journal.Claimed, take taker, damaged func(*journal.Damage)) error {
	r, _, err := d.follow(ctx, name, func(from Position) reader { return c.Reader(from) }, take, damaged)
	if r == nil {
		return err
	}
	return errors.Join(err, r.Close())
}

// survey reads all of a lane that still has a file: which records are open and
// no event followed, and in which segments something cannot be read. Both are
// found anew at each try, wherever the cursors are: a process that ends between
// its last batch and the deletion of the files must not have a damaged one
// deleted by the next.
func (d *Drainer) survey(c *journal.Claimed) (open map[toll.ULID]bool, damaged map[uint64]bool, err error) {
	open, damaged = map[toll.ULID]bool{}, map[uint64]bool{}
	r := c.Reader(Position{})
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		record, err := r.Next()
		var damage *journal.Damage
		switch {
		case errors.Is(err, io.EOF):
			return open, damaged, nil
		case errors.As(err, &damage):
			if damage.Missing == 0 {
				damaged[damage.At.Segment] = true
			}
			continue
		case err != nil:
			return nil, nil, err
		}
		var e toll.Event
		var refusal toll.Refusal
		switch record.Kind {
		case kindOpen, kindEvent, kindClosing:
			err = d.decoder.Event(record.Payload, &e)
		case kindRefusal:
			err = d.decoder.Refusal(record.Payload, &refusal)
		}
		switch {
		case err != nil:
			damaged[record.At.Segment] = true
		case record.Kind == kindOpen && record.State == journal.Recorded:
			open[e.ID] = true
		case record.Kind == kindClosing:
			delete(open, e.ID)
		}
	}
}

// takeDoubts takes what a crash left in doubt: events that nobody finished, and
// opened ones without an outcome. It walks from the lane's first record that
// still has a file: most of it was drained while the process lived.
func (d *Drainer) takeDoubts(open map[toll.ULID]bool) taker {
	return func(record journal.Record, b *Batch) error {
		if record.State != journal.Recorded {
			return nil
		}
		switch record.Kind {
		case kindOpen, kindEvent, kindClosing:
		default:
			return nil
		}
		var e toll.Event
		if err := d.decoder.Event(record.Payload, &e); err != nil {
			return err
		}
		if record.Kind != kindOpen {
			b.Undelivered = append(b.Undelivered, e.ID)
		} else if open[e.ID] {
			e.Class = toll.Unknown
			b.Events = append(b.Events, e)
		}
		return nil
	}
}
