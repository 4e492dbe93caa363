package edge

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// ReadOn bounds how much of an answer is read for a client that has left, to
// learn the units that come at its end (ADR 0007). A zero field stands for the
// value in brackets.
type ReadOn struct {
	For   time.Duration // from the moment that the client left (30 s)
	Bytes int64         // of the answer's rest (32 MiB)
}

func (o ReadOn) withDefaults() ReadOn {
	if o.For <= 0 {
		o.For = 30 * time.Second
	}
	if o.Bytes <= 0 {
		o.Bytes = 32 << 20
	}
	return o
}

// stay keeps a call to a service going after its client has left, for as long
// as ReadOn says: the client had a part of the answer, and what that cost is
// said at the answer's end. Before the answer has begun it ends with the client.
type stay struct {
	ctx    context.Context // the call's: it outlives the client
	cancel context.CancelFunc
	watch  func() bool // ends the watch over the client
	bounds ReadOn

	mu       sync.Mutex
	answered bool
	timer    *time.Timer // runs since the client left
}

// stayOn begins a call that may outlive its client. end must follow.
func stayOn(client context.Context, bounds ReadOn) *stay {
	s := &stay{bounds: bounds.withDefaults()}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(client))
	s.watch = context.AfterFunc(client, s.leave)
	return s
}

// leave is told that the client is gone; a second time it does nothing.
func (s *stay) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.answered:
		s.cancel()
	case s.timer == nil:
		s.timer = time.AfterFunc(s.bounds.For, s.cancel)
	}
}

// answer notes that the service's answer has begun. It tells whether the call
// goes on; false when its client had left before.
func (s *stay) answer() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = s.ctx.Err() == nil
	return s.answered
}

// over tells whether the time to read on has passed.
func (s *stay) over() bool { return s.ctx.Err() != nil }

func (s *stay) end() {
	s.watch()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.cancel()
}

// leave ends an answer that the client did not stay for. Where units that were
// reserved are still to come, the rest is read on and thrown away; what is not
// read to its end then keeps what was reserved. err is why the answer cannot be
// read any more, nil when it can; over tells of a stream that the gateway
// itself is ending.
func (k *walk) leave(c *Chain, response *exchange.Response, body *Body, usage []string, buf []byte, err error, over func() bool) {
	if k.stay == nil || !k.pass.Owes(usage) {
		k.left(c, response.Status, body, usage)
		return
	}
	k.stay.leave()
	read := k.seen.BytesOut
	for most := k.stay.bounds.Bytes; most > 0 && err == nil; {
		var n int
		n, err = response.Body.Read(buf)
		read, most = read+int64(n), most-int64(n)
	}
	switch {
	case errors.Is(err, io.EOF) && (response.Length < 0 || read == response.Length):
		usage = append(usage, takeUsage(response.Trailer)...)
	case over():
	case err == nil, k.stay.over(), !body.ended.Load(): // the bound, or a request that broke off with its client
		k.cut = true
	default: // the service broke off: nobody is billed for half an answer
		k.seen.Err = err
		if _, err := k.record(c, response.Status, false, nil); err != nil {
			k.seen.Err = errors.Join(k.seen.Err, err)
		}
		return
	}
	k.left(c, response.Status, body, usage)
}
