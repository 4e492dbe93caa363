package httpcache

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// flight is one request to the upstream that many wait for. It is detached
// from the client that began it, its leader: it ends early only when nobody
// waits any more.
type flight struct {
	key    key
	leader *ask // whose request it is; not changed once head is closed
	epoch  epoch
	cancel context.CancelFunc
	head   chan struct{} // closed when landed is set
	done   chan struct{} // closed when nothing more will come of it

	landed landed
	kept   *object // set before done is closed: what was stored, nil for nothing

	interims chan interim // for the leader, until head is closed

	unattended bool // it refreshes what is stored: nobody reads its answer as the leader

	mu       sync.Mutex
	waiting  int
	deserted bool // the leader left before the head came
	over     bool // cancelled: nobody may join any more
}

// landed is what came of a flight.
type landed struct {
	err      error
	response *exchange.Response // the leader's alone: not to be kept
	status   int                // of the upstream's answer
	upstream string
	tries    int
	object   *object         // to be kept, or freshened
	verdict  verdict         // for whom object is
	fields   exchange.Fields // for the leader beside object's own; may be nil
	trailer  exchange.Header // the leader's; may be nil
	fresh304 bool            // the upstream said that what is stored still holds
	panicked string          // a mistake of ours, which the leader's goroutine is to show
}

// flights are those that can be joined. Misses look here, hits do not.
type flights struct {
	shards [64]struct {
		mu sync.Mutex
		by map[key]*flight
	}
}

// join finds a flight to wait for, or makes the caller the leader of a new one.
func (fs *flights) join(k key, hash uint64, epoch epoch, cancel context.CancelFunc) (f *flight, leads bool) {
	shard := &fs.shards[hash%uint64(len(fs.shards))]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if f = shard.by[k]; f != nil && f.epoch == epoch && f.enter() {
		return f, false
	}
	f = newFlight(k, epoch, cancel)
	if shard.by == nil {
		shard.by = map[key]*flight{}
	}
	shard.by[k] = f
	return f, true
}

// leave takes a flight out, so that the next request begins its own.
func (fs *flights) leave(f *flight, hash uint64) {
	shard := &fs.shards[hash%uint64(len(fs.shards))]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.by[f.key] == f {
		delete(shard.by, f.key)
	}
}

func newFlight(k key, epoch epoch, cancel context.CancelFunc) *flight {
	return &flight{key: k, epoch: epoch, cancel: cancel, head: make(chan struct{}), done: make(chan struct{}), waiting: 1}
}

func (f *flight) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return false
	}
	f.waiting++
	return true
}

// exit is said once by everybody who waited; the last one ends the flight.
func (f *flight) exit() {
	f.mu.Lock()
	f.waiting--
	last := f.waiting == 0
	f.over = f.over || last
	f.mu.Unlock()
	if last {
		f.cancel()
	}
}

// land tells everybody what came.
func (f *flight) land(l landed) {
	f.mu.Lock()
	f.landed = l
	deserted := f.deserted
	f.mu.Unlock()
	close(f.head)
	if deserted {
		l.drop()
	}
}

// drop lets go of what only the leader would have read.
func (l *landed) drop() {
	if l.response != nil {
		_ = l.response.Body.Close() // nobody is there to read it
	}
	if l.object != nil {
		_ = (&reader{of: l.object.body, leader: true}).Close() // as above
	}
}

// desert is the leader's exit before the head came, or together with it.
func (f *flight) desert() {
	f.mu.Lock()
	f.deserted = true
	l := f.landed
	f.mu.Unlock()
	l.drop()
	f.exit()
}

// crash ends a flight that panicked: nobody waits for ever, and a mistake costs
// the requests it was made for, not the program.
func (f *flight) crash(value any) {
	failure := &exchange.Failure{Status: 502, Type: "proxy_internal_error", Cause: fmt.Errorf("panic: %v", value)}
	select {
	case <-f.head:
		if o := f.landed.object; o != nil {
			o.body.fail(o.body.data, failure)
		}
	default:
		f.land(landed{err: failure, panicked: fmt.Sprintf("%v\n%s", value, debug.Stack())})
	}
}

// ending is a body that says when it is closed.
type ending struct {
	io.ReadCloser
	once  sync.Once
	after func()
}

// Close may be called more than once.
func (e *ending) Close() error {
	err := e.ReadCloser.Close()
	e.once.Do(e.after)
	return err
}
