package upstream

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// maxKept bounds how much of a body is remembered for another try, in bytes.
const maxKept = 64 << 10

// upload is a request's body on its way up to one upstream. It remembers what
// reading it gave, and ends the call when for the idle timeout nothing moved: by
// the client's fault while a read waits, by the upstream's while the next read
// does not come. A nil upload is no body.
type upload struct {
	body     io.Reader
	idle     time.Duration // 0: no limit
	whole    time.Duration // Timeouts.Body; 0: no limit
	response time.Duration // Timeouts.Response, which runs after the last byte
	cancel   context.CancelCauseFunc

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	reading bool
	touched bool // a byte was asked for
	stopped bool
	passed  bool // another upload has the body now
	keeps   bool // what is read is kept
	kept    []byte
	ahead   []byte // of kept: what is given out before more is read
	ended   bool   // the client's body was read to its end
	err     error

	waited time.Duration // for the client, in all
	came   int64         // bytes from the client
}

// slowest is how many bytes a second a client's body may come at, once
// Timeouts.Body is used up: less than any network in use carries.
const slowest = 1000

// upload makes the body of a request's first try.
func (p *Pool) upload(req *exchange.Request) *upload {
	if req.Length == 0 || req.Body == nil {
		return nil
	}
	return &upload{
		body: req.Body, idle: p.service.Timeouts.Idle, whole: p.service.Timeouts.Body, response: p.service.Timeouts.Response,
		keeps: req.Length <= maxKept && p.retry.Tries > 1 && len(p.upstreams) > 1 && idempotent(req.Method),
	}
}

// Read passes bytes on from the client, or from what was kept.
func (u *upload) Read(p []byte) (int, error) {
	if n, done, err := u.replay(p); done {
		return n, err
	}
	began := time.Now()
	n, err := u.body.Read(p)
	u.keep(p[:n], errors.Is(err, io.EOF), time.Since(began))
	switch {
	case err == nil:
		u.moved(false, u.idle)
	case errors.Is(err, io.EOF):
		u.last()
	default:
		u.mu.Lock()
		u.err, u.reading = err, false
		u.mu.Unlock()
		u.stop()
	}
	return n, err
}

// replay gives out what was kept. Where there is nothing left of that, it
// starts the wait for the client.
func (u *upload) replay(p []byte) (n int, done bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.touched = true
	switch {
	case u.passed:
		return 0, true, errDone
	case len(u.ahead) > 0:
		n = copy(p, u.ahead)
		u.ahead = u.ahead[n:]
		u.watch(false, u.idle)
		return n, true, nil
	case u.ended:
		u.lastly()
		return 0, true, io.EOF
	}
	limit := u.idle
	if u.whole > 0 {
		left := max(u.whole+time.Duration(u.came)*time.Second/slowest-u.waited, 1)
		if limit <= 0 || left < limit {
			limit = left
		}
	}
	u.watch(true, limit)
	return 0, false, nil
}

// keep remembers what came from the client, and how long that took.
func (u *upload) keep(p []byte, ended bool, waited time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.came += int64(len(p))
	u.waited += waited
	u.ended = u.ended || ended
	switch {
	case !u.keeps:
	case len(u.kept)+len(p) > maxKept:
		u.keeps, u.kept = false, nil
	default:
		u.kept = append(u.kept, p...)
	}
}

// again gives the body for another try; ok is false when it cannot be had
// whole: some of it was read and not kept, or the client is waited for just
// now. What net/http may have left behind of this try gets nothing more.
func (u *upload) again() (next *upload, ok bool) {
	if u == nil {
		return nil, true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil || u.reading || u.touched && !u.keeps {
		return nil, false
	}
	u.passed, u.stopped = true, true
	if u.timer != nil {
		u.timer.Stop()
	}
	return &upload{
		body: u.body, idle: u.idle, whole: u.whole, response: u.response,
		waited: u.waited, came: u.came,
		keeps: u.keeps, kept: u.kept, ahead: u.kept, ended: u.ended,
	}, true
}

// Close does nothing: the body is the front's, and an upstream that could not
// be connected to must not close it for the next one.
func (u *upload) Close() error { return nil }

// moved starts the idle timer anew.
func (u *upload) moved(reading bool, limit time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.watch(reading, limit)
}

// last is moved after the last byte: it is still to be taken, and then the
// upstream may think for as long as Timeouts.Response says.
func (u *upload) last() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.lastly()
}

func (u *upload) lastly() {
	if u.response > 0 {
		u.watch(false, u.idle+u.response)
		return
	}
	u.reading, u.stopped = false, true
	if u.timer != nil {
		u.timer.Stop()
	}
}

// watch is moved with the lock held.
func (u *upload) watch(reading bool, limit time.Duration) {
	u.reading = reading
	if u.stopped {
		return
	}
	if limit <= 0 {
		if u.timer != nil {
			u.timer.Stop()
		}
		return
	}
	if u.timer == nil {
		u.timer = time.AfterFunc(limit, u.expire)
		return
	}
	u.timer.Reset(limit)
}

func (u *upload) expire() {
	u.mu.Lock()
	reading, stopped := u.reading, u.stopped
	u.mu.Unlock()
	switch {
	case stopped:
	case reading:
		u.cancel(errClientSlow)
	default:
		u.cancel(errUpstreamStuck)
	}
}

// stop ends the watch: once the answer's head is there, its body is watched.
func (u *upload) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stopped = true
	if u.timer != nil {
		u.timer.Stop()
	}
}

// failure is the error that reading the client's body gave, nil when none.
func (u *upload) failure() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}
