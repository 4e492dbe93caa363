package edge

import (
	"errors"
	"io"
	"sync/atomic"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// Body is a request's body: it counts what is read and stops at the service's
// limit. The upstream may read it in another goroutine.
type Body struct {
	from  io.ReadCloser
	limit atomic.Int64
	read  atomic.Int64
	begun atomic.Bool // somebody has read from it
	ended atomic.Bool // it was read to its end
}

// NewBody wraps what the front reads the body from. length is its declared
// length in bytes, -1 when unknown.
func NewBody(from io.ReadCloser, length int64) *Body {
	b := &Body{from: from}
	b.limit.Store(1<<63 - 1)
	b.ended.Store(length == 0)
	return b
}

// Limit sets how many bytes may be read; reading past them gives
// exchange.ErrBodyTooLarge.
func (b *Body) Limit(bytes int64) { b.limit.Store(bytes) }

// Count returns how many bytes have been read.
func (b *Body) Count() int64 { return b.read.Load() }

// Read reads the next part of the body.
func (b *Body) Read(p []byte) (int, error) {
	b.begun.Store(true)
	left := b.limit.Load() - b.read.Load()
	if left < 0 {
		return 0, exchange.ErrBodyTooLarge
	}
	if int64(len(p)) > left+1 { // one more byte tells "too large" from "just full"
		p = p[:left+1]
	}
	n, err := b.from.Read(p)
	b.read.Add(int64(n))
	if int64(n) > left {
		return int(left), exchange.ErrBodyTooLarge
	}
	if errors.Is(err, io.EOF) {
		b.ended.Store(true)
	}
	return n, err
}

// Close closes what the body is read from.
func (b *Body) Close() error { return b.from.Close() }
