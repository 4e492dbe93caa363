package framing

import (
	"bytes"
	"errors"
	"sync"
)

// Responses reads along a connection to an upstream: what is asked on it and
// what is answered. The zero value is at the beginning of a connection. It is
// safe for one reader beside one writer.
type Responses struct {
	mu      sync.Mutex
	walker  walker
	waits   bool // a request was sent that has no whole answer yet
	toHead  bool // … and it was a HEAD
	interim bool // the head that is being read is a 1xx
	status  int
	off     bool // it speaks another protocol now
	err     error
}

// Asked looks at bytes that are about to be sent, which begin with a request's
// first line where a request begins. Its error is that nothing more may be sent.
func (r *Responses) Asked(p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	if !r.waits && !r.off {
		r.waits, r.toHead = true, bytes.HasPrefix(p, []byte("HEAD "))
		r.walker.lenient = true // as net/http is: old services are
		r.walker.begin()
	}
	return nil
}

// Walk looks at bytes that were read and returns how many of them belong to
// answers. What comes behind belongs to no request: it must not be passed on,
// the error stays, and the connection is of no more use.
func (r *Responses) Walk(p []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	for n < len(p) && !r.off {
		if !r.waits {
			r.err = ErrUnasked
			return n, nil
		}
		took, err := r.walker.walk(p[n:], r.first, r.head)
		n += took
		if errors.Is(err, errNotKnown) {
			r.off = true // another protocol, or a coding that net/http refuses by itself
			break
		}
		if err != nil {
			r.err = err
			return n, nil
		}
		if r.walker.state == atEnd {
			r.waits = r.interim
			r.walker.begin()
		}
	}
	return len(p), nil
}

// Err is why the connection is of no more use, nil while it is.
func (r *Responses) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *Responses) first(line []byte) error {
	r.interim, r.status = false, 0
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return ErrStatus
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return ErrStatus
		}
		r.status = r.status*10 + int(c-'0')
	}
	r.walker.old = line[7] == '0'
	r.interim = r.status >= 100 && r.status < 200
	return nil
}

func (r *Responses) head() error {
	w := &r.walker
	switch {
	case r.status == 101:
		return errNotKnown
	case r.interim, r.toHead, r.status == 204, r.status == 304:
		return nil
	case !w.hasCoding && !w.hasLength:
		w.state = atClose
		return nil
	}
	return w.body()
}
