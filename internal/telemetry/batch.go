package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	batchSize  = 64 << 10
	longLine   = 4 << 10 // what a line may well take
	batchDelay = time.Second

	// maxWaiting is how many bytes of lines wait at most for a writer that is
	// stuck; what comes then is dropped and counted.
	maxWaiting = 4 << 20
)

// batch gathers lines in memory and writes them from a goroutine of its own:
// who adds one never waits for a disk, or for whoever reads the other end.
type batch struct {
	w       io.Writer
	log     *slog.Logger
	failing bool // the last write failed, and that was logged; the one who is writing has it
	dropped atomic.Uint64

	mu      sync.Mutex
	free    sync.Cond // of mu: nobody writes
	buf     []byte
	spare   []byte // the buffer that was written last
	writing bool
	timer   *time.Timer // runs while buf holds something that nobody is writing
	closed  bool
	err     error
}

func newBatch(w io.Writer, log *slog.Logger) *batch {
	b := &batch{w: w, log: log}
	b.free.L = &b.mu
	return b
}

// add makes a's line where it stands, under the lock: that takes less than
// half a microsecond, and is cheaper than to copy it there. share is of how many
// in a hundred the line is one.
func (b *batch) add(a Access, share int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.buf) > maxWaiting {
		b.dropped.Add(1)
		return
	}
	first := len(b.buf) == 0
	b.buf = appendAccess(b.buf, a, share)
	switch {
	case b.closed:
		b.writeAll()
	case len(b.buf) > batchSize-longLine:
		if !b.writing {
			b.writing = true
			go b.run()
		}
	case b.timer == nil:
		b.timer = time.AfterFunc(batchDelay, func() {
			b.mu.Lock()
			begin := !b.writing && len(b.buf) > 0
			b.writing = b.writing || begin
			b.mu.Unlock()
			if begin {
				b.run()
			}
		})
	case first:
		b.timer.Reset(batchDelay)
	}
}

// run writes until less than a batch is left, and lets go of the writing that
// its caller has taken.
func (b *batch) run() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		b.writeOnce()
		if len(b.buf) <= batchSize-longLine {
			break
		}
	}
	b.writing = false
	if len(b.buf) > 0 && b.timer != nil {
		b.timer.Reset(batchDelay)
	}
	b.free.Broadcast()
}

// writeOnce writes what is there, with mu free meanwhile. The caller has the
// writing.
func (b *batch) writeOnce() {
	out := b.buf
	if len(out) == 0 {
		return
	}
	b.buf, b.spare = b.spare[:0], nil
	b.mu.Unlock()
	n, err := b.w.Write(out)
	b.tell(out[min(max(n, 0), len(out)):], err)
	b.mu.Lock()
	if err != nil && b.err == nil {
		b.err = err
	}
	if cap(out) <= 16*batchSize { // a jam's is not kept
		b.spare = out[:0]
	}
}

// tell counts the lines that were lost, and logs when writing begins to fail
// and when it succeeds again: an outage is two lines, however long it is.
func (b *batch) tell(lost []byte, err error) {
	if err != nil {
		b.dropped.Add(uint64(bytes.Count(lost, []byte{'\n'})))
	}
	switch failing := err != nil; {
	case failing == b.failing:
		return
	case failing:
		b.log.Error("the access log cannot be written; its lines are lost until it can", "error", err)
	default:
		b.log.Info("the access log is written again")
	}
	b.failing = err != nil
}

// writeAll writes everything that is there when it is called, and waits for it.
func (b *batch) writeAll() {
	for b.writing {
		b.free.Wait()
	}
	b.writing = true
	b.writeOnce()
	b.writing = false
	b.free.Broadcast()
}

func (b *batch) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writeAll()
	err := b.err
	b.err = nil
	return err
}

func (b *batch) close() error {
	b.mu.Lock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
	b.mu.Unlock()
	if err := b.flush(); err != nil {
		return fmt.Errorf("some lines of the access log could not be written: %w", err)
	}
	return nil
}
