package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// running is an Estate that notes what was asked of it.
type running struct {
	mu     sync.Mutex
	asked  []Step
	facts  Facts
	doors  []Listener
	lock   *os.File
	values []int
	fail   map[Step]error
}

func (r *running) note(s Step) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, s)
	return r.fail[s]
}

func (r *running) steps() []Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

func (r *running) Facts() Facts          { return r.facts }
func (r *running) Listeners() []Listener { _ = r.note(Listeners); return r.doors }
func (r *running) Lock() *os.File        { _ = r.note(Lock); return r.lock }

func (r *running) StopDraining(context.Context) error { return r.note(Drainer) }
func (r *running) Counters() (any, error)             { return r.values, r.note(Counters) }

// wayBack is a second socket, as goes with the lock.
func wayBack(t *testing.T) *os.File {
	t.Helper()
	ours, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	return theirs
}

// answer asks and answers as the old process does afterwards.
func answer(t *testing.T, s Successor, c *Conn) {
	t.Helper()
	if _, err := io.ReadFull(s.Back.unix, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if _, err := c.unix.Write([]byte("!")); err != nil {
		t.Error(err)
	}
	last := make([]byte, 1)
	if _, err := io.ReadFull(c.unix, last); err != nil || last[0] != '.' {
		t.Errorf("%q %v follows the last step", last, err)
	}
	_ = s.Back.Close()
}

// newRunning has a TCP and a Unix listener, and a file for a lock.
func newRunning(t *testing.T) *running {
	t.Helper()
	r := &running{facts: Facts{"data": "here"}, values: []int{1, 2, 3}, fail: map[Step]error{}}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	// Of a short path: a socket's may have a hundred bytes.
	dir, err := os.MkdirTemp("", "handover")
	if err != nil {
		t.Fatal(err)
	}
	unix, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	if r.lock, err = os.Create(filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _, _ = tcp.Close(), unix.Close(), r.lock.Close(), os.RemoveAll(dir) })
	r.doors = []Listener{
		{"http", "127.0.0.1:0", tcp.(*net.TCPListener)},
		{"control", "", unix.(*net.UnixListener)},
	}
	return r
}

// pair returns both ends in this process.
func pair(t *testing.T) (ours, theirs *Conn) {
	t.Helper()
	ours, file, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	if theirs, err = newConn(file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	return ours, theirs
}

// errDies ends an heir as a crash would: the connection is just gone.
var errDies = errors.New("the new process dies")

// inherit goes through all steps as a new process does, and dies or fails where
// at says so, "before STEP" or "after STEP".
func inherit(conn *Conn, at string, how error) (doors []Door, values []int, err error) {
	defer func() {
		if err != nil {
			for _, d := range doors {
				_ = d.Listener.Close()
			}
			_ = conn.Close()
		}
	}()
	trip := func(place string) error {
		if place == at {
			return how
		}
		return nil
	}
	if err := trip("before start"); err != nil {
		return nil, nil, err
	}
	h, err := Greet(conn, "v2")
	if err != nil {
		return nil, nil, err
	}
	end := func(err error) error {
		if err != nil && !errors.Is(err, errDies) {
			h.Fail(err.Error())
		}
		return err
	}
	if err := end(trip("after start")); err != nil {
		return nil, nil, err
	}
	doors, err = h.Listeners(func(f Facts) error {
		if f["data"] != "here" {
			return toll.Errorf(toll.Conflict, "another data")
		}
		return trip("before listeners")
	})
	if err := end(errors.Join(err, trip("after listeners"))); err != nil {
		return doors, nil, err
	}
	err = h.Lock(func(f *os.File) error {
		err := trip("before lock")
		if err == nil {
			err = f.Close()
		}
		return err
	})
	if err := end(errors.Join(err, trip("after lock"), trip("before prepare"))); err != nil {
		return doors, nil, err
	}
	err = h.Drainer(func() error { return trip("before drainer") })
	if err := end(errors.Join(err, trip("after drainer"))); err != nil {
		return doors, nil, err
	}
	err = h.Counters(&values, func() error { return trip("before counters") })
	if err := end(errors.Join(err, trip("after counters"))); err != nil {
		return doors, values, err
	}
	asked, back := h.Serving(), h.Back()
	h.Fail("too late") // and not said
	// A word each way, as of two processes that ask each other.
	if _, err := back.unix.Write([]byte("?")); err != nil {
		return doors, values, err
	}
	_, err = io.ReadFull(asked.unix, make([]byte, 1))
	if err == nil {
		_, err = asked.unix.Write([]byte("."))
	}
	return doors, values, err
}

const pause = time.Minute // no test waits for it to pass

func TestEverythingIsHandedOverInItsOrder(t *testing.T) {
	t.Parallel()
	r := newRunning(t)
	ours, theirs := pair(t)
	var doors []Door
	var values []int
	var heir error
	var both sync.WaitGroup
	both.Go(func() { doors, values, heir = inherit(theirs, "", nil) })
	s, err := Give(t.Context(), ours, r, pause)
	if err == nil {
		answer(t, s, ours)
	}
	both.Wait()
	if err != nil || heir != nil {
		t.Fatal(err, heir)
	}
	if s.PID != os.Getpid() || s.Version != "v2" || s.Waited <= 0 {
		t.Errorf("successor %+v", s)
	}
	if want := []Step{Listeners, Lock, Drainer, Counters}; !slices.Equal(r.steps(), want) {
		t.Errorf("asked for %v, want %v", r.steps(), want)
	}
	if !slices.Equal(values, r.values) {
		t.Errorf("counters %v", values)
	}
	if len(doors) != 2 || doors[0].Name != "http" || doors[0].Address != "127.0.0.1:0" || doors[1].Name != "control" {
		t.Fatalf("doors %+v", doors)
	}
	for i, d := range doors {
		own := r.doors[i].Socket.(net.Listener)
		if d.Listener.Addr().String() != own.Addr().String() {
			t.Errorf("%s listens on %s, want %s", d.Name, d.Listener.Addr(), own.Addr())
		}
		// The socket goes on when this process lets go of it.
		if err := own.Close(); err != nil {
			t.Error(err)
		}
		if d.Name == "control" {
			continue // its path went with it: net.Listen's own unlink
		}
		client, err := net.Dial(own.Addr().Network(), own.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := d.Listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, _, _ = client.Close(), conn.Close(), d.Listener.Close()
	}
}

func TestTheSharedListenerNeverMakesItsProcessWait(t *testing.T) {
	t.Parallel()
	r := newRunning(t)
	ours, theirs := pair(t)
	var both sync.WaitGroup
	both.Go(func() {
		doors, _, err := inherit(theirs, "", nil)
		if err != nil {
			t.Error(err)
		}
		for _, d := range doors {
			_ = d.Listener.Close()
		}
	})
	s, err := Give(t.Context(), ours, r, pause)
	if err != nil {
		t.Fatal(err)
	}
	answer(t, s, ours)
	both.Wait()
	// A blocking accept could not be ended by a deadline or a Close.
	l := r.doors[0].Socket.(*net.TCPListener)
	if err := l.SetDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Accept: %v", err)
	}
}

func TestANewProcessThatDiesOrFailsAtAnyStepLeavesTheOldOneAsItWas(t *testing.T) {
	t.Parallel()
	places := []string{
		"before start", "after start", "before listeners", "after listeners", "before lock", "after lock",
		"before prepare", "before drainer", "after drainer", "before counters", "after counters",
	}
	// At which step the running process learns of it, and what it had given by then.
	learns := map[string]Step{
		"before start": Start, "after start": Listeners, "before listeners": Listeners, "after listeners": Lock, "before lock": Lock, "after lock": Prepare,
		"before prepare": Prepare, "before drainer": Drainer, "after drainer": Counters, "before counters": Counters, "after counters": Open,
	}
	for _, how := range []error{errDies, toll.Errorf(toll.Invalid, "the configuration is wrong: line 7")} {
		for _, place := range places {
			t.Run(fmt.Sprintf("%s: %v", place, how), func(t *testing.T) {
				t.Parallel()
				r := newRunning(t)
				ours, theirs := pair(t)
				var heir error
				var both sync.WaitGroup
				both.Go(func() { _, _, heir = inherit(theirs, place, how) })
				_, err := Give(t.Context(), ours, r, pause)
				both.Wait()
				if !errors.Is(heir, how) {
					t.Fatalf("the new process ended with %v", heir)
				}
				var at *Error
				if !errors.As(err, &at) || at.Step != learns[place] {
					// A write to who has just died may succeed; it is learnt a step later at the most.
					i := slices.Index(Steps, learns[place])
					if !errors.As(err, &at) || i+1 >= len(Steps) || at.Step != Steps[i+1] {
						t.Fatalf("got %v, want an error at the step %q", err, learns[place])
					}
				}
				var said *toll.Error
				if !errors.Is(how, errDies) && place != "before start" && (!errors.As(err, &said) || !strings.Contains(said.Message, "line 7")) {
					t.Errorf("%v does not say why", err)
				}
				if i := slices.Index(Steps, at.Step); i < slices.Index(Steps, Counters) && slices.Contains(r.steps(), Counters) {
					t.Errorf("requests waited, though it failed at %q", at.Step)
				}
			})
		}
	}
}

func TestTheOldProcessFailsByItselfAndSaysWhere(t *testing.T) {
	t.Parallel()
	broken := errors.New("the database is away")
	for _, step := range []Step{Drainer, Counters} {
		r := newRunning(t)
		r.fail[step] = broken
		ours, theirs := pair(t)
		var both sync.WaitGroup
		both.Go(func() {
			if _, _, err := inherit(theirs, "", nil); err == nil && step == Drainer {
				t.Error("the new process took over")
			}
		})
		_, err := Give(t.Context(), ours, r, pause)
		_ = ours.Close()
		both.Wait()
		var at *Error
		if !errors.As(err, &at) || at.Step != step || !errors.Is(err, broken) {
			t.Errorf("%s: %v", step, err)
		}
	}
}

func TestWhoSaysNothingIsNotWaitedForLongerThanToldTo(t *testing.T) {
	t.Parallel()
	r := newRunning(t)
	ours, _ := pair(t)
	late := errors.New("it was not ready within 1ms")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, late)
	defer cancel()
	if _, err := Give(ctx, ours, r, pause); !errors.Is(err, late) {
		t.Errorf("got %v", err)
	}
	if len(r.steps()) != 0 {
		t.Errorf("asked for %v", r.steps())
	}
}

func TestRequestsDoNotWaitLongForWhoTakesTheCountersAndIsSilent(t *testing.T) {
	t.Parallel()
	r := newRunning(t)
	ours, theirs := pair(t)
	release := make(chan struct{})
	var both sync.WaitGroup
	both.Go(func() {
		h, err := Greet(theirs, "v2")
		if err == nil {
			_, err = h.Listeners(func(Facts) error { return nil })
		}
		if err == nil {
			err = h.Lock((*os.File).Close)
		}
		if err == nil {
			err = h.Drainer(func() error { return nil })
		}
		if err != nil {
			t.Error(err)
		}
		<-release
	})
	_, err := Give(t.Context(), ours, r, time.Millisecond)
	close(release)
	both.Wait()
	var at *Error
	if !errors.As(err, &at) || at.Step != Counters || !errors.Is(err, errPause) {
		t.Errorf("got %v", err)
	}
}

func TestWhoSpeaksAnotherVersionOrNoneOfOursIsRefused(t *testing.T) {
	t.Parallel()
	for name, say := range map[string]func(*Conn) error{
		"another version": func(c *Conn) error { return c.send(hello, greeting{Protocol: Protocol + 1, Version: "v9"}) },
		"another message": func(c *Conn) error { return c.send(serving, nil) },
		"something else":  func(c *Conn) error { _, err := c.unix.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); return err },
		"half a message": func(c *Conn) error {
			_, err := c.unix.Write([]byte{byte(hello), 9})
			return errors.Join(err, c.Close())
		},
	} {
		r := newRunning(t)
		ours, theirs := pair(t)
		if err := say(theirs); err != nil {
			t.Fatal(err)
		}
		_, err := Give(t.Context(), ours, r, pause)
		var at *Error
		if !errors.As(err, &at) || at.Step != Start || len(r.steps()) > 0 {
			t.Errorf("%s: %v, asked for %v", name, err, r.steps())
		}
	}
}

func TestWithEverythingInHandTheNewProcessGoesOnWhenTheOldOneDies(t *testing.T) {
	t.Parallel()
	r := newRunning(t)
	ours, theirs := pair(t)
	took := make(chan struct{})
	var values []int
	var both sync.WaitGroup
	var heir error
	both.Go(func() {
		var h *Heir
		if h, heir = Greet(theirs, "v2"); heir != nil {
			return
		}
		if _, heir = h.Listeners(func(Facts) error { return nil }); heir != nil {
			return
		}
		heir = errors.Join(h.Lock((*os.File).Close), h.Drainer(func() error { return nil }))
		heir = errors.Join(heir, h.Counters(&values, func() error { close(took); return nil }))
	})
	// By hand, so that the old process can die before it says Go.
	var g greeting
	if _, err := ours.receive(hello, &g); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return ours.send(listeners, doors{Facts: r.facts}) },
		func() error { return ours.send(lock, nil, r.lock, wayBack(t)) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		if _, err := ours.receive(taken, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ours.receive(prepared, nil); err != nil {
		t.Fatal(err)
	}
	if err := ours.send(drainer, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := ours.receive(taken, nil); err != nil {
		t.Fatal(err)
	}
	if err := ours.send(counters, r.values); err != nil {
		t.Fatal(err)
	}
	<-took
	_ = ours.Close()
	both.Wait()
	if heir != nil || !slices.Equal(values, r.values) {
		t.Errorf("%v %v, want it to go on with all there is", heir, values)
	}
}

func TestTheServiceManagerIsTold(t *testing.T) {
	dir, err := os.MkdirTemp("", "notify")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	if err := Notify("MAINPID=7", "READY=1"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	n, err := manager.Read(got)
	if err != nil || string(got[:n]) != "MAINPID=7\nREADY=1" {
		t.Errorf("told %q %v", got[:n], err)
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Notify("READY=1"); err != nil {
		t.Errorf("without a manager: %v", err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "nobody"))
	if err := Notify("READY=1"); err == nil {
		t.Error("nobody listens, and nothing was said")
	}
}
