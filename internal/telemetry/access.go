package telemetry

import (
	"errors"
	"io"
	"sync"
	"time"
)

// Access is one finished request, for the access log. Empty fields are left
// out of the line, but for those that every request has.
type Access struct {
	Arrived   time.Time
	RequestID string
	Method    string
	Host      string
	Path      string // the decoded path; a query, should one be there, is cut off
	Status    int
	Client    string // address without port
	BytesIn   int64  // of the request's body
	BytesOut  int64  // of the answer's body
	Latency   time.Duration
	// UpstreamTime is how long the upstream took to the head of its answer; 0
	// for the gateway's own answers.
	UpstreamTime time.Duration
	Upstream     string // address that answered, or was tried last
	Cache        string // how the service's cache answered: hit, miss, …; "" without one
	Service      string
	Endpoint     string
	Customer     string // id
	Key          string // id, never the key itself
	Refusal      string // why the gate refused: the problem type's last part
	Failure      string // why there was no answer from the service: the RFC 9209 type
}

// AccessLog writes one line for each request, in the form of the logger's
// lines, with "request" as the message. It gathers lines and writes them when
// 64 KB are full, once a second, and on Flush and Close: a crash may lose the
// last second of it, which is why nothing is counted or billed by it. It is
// safe for concurrent use.
type AccessLog struct {
	out *batch
}

const (
	batchSize  = 64 << 10
	longLine   = 4 << 10 // what a line may well take
	batchDelay = time.Second
)

func newAccessLog(w io.Writer) *AccessLog { return &AccessLog{out: &batch{w: w}} }

// Write adds a request's line. A line that cannot be written is dropped, for
// no request may suffer for its log; Flush and Close return the first such error.
func (l *AccessLog) Write(a Access) { l.out.add(a) }

// Flush writes what was gathered.
func (l *AccessLog) Flush() error { return l.out.flush() }

// Close flushes. Lines that come after it are written at once.
func (l *AccessLog) Close() error { return l.out.close() }

// batch gathers lines in memory.
type batch struct {
	w io.Writer

	mu     sync.Mutex
	buf    []byte
	timer  *time.Timer // runs while buf holds something
	closed bool
	err    error
}

// add makes a's line where it stands, under the lock: that takes less than
// half a microsecond, and is cheaper than to copy it there.
func (b *batch) add(a Access) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.buf) > batchSize-longLine {
		b.writeOut()
	}
	first := len(b.buf) == 0
	b.buf = appendAccess(b.buf, a)
	switch {
	case b.closed:
		b.writeOut()
	case b.timer == nil:
		b.timer = time.AfterFunc(batchDelay, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.writeOut()
		})
	case first:
		b.timer.Reset(batchDelay)
	}
}

func (b *batch) writeOut() {
	if len(b.buf) == 0 {
		return
	}
	if _, err := b.w.Write(b.buf); err != nil && b.err == nil {
		b.err = err
	}
	b.buf = b.buf[:0]
}

func (b *batch) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writeOut()
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
		return errors.Join(errors.New("some lines of the access log could not be written"), err)
	}
	return nil
}
