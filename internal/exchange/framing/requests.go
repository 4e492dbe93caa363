package framing

import (
	"bytes"
	"errors"
)

// Requests reads along what a client sends. The zero value is at the beginning
// of a connection. It belongs to whoever reads the connection.
type Requests struct {
	walker walker
	off    bool // after a head that asks for an upgrade, or one that net/http refuses by itself
	err    error
}

// Walk looks at bytes that were read and returns how many of them may be passed
// on. With an error, which stays, reading fails behind them: the rest must not
// be passed on. An upgrade ends the walk: the front must close the connection
// where it is not made, for nobody looks at what comes then.
func (r *Requests) Walk(p []byte) (n int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	for n < len(p) && !r.off {
		took, err := r.walker.walk(p[n:], r.first, r.head)
		n += took
		if errors.Is(err, errNotKnown) {
			r.off = true
			break
		}
		if err != nil {
			r.err = err
			if errors.Is(err, ErrChunk) || r.walker.state == atSize {
				return len(p), nil // net/http sees it as well, and says so
			}
			return n, nil
		}
		if r.walker.state == atEnd {
			r.walker.begin()
		}
	}
	return len(p), nil
}

// Err is why reading fails, nil while it does not.
func (r *Requests) Err() error { return r.err }

func (r *Requests) first(line []byte) error {
	if len(line) == 0 {
		return ErrLine // an empty line before a request: net/http takes none
	}
	r.walker.old = !bytes.HasSuffix(line, []byte(" HTTP/1.1")) && !r.walker.long
	return nil
}

func (r *Requests) head() error {
	if r.walker.hasUpgrade {
		return errNotKnown
	}
	return r.walker.body()
}
