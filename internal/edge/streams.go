package edge

import (
	"context"
	"sync"
)

// streams are the requests under way that have no end of their own, upgrades
// and event streams: nobody else knows of them when the program ends. The zero
// value is ready.
type streams struct {
	mu    sync.Mutex
	open  map[*walk]func() // what ends each
	over  bool
	empty chan struct{} // closed when the last one has ended; made by wait
}

// begin notes a stream, or ends it at once when the program is ending.
func (s *streams) begin(k *walk, end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[*walk]func())
	}
	s.open[k], k.stream = end, true
	if s.over {
		end()
	}
}

// done forgets a stream whose event is recorded.
func (s *streams) done(k *walk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, k)
	k.stream = false
	if len(s.open) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// AwaitStreams returns when no upgrade and no event stream is under way, or when
// ctx ends (its error). It ends none.
func (c *Chain) AwaitStreams(ctx context.Context) error { return c.streams.wait(ctx) }

// wait returns when the last stream has ended.
func (s *streams) wait(ctx context.Context) error {
	s.mu.Lock()
	if len(s.open) == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// EndStreams ends the upgrades and event streams that are under way, and those
// that still begin, and returns when each is recorded as what it was, or when
// ctx ends (its error). Their clients are told to come again: a WebSocket gets the
// close frame 1012 and some moments to answer it, an event stream ends with a
// retry. It is for the end of the program, before the journal
// is closed: what the journal then holds open would look like a crash.
func (c *Chain) EndStreams(ctx context.Context) error {
	s := &c.streams
	s.mu.Lock()
	s.over = true
	for _, end := range s.open {
		end()
	}
	s.mu.Unlock()
	return s.wait(ctx)
}
