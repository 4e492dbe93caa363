package meter

import (
	"context"
	"errors"
	"fmt"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
)

// foreign is a lane that another living process writes.
type foreign struct {
	lane   journal.Found
	tail   *journal.Tail // nil: the lane's cursor says where to go on
	stored Position      // the lane's cursor, while tail is set
}

// flushForeign drains the lanes that are followed to where they end now, and
// finishes those whose process has ended. The caller has the turn.
func (d *Drainer) flushForeign(ctx context.Context) error {
	var errs []error
	for name, f := range d.foreign {
		// First, so that what it wrote before its end is not missed.
		alive, err := d.drainLane(ctx, f.lane)
		switch {
		case err != nil:
		case !alive:
			err = f.leave()
			delete(d.foreign, name)
		default:
			if err = d.drainForeign(ctx, f); err != nil {
				err = errors.Join(fmt.Errorf("follow the journal lane %s: %w", name, err), f.leave())
			}
		}
		errs = append(errs, err)
	}
	d.condition.follow(len(d.foreign))
	return errors.Join(errs...)
}

// drainForeign walks over a followed lane from where it was left.
func (d *Drainer) drainForeign(ctx context.Context, f *foreign) (err error) {
	name := f.lane.Name()
	damaged := func(damage *journal.Damage) { d.condition.damaged(name, damage) }
	if f.tail != nil {
		f.stored, err = d.walk(ctx, name, f.tail, f.stored, d.takeEvents, damaged)
		if !errors.Is(err, ErrCursorMoved) {
			return err
		}
		if err := f.leave(); err != nil {
			return err
		}
	}
	_, f.stored, err = d.follow(ctx, name, func(from Position) reader {
		f.tail = journal.Follow(d.o.Files, d.o.Root, f.lane, from)
		return f.tail
	}, d.takeEvents, damaged)
	return err
}

func (f *foreign) leave() error {
	if f.tail == nil {
		return nil
	}
	err := f.tail.Close()
	f.tail = nil
	return err
}

// leaveForeign forgets where lanes were being read.
func (d *Drainer) leaveForeign() {
	for _, f := range d.foreign {
		if err := f.leave(); err != nil {
			d.condition.failed(err)
		}
	}
}
