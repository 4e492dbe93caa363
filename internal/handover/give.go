package handover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Step is one of the things that are handed over.
type Step string

// The steps, in their order. Start comes before the first, Open after the last.
const (
	Start     Step = "start"
	Listeners Step = "listeners"
	Lock      Step = "lock"
	Prepare   Step = "prepare"
	Drainer   Step = "drainer"
	Counters  Step = "counters"
	Open      Step = "open"
)

// Steps are all of them, in their order.
var Steps = []Step{Start, Listeners, Lock, Prepare, Drainer, Counters, Open}

// Listener is a door that is handed over.
type Listener struct {
	Name    string // "http", "https", "admin", "control"
	Address string // as the configuration names it
	Socket  syscall.Conn
}

// Facts are what must be the same in both processes: each is compared as it is.
type Facts map[string]string

// Estate is the running process, as far as it is handed over.
type Estate interface {
	// Facts are what the new process may not change.
	Facts() Facts
	// Listeners are the doors. They stay open here.
	Listeners() []Listener
	// Lock is the data directory's.
	Lock() *os.File
	// StopDraining ends the drainer's batch, and the drainer.
	StopDraining(ctx context.Context) error
	// Counters gives everything that is counted, as a value that gob takes.
	// Requests wait from now on, until Give has returned and the caller has
	// decided.
	Counters() (any, error)
}

// Successor is who took over.
type Successor struct {
	PID     int
	Version string
	Waited  time.Duration // how long requests waited, until Give returned
	Back    *Conn         // by which the new process asks this one; the caller's to close
}

// Error is why a hand-over came to nothing, and where.
type Error struct {
	Step  Step
	Cause error
}

// Error says it for the log.
func (e *Error) Error() string {
	return fmt.Sprintf("the new process did not get past the step %q: %v", e.Step, e.Cause)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// greeting is what the new process says first.
type greeting struct {
	Protocol int
	PID      int
	Version  string
}

// doors announces the descriptors that come with it, in their order.
type doors struct {
	Facts Facts
	Doors []door
}

type door struct{ Name, Address string }

// Give hands an estate over to the process at the other end, until ctx ends.
// Requests wait for pause at the most. When it returns no error, that process serves, and only it may go on
// counting and draining. After an *Error nothing has been taken: the caller
// ends that process first, and takes back what it gave then.
func Give(ctx context.Context, c *Conn, e Estate, pause time.Duration) (s Successor, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	step := Start
	defer func() {
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			err = &Error{step, err}
		}
	}()
	defer c.within(ctx)()
	var g greeting
	if _, err := c.receive(hello, &g); err != nil {
		return s, err
	}
	if g.Protocol != Protocol {
		return s, toll.Errorf(toll.Conflict, "it speaks version %d of the hand-over, and this process %d; stop this one and start the new one", g.Protocol, Protocol)
	}
	s.PID, s.Version = g.PID, g.Version
	confirmed := func(k kind, v any, files ...syscall.Conn) error {
		sent := c.send(k, v, files...)
		_, err := c.receive(taken, nil)
		var said *toll.Error
		if sent != nil && err != nil && !errors.As(err, &said) { // else it has told why it hung up
			return sent
		}
		return err
	}

	step = Listeners
	announced := doors{Facts: e.Facts()}
	var sockets []syscall.Conn
	for _, l := range e.Listeners() {
		announced.Doors = append(announced.Doors, door{l.Name, l.Address})
		sockets = append(sockets, l.Socket)
	}
	if err := confirmed(listeners, announced, sockets...); err != nil {
		return s, err
	}
	step = Lock
	ours, theirs, err := Pair()
	if err != nil {
		return s, err
	}
	defer func() {
		if err != nil {
			_ = ours.Close()
		}
	}()
	if err := errors.Join(confirmed(lock, nil, e.Lock(), theirs), theirs.Close()); err != nil {
		return s, err
	}
	step = Prepare
	if _, err := c.receive(prepared, nil); err != nil {
		return s, err
	}
	step = Drainer
	if err := e.StopDraining(ctx); err != nil {
		return s, err
	}
	if err := confirmed(drainer, nil); err != nil {
		return s, err
	}

	step = Counters
	began := time.Now()
	defer time.AfterFunc(pause, func() { cancel(errPause) }).Stop()
	all, err := e.Counters()
	if err != nil {
		return s, err
	}
	if err := confirmed(counters, all); err != nil {
		return s, err
	}
	step = Open
	if err := c.send(goOn, nil); err != nil {
		return s, err
	}
	if _, err := c.receive(serving, nil); err != nil {
		return s, err
	}
	s.Waited, s.Back = time.Since(began), ours
	return s, nil
}

var errPause = errors.New("it took too long while requests waited")
