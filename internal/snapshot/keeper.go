package snapshot

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Source is the store as the Keeper reads it.
type Source interface {
	EachCustomer(ctx context.Context, fn func(toll.Customer) error) error
	EachKey(ctx context.Context, fn func(toll.Key) error) error
	Counted(ctx context.Context, queries []meter.UsedQuery) (meter.Counted, error)
}

// Options say what a Keeper keeps. Path, Source and Quotas are needed.
type Options struct {
	Path    string        // of the file
	Journal string        // DATA/journal: lanes that have no directory there are forgotten
	Source  Source        // the store
	Whose   Identity      //
	Quotas  *meter.Quotas // of the services and plans; the Keeper's from now on, which adds those of customers and keys
	Program string        // this program's version
	Clock   toll.Clock    // nil: toll.SystemClock
	Log     *slog.Logger  // nil: nowhere
}

const (
	soon      = time.Second      // after a change of a customer or key
	later     = 5 * time.Second  // after usage was stored
	atLeast   = 10 * time.Minute // without any change
	tryAgain  = 10 * time.Second // after a write that failed
	share     = 20               // after usage was stored, a write that took t is not followed by another for share*t,
	urgent    = 2                // after a change of a customer or key for urgent*t,
	mostPause = time.Minute      // and for this at most
	mostHeld  = 64               // segments that are held in the journal for writes that fail
)

// Keeper keeps the snapshot up to date. It is safe for concurrent use, and a
// meter.Keeper: what the file does not have stays in the journal.
//
// Most writes are made of the file that is there and of what changed since,
// which are few rows; all is read from the store only when there is no file to
// begin with, when a batch that the store has was not heard of, and now and then,
// for what other replicas used. Where that fails, what is here is written.
type Keeper struct {
	o       Options
	writing sync.Mutex // one write at a time

	mu        sync.Mutex
	exists    bool                         // a file is in place
	whole     bool                         // the file and what follows are what the store has
	kept      map[string]meter.Position    // the cursors in the file
	readAt    time.Time                    // when all was read from the store
	cursors   map[string]meter.Position    // with what changed since
	customers map[string]toll.Customer     // changed since
	keys      map[string]toll.Key          // changed since
	used      map[meter.QuotaCounter]int64 // added since
	quotas    *meter.Quotas
	stale     bool // the store has more than that, or counts it otherwise: it is to be asked
	pending   bool // something changed since
	changed   bool // a customer or key did
	amending  bool // what changed before is being written

	status  atomic.Pointer[Status] // replaced whole
	urgent  chan struct{}          // a customer or key has changed
	counted chan struct{}          // usage was stored
}

// Status is how the snapshot is, for pages and metrics.
type Status struct {
	WrittenAt time.Time // zero: there is none
	Size      int64     // bytes
	Took      time.Duration
	Err       error // why the last write failed, nil when it did not
}

// NewKeeper returns a Keeper that goes on from the file at Options.Path, when
// there is one that can be used. It writes nothing before Keep or Run.
func NewKeeper(o Options) *Keeper {
	if o.Clock == nil {
		o.Clock = toll.SystemClock
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{o: o, quotas: o.Quotas, urgent: make(chan struct{}, 1), counted: make(chan struct{}, 1)}
	k.status.Store(new(Status))
	k.empty(map[string]meter.Position{})
	f, err := Open(o.Path, o.Whose)
	switch {
	case errors.Is(err, ErrNone):
		return k
	case err != nil:
		o.Log.Warn("the snapshot that was there cannot be used; a new one takes its place", "error", err)
		k.remove()
		return k
	}
	defer f.Close()
	k.exists, k.whole = true, true
	k.kept, k.cursors = f.Head.Cursors, maps.Clone(f.Head.Cursors)
	if k.cursors == nil {
		k.cursors = map[string]meter.Position{}
	}
	k.readAt = f.Head.ReadAt
	k.status.Store(&Status{WrittenAt: f.Head.WrittenAt, Size: f.Size()})
	if err := f.Each(func(c toll.Customer) { k.quotas.Customer(&c) }, func(key toll.Key) { k.quotas.Key(&key) }, nil); err != nil {
		o.Log.Warn("the snapshot that was there cannot be read again", "error", err)
		k.whole = false
	}
	return k
}

// empty forgets what changed, because the next file will have it.
func (k *Keeper) empty(cursors map[string]meter.Position) {
	k.cursors, k.customers, k.keys, k.used = cursors, map[string]toll.Customer{}, map[string]toll.Key{}, map[meter.QuotaCounter]int64{}
	k.pending, k.changed = false, false
}

// Status tells how the snapshot is. It never waits for a write.
func (k *Keeper) Status() Status {
	return *k.status.Load()
}

// CustomerChanged takes a customer as it is in the store now.
func (k *Keeper) CustomerChanged(c toll.Customer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if was, ok := k.customers[c.ID]; !ok || was.Version <= c.Version {
		k.customers[c.ID] = c
		known := k.quotas.Knows(c.ID)
		if k.quotas.Customer(&c) && known { // a new one has used nothing
			k.stale = true
		}
	}
	k.pending, k.changed = true, true
	ring(k.urgent)
}

// KeyChanged takes a key as it is in the store now.
func (k *Keeper) KeyChanged(key toll.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if was, ok := k.keys[key.ID]; !ok || was.Version <= key.Version {
		k.keys[key.ID] = key
		if k.quotas.Key(&key) {
			k.stale = true
		}
	}
	k.pending, k.changed = true, true
	ring(k.urgent)
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// Stored implements meter.Keeper.
func (k *Keeper) Stored(b *meter.Batch) {
	if strings.HasSuffix(b.Lane, meter.DoubtsSuffix) {
		return // nothing in it counts
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	at := k.cursors[b.Lane]
	if !k.whole || !at.Before(b.Next) {
		return // it was read from the store, or will be
	}
	if at != b.From {
		k.whole = false // a batch in between was stored without an answer
		ring(k.counted)
		return
	}
	k.cursors[b.Lane] = b.Next
	for i := range b.Events {
		k.quotas.Event(&b.Events[i], func(c meter.QuotaCounter, count int64) { k.used[c] += count })
	}
	k.pending = true
	ring(k.counted)
}

// Outside says that the store has usage that no lane brought: of events from
// outside. The next write asks the store.
func (k *Keeper) Outside() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stale, k.pending = true, true
	ring(k.counted)
}

// Configured takes the quotas of the services and plans of a configuration that
// holds now.
func (k *Keeper) Configured(quotas *meter.Quotas) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.quotas.Merge(quotas) {
		k.stale, k.pending = true, true
		ring(k.counted)
	}
}

// Kept implements meter.Keeper. When writes fail for so long that much is held
// in the journal, the file is given up: it must not stand there when a part of
// what follows it is gone.
func (k *Keeper) Kept(lane string, drained meter.Position) meter.Position {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.exists {
		return drained
	}
	kept := k.kept[lane]
	if failed := k.Status().Err; failed != nil && drained.Segment > kept.Segment+mostHeld {
		k.o.Log.Error("the snapshot is given up: it cannot be written, and the journal must not grow for it; without one there is no start while the database is away", "error", failed)
		k.remove()
		return drained
	}
	if kept.Before(drained) {
		return kept
	}
	return drained
}

// Keep implements meter.Keeper: it writes what changed. When it cannot, the file
// is given up, as in Kept.
func (k *Keeper) Keep(ctx context.Context) {
	k.mu.Lock()
	needed := k.exists && (k.pending || !k.whole)
	k.mu.Unlock()
	if !needed {
		return // there is none that relies on the journal, or it has all
	}
	if err := k.Write(ctx); err != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.o.Log.Error("the snapshot is given up: it cannot be written, and a part of the journal that it needs ends; a new one is written as soon as that can be", "error", err)
		k.remove()
	}
}

// remove takes the file away; the mutex is held, or nobody else has k yet.
func (k *Keeper) remove() {
	if err := os.Remove(k.o.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.o.Log.Error("a snapshot that must not be used any more cannot be removed", "error", err)
	}
	k.exists, k.whole, k.kept = false, false, nil
	k.status.Store(&Status{Err: k.Status().Err})
}

// Run writes the snapshot at once and anew, then after changes, at a bounded rate, until
// ctx ends. What changed last is for Write.
func (k *Keeper) Run(ctx context.Context) {
	k.mu.Lock()
	k.whole = false // what is in the file from before may have been changed by others since
	k.mu.Unlock()
	for failed := ""; ; {
		began := time.Now()
		k.mu.Lock()
		k.stale = k.stale || k.o.Clock().Sub(k.readAt) >= atLeast
		k.mu.Unlock()
		err := k.Write(ctx)
		took := time.Since(began)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if err.Error() != failed {
				failed = err.Error()
				k.o.Log.Error("the snapshot of keys, customers and counters is not written; it is tried again", "error", err)
			}
			if !sleep(ctx, tryAgain) {
				return
			}
			continue
		}
		if failed != "" {
			failed = ""
			k.o.Log.Info("the snapshot of keys, customers and counters is written again")
		}
		if !k.await(ctx, took) {
			return
		}
	}
}

// await waits until a write is due, the last having taken so long.
func (k *Keeper) await(ctx context.Context, took time.Duration) bool {
	if !sleep(ctx, min(urgent*took, mostPause)) {
		return false
	}
	idle := time.NewTimer(atLeast)
	defer idle.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-idle.C:
		return true
	case <-k.urgent:
		return sleep(ctx, soon)
	case <-k.counted:
	}
	more := time.NewTimer(max(later, min((share-urgent)*took, mostPause)))
	defer more.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-k.urgent:
		return sleep(ctx, soon)
	case <-more.C:
		return true
	}
}

// Behind tells whether a change of a customer or key is not in the file yet.
func (k *Keeper) Behind() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.exists || !k.whole || k.changed || k.amending
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// gone tells whether a lane has no directory any more.
func (k *Keeper) gone(lane string) bool {
	if k.o.Journal == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(k.o.Journal, filepath.FromSlash(lane)))
	return errors.Is(err, fs.ErrNotExist)
}
