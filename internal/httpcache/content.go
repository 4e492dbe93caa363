package httpcache

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// errGone ends a read whose client has left.
var errGone = errors.New("the client left while the answer was still coming")

// content is the body of an answer, whole or still coming. Any number of
// readers share its one slice, each at its own place; bytes that were given
// out are never changed.
type content struct {
	whole atomic.Bool // all is there: readers need no lock
	mu    sync.Mutex
	more  sync.Cond // of mu: there is more, or the end
	data  []byte
	err   error         // why it ended before it was whole
	rest  io.ReadCloser // what the leader reads on from when it became too large to keep
	alone bool          // it became too large: only the leader goes on
	left  bool          // the leader has closed its reader
}

func newContent() *content {
	b := new(content)
	b.more.L = &b.mu
	return b
}

// wholeContent is a body that is all there.
func wholeContent(data []byte) *content {
	b := newContent()
	b.data = data
	b.whole.Store(true)
	return b
}

// grow publishes that data now reaches as far as n.
func (b *content) grow(data []byte) {
	b.mu.Lock()
	b.data = data
	b.mu.Unlock()
	b.more.Broadcast()
}

// finish publishes the last bytes.
func (b *content) finish(data []byte) {
	b.mu.Lock()
	b.data = data
	b.whole.Store(true)
	b.mu.Unlock()
	b.more.Broadcast()
}

// fail ends a body that will not be whole.
func (b *content) fail(data []byte, err error) {
	b.mu.Lock()
	b.data, b.err = data, err
	b.mu.Unlock()
	b.more.Broadcast()
}

// handOver leaves the rest of a body that is too large to the leader; nobody
// is there to take it when the leader has left.
func (b *content) handOver(data []byte, rest io.ReadCloser) {
	b.mu.Lock()
	b.data, b.alone = data, true
	left := b.left
	if !left {
		b.rest = rest
	}
	b.mu.Unlock()
	if left {
		_ = rest.Close() // it is thrown away
	}
	b.more.Broadcast()
}

// reader reads a content from its start. It belongs to one request.
type reader struct {
	of     *content
	at     int
	ctx    context.Context // nil for a body that is whole
	stop   func() bool     // ends the watch over ctx
	leader bool
	closed bool
	after  func() // when it is closed; may be nil
}

// watch makes the reader end when its client leaves.
func (r *reader) watch(ctx context.Context) {
	r.ctx = ctx
	r.stop = context.AfterFunc(ctx, func() {
		r.of.mu.Lock()
		defer r.of.mu.Unlock()
		r.of.more.Broadcast()
	})
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.of.whole.Load() {
		return r.take(p, r.of.data)
	}
	b := r.of
	b.mu.Lock()
	for r.at >= len(b.data) && !b.whole.Load() && b.err == nil && !b.alone {
		if r.ctx != nil && r.ctx.Err() != nil {
			b.mu.Unlock()
			return 0, &exchange.Failure{Status: 499, Type: "client_gone", Cause: errGone}
		}
		b.more.Wait()
	}
	data, rest, err, whole := b.data, b.rest, b.err, b.whole.Load()
	b.mu.Unlock()
	switch {
	case r.at < len(data) || whole:
		return r.take(p, data)
	case err != nil:
		return 0, err
	case rest == nil:
		return 0, errGone
	}
	return rest.Read(p)
}

func (r *reader) take(p, data []byte) (int, error) {
	n := copy(p, data[r.at:])
	r.at += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close may be called more than once.
func (r *reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	if r.stop != nil {
		r.stop()
	}
	var err error
	if r.leader {
		r.of.mu.Lock()
		r.of.left = true
		rest := r.of.rest
		r.of.mu.Unlock()
		if rest != nil {
			err = rest.Close()
		}
	}
	if r.after != nil {
		r.after()
	}
	return err
}

// nothing is the body of an answer without one.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }
func (nothing) Close() error             { return nil }
