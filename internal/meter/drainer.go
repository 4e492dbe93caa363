package meter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// DrainerOptions say what a Drainer drains. Root and Sink are needed.
type DrainerOptions struct {
	Root      string        // DATA/journal
	Sink      Sink          // where it all goes
	Own       *journal.Lane // the lane that this process writes; nil: none, as in a command
	Files     journal.Files // nil: journal.OS
	Clock     toll.Clock    // nil: toll.SystemClock
	Log       *slog.Logger  // trouble of the background, each once; nil: slog.Default()
	Delay     time.Duration // how long records gather before they are drained; 0: 200 ms
	BatchSize int           // most events or other entries in a batch; 0: 5,000
	Keeper    Keeper        // nil: nobody keeps a copy
}

// Drainer brings what is in the journal to the sink, exactly once, and deletes
// what is finished with. There is one per data directory: whoever holds its
// lock. It is safe for concurrent use.
//
// A lane that is being written is read up to what survives a loss of power, so
// that its cursor never stands where the lane may not reach again.
//
// A lane that another living process writes, because it is about to end and
// this one took over from it, is followed until it is closed (journal.Tail);
// nothing of it is deleted before.
//
// A lane whose process is gone is finished in this order, and a crash between
// any two steps repeats only what changes nothing: read what was not drained
// (cursor of the lane); look a second time at all that still has a file for
// what the crash left in doubt (cursor of its own, DoubtsSuffix); delete the
// segments, the oldest first; forget both cursors; remove the directory. While
// any segment is there both cursors are, so nothing is counted again.
type Drainer struct {
	o DrainerOptions

	turn    chan struct{} // DrainDead, Flush and Run drain by turns; whoever has its one place owns the following
	swept   bool
	decoder Decoder
	batch   Batch
	own     *journal.LiveReader // where the own lane is being read; nil: its cursor says
	stored  Position            // the own lane's cursor, while own is set
	foreign map[string]*foreign // lanes that another living process writes, by name

	condition condition
}

const (
	defaultDelay     = 200 * time.Millisecond
	defaultBatchSize = 5000
	rescanEvery      = 5 * time.Second // for lanes whose process has ended meanwhile
	firstBackoff     = 100 * time.Millisecond
	longestBackoff   = 5 * time.Second
)

// NewDrainer returns a Drainer. It does nothing until it is asked to.
func NewDrainer(o DrainerOptions) *Drainer {
	if o.Files == nil {
		o.Files = journal.OS
	}
	if o.Clock == nil {
		o.Clock = toll.SystemClock
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Delay <= 0 {
		o.Delay = defaultDelay
	}
	if o.BatchSize <= 0 {
		o.BatchSize = defaultBatchSize
	}
	if o.Keeper == nil {
		o.Keeper = forgetful{}
	}
	d := &Drainer{o: o, turn: make(chan struct{}, 1), foreign: map[string]*foreign{}}
	d.condition.init(o.Root, o.Clock, o.Log)
	return d
}

// OwnLane names the lane that this process writes, "" without one.
func (d *Drainer) OwnLane() string {
	if d.o.Own == nil {
		return ""
	}
	return d.o.Own.Name()
}

// Run drains the own lane, at most Delay after a record, and lanes whose
// process ends meanwhile, until ctx is over. While the sink fails it tries
// again, more and more slowly, and keeps everything. To end in order: close
// the Recorder, end Run, then call DrainDead, which finishes the closed lane.
func (d *Drainer) Run(ctx context.Context) {
	var both sync.WaitGroup
	if d.o.Own != nil {
		both.Go(func() { d.runOwn(ctx) })
	}
	both.Go(func() { d.runDead(ctx) })
	both.Go(func() { d.runForeign(ctx) })
	both.Wait()
}

func (d *Drainer) runOwn(ctx context.Context) {
	defer func() {
		d.turn <- struct{}{}
		defer d.endTurn()
		if err := d.leaveOwn(); err != nil {
			d.condition.failed(err)
		}
	}()
	var from Position
	for {
		if err := d.o.Own.Wait(ctx, from); err != nil {
			return // over, or the lane was closed: it is DrainDead's now
		}
		d.condition.waiting()
		if !sleep(ctx, d.o.Delay) {
			return
		}
		for backoff := firstBackoff; ; backoff = min(2*backoff, longestBackoff) {
			err := d.Flush(ctx)
			if err == nil {
				break
			}
			if ctx.Err() == nil {
				d.condition.failed(err)
			}
			if !sleep(ctx, backoff) || errors.Is(d.o.Own.Err(), journal.ErrClosed) {
				return
			}
		}
		from = d.condition.readUpTo()
	}
}

// runForeign drains the lanes that are followed.
func (d *Drainer) runForeign(ctx context.Context) {
	defer func() {
		d.turn <- struct{}{}
		defer d.endTurn()
		d.leaveForeign()
	}()
	for {
		if d.condition.following() == 0 { // as nearly always
			if !sleep(ctx, rescanEvery) {
				return
			}
			continue
		}
		if !sleep(ctx, d.o.Delay) {
			return
		}
		if err := d.takeTurn(ctx); err != nil {
			return
		}
		if err := d.flushForeign(ctx); err != nil && ctx.Err() == nil {
			d.condition.logStuck(err)
		}
		d.endTurn()
	}
}

func (d *Drainer) runDead(ctx context.Context) {
	for sleep(ctx, rescanEvery) {
		if err := d.DrainDead(ctx); err != nil && ctx.Err() == nil {
			d.condition.logStuck(err)
		}
	}
}

// sleep waits, and says no when ctx was over before.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// takeTurn waits for a turn; endTurn must follow when it gives no error.
func (d *Drainer) takeTurn(ctx context.Context) error {
	select {
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Drainer) endTurn() { <-d.turn }

// Flush drains the own lane, and those that are followed, to where they end
// now. Without an own lane, or when it is closed, there is nothing to do for it.
// While the sink fails it tries again until ctx is over.
func (d *Drainer) Flush(ctx context.Context) error {
	if err := d.takeTurn(ctx); err != nil {
		return err
	}
	defer d.endTurn()
	return errors.Join(d.flushOwn(ctx), d.flushForeign(ctx))
}

func (d *Drainer) flushOwn(ctx context.Context) error {
	lane := d.o.Own
	if lane == nil || errors.Is(lane.Err(), journal.ErrClosed) {
		return d.leaveOwn()
	}
	began := d.o.Clock()
	_, syncErr := lane.Sync() // what is durable by now is drained whatever it says
	if err := d.drainOwn(ctx); err != nil {
		return errors.Join(err, d.leaveOwn())
	}
	at := d.own.Position()
	d.condition.caughtUp(at, began, lane.Beyond(at) > 0)
	return errors.Join(syncErr, lane.Trim(d.o.Keeper.Kept(lane.Name(), d.stored)))
}

// drainOwn walks over the own lane from where it was left.
func (d *Drainer) drainOwn(ctx context.Context) (err error) {
	lane := d.o.Own
	damaged := func(damage *journal.Damage) {
		d.condition.damaged(lane.Name(), damage)
		if damage.Missing == 0 {
			lane.MarkDamaged(damage.At.Segment)
		}
	}
	if d.own != nil {
		d.stored, err = d.walk(ctx, lane.Name(), d.own, d.stored, d.takeEvents, damaged)
		if !errors.Is(err, ErrCursorMoved) {
			return err
		}
		if err := d.leaveOwn(); err != nil {
			return err
		}
	}
	_, d.stored, err = d.follow(ctx, lane.Name(), func(from Position) reader {
		d.own = lane.Reader(from)
		return d.own
	}, d.takeEvents, damaged)
	return err
}

func (d *Drainer) leaveOwn() error {
	if d.own == nil {
		return nil
	}
	err := d.own.Close()
	d.own = nil
	return err
}

// reader is what walk reads: a journal.Reader or a journal.LiveReader.
type reader interface {
	Next() (journal.Record, error)
	Position() Position
	Close() error
}

// taker puts a record into a batch.
type taker func(record journal.Record, b *Batch) error

// follow walks over a lane from its cursor on, and when the cursor turns out
// to have moved (a commit whose answer was lost) from where it is now. It
// returns the reader, which the caller closes, and where the cursor is.
func (d *Drainer) follow(ctx context.Context, lane string, open func(from Position) reader, take taker, damaged func(*journal.Damage)) (r reader, at Position, err error) {
	for {
		from, failed := d.cursor(ctx, lane)
		if failed != nil {
			return r, from, failed
		}
		if err != nil && from == at {
			return r, at, fmt.Errorf("the cursor of %s stands still at %v: %w", lane, at, err)
		}
		r = open(from)
		at, err = d.walk(ctx, lane, r, from, take, damaged)
		if !errors.Is(err, ErrCursorMoved) {
			return r, at, err
		}
		if err := r.Close(); err != nil {
			return r, at, err
		}
	}
}

// walk reads to the end, and stores what take makes of the records, batch by
// batch, the first from where the cursor is. It returns where the cursor is then.
func (d *Drainer) walk(ctx context.Context, lane string, r reader, from Position, take taker, damaged func(*journal.Damage)) (Position, error) {
	b := &d.batch
	b.begin(lane, from)
	taken := 0
	store := func() error {
		b.Next = r.Position()
		if err := d.store(ctx, b); err != nil {
			return err
		}
		b.begin(lane, b.Next)
		taken = 0
		return nil
	}
	for {
		record, err := r.Next()
		var damage *journal.Damage
		switch {
		case errors.Is(err, io.EOF):
			if taken > 0 {
				err = store()
				return b.From, err
			}
			return b.From, nil
		case errors.As(err, &damage):
			damaged(damage)
			continue
		case err != nil:
			return b.From, fmt.Errorf("read the journal lane %s: %w", lane, err)
		}
		taken++
		err = take(record, b)
		if errors.Is(err, errEncoding) {
			damaged(&journal.Damage{At: record.At, Bytes: record.Next.Offset - record.At.Offset, Reason: "a record does not decode"})
		} else if err != nil {
			return b.From, fmt.Errorf("read the journal lane %s at %v: %w", lane, record.At, err)
		}
		if len(b.Events)+len(b.Refusals)+len(b.Undelivered) >= d.o.BatchSize {
			if err := store(); err != nil {
				return b.From, err
			}
		}
	}
}

// begin empties the batch and keeps its room.
func (b *Batch) begin(lane string, from Position) {
	b.Lane, b.From, b.Next = lane, from, from
	b.Events, b.Refusals, b.Undelivered = b.Events[:0], b.Refusals[:0], b.Undelivered[:0]
}

// takeEvents takes what counts: events and refusals. An open record counts only
// when a crash leaves it open, which the second look tells.
func (d *Drainer) takeEvents(record journal.Record, b *Batch) error {
	switch record.Kind {
	case kindOpen:
		return nil
	case kindEvent, kindClosing:
		b.Events = append(b.Events, toll.Event{})
		if err := d.decoder.Event(record.Payload, &b.Events[len(b.Events)-1]); err != nil {
			b.Events = b.Events[:len(b.Events)-1]
			return err
		}
		return nil
	case kindRefusal:
		b.Refusals = append(b.Refusals, toll.Refusal{})
		if err := d.decoder.Refusal(record.Payload, &b.Refusals[len(b.Refusals)-1]); err != nil {
			b.Refusals = b.Refusals[:len(b.Refusals)-1]
			return err
		}
		return nil
	}
	return fmt.Errorf("%w: a record of the unknown kind %d", journal.ErrNewer, record.Kind)
}

// cursor reads a cursor, trying again until ctx is over.
func (d *Drainer) cursor(ctx context.Context, lane string) (from Position, err error) {
	err = d.insist(ctx, func() error {
		from, err = d.o.Sink.Cursor(ctx, lane)
		return err
	})
	if err != nil {
		return from, fmt.Errorf("read the cursor of %s: %w", lane, err)
	}
	return from, nil
}

// store hands a batch to the sink, trying again until ctx is over.
func (d *Drainer) store(ctx context.Context, b *Batch) error {
	if err := d.insist(ctx, func() error { return d.o.Sink.Drain(ctx, b) }); err != nil {
		return fmt.Errorf("store usage of %s from %v to %v: %w", b.Lane, b.From, b.Next, err)
	}
	d.o.Keeper.Stored(b)
	d.condition.stored(len(b.Events))
	return nil
}

// insist calls the sink until it succeeds, with longer and longer pauses. It
// gives up when ctx is over, when the cursor has moved, and when trying again
// cannot help.
func (d *Drainer) insist(ctx context.Context, call func() error) error {
	for backoff := firstBackoff; ; backoff = min(2*backoff, longestBackoff) {
		err := call()
		switch code := toll.CodeOf(err); {
		case err == nil:
			if backoff > firstBackoff {
				d.condition.succeeded()
			}
			return nil
		case errors.Is(err, ErrCursorMoved), code == toll.Conflict, code == toll.Invalid, ctx.Err() != nil:
			return err
		}
		d.condition.failed(err)
		if !sleep(ctx, backoff) {
			return errors.Join(ctx.Err(), err)
		}
	}
}
