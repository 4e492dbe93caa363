package upstream

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// upload is a request's body on its way up. It remembers whether it was
// touched, what reading it gave, and ends the call when for the idle timeout
// nothing moved: by the client's fault while a read waits, by the upstream's
// while the next read does not come.
type upload struct {
	body     io.Reader
	idle     time.Duration // 0: no limit
	response time.Duration // Timeouts.Response, which runs after the last byte
	cancel   context.CancelCauseFunc

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	reading bool
	touched bool
	stopped bool
	err     error
}

// Read passes bytes on from the client.
func (u *upload) Read(p []byte) (int, error) {
	u.moved(true, u.idle)
	n, err := u.body.Read(p)
	switch {
	case err == nil:
		u.moved(false, u.idle)
	case errors.Is(err, io.EOF):
		// The last bytes are still to be taken, and then the upstream may think
		// for as long as Timeouts.Response says.
		if u.response > 0 {
			u.moved(false, u.idle+u.response)
		} else {
			u.stop()
		}
	default:
		u.mu.Lock()
		u.err = err
		u.mu.Unlock()
		u.stop()
	}
	return n, err
}

// Close does nothing: the body is the front's, and an upstream that could not
// be connected to must not close it for the next one.
func (u *upload) Close() error { return nil }

// moved starts the idle timer anew.
func (u *upload) moved(reading bool, limit time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.reading, u.touched = reading, true
	if u.idle <= 0 || u.stopped {
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

// untouched says that no byte was asked for, so that another upstream can have
// the body whole.
func (u *upload) untouched() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return !u.touched
}

// failure is the error that reading the client's body gave, nil when none.
func (u *upload) failure() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}
