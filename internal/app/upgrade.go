package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/handover"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Program is how a server was started, so that an upgrade can start it again.
type Program struct {
	Path string // absolute, as it was called: a symbolic link is followed anew
	Args []string
}

// ThisProgram is how this process was started.
func ThisProgram() (*Program, error) {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil { // called by a name that leads nowhere
		if path, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	return &Program{Path: path, Args: os.Args[1:]}, nil
}

// UpgradeRequest asks a running server to hand over to a new program.
type UpgradeRequest struct {
	Binary  string        `json:"binary"`  // absolute; "": the path that the server was started by
	Timeout time.Duration `json:"timeout"` // for all of it
}

// Upgraded is an upgrade that came about.
type Upgraded struct {
	PID     int           `json:"pid"` // of the new process
	Was     int           `json:"was"` // of the old one, which ends with its last connection
	Version string        `json:"version"`
	Took    time.Duration `json:"took_ns"`   // from the start of the new process until it served
	Waited  time.Duration `json:"waited_ns"` // so long requests waited at the most
}

// upgradePause is how long requests may wait for a new process at the most.
const upgradePause = 5 * time.Second

func upgradeOperation(ctx context.Context, r *rooms, in UpgradeRequest) (Upgraded, error) {
	if r.upgrade == nil {
		return Upgraded{}, toll.Errorf(toll.Unavailable, "no server runs on %s; start the new program with `tollhouse serve`", r.at.Data)
	}
	return r.upgrade(ctx, in)
}

// Upgrade starts a new program and hands everything over to it, in the order
// of package handover. After an error this process serves as before, and the
// new one has ended. Without one this process is leaving: it finishes what is
// on its connections, and Run returns then.
func (a *App) Upgrade(ctx context.Context, in UpgradeRequest) (out Upgraded, err error) {
	if a.program == nil {
		return out, toll.Errorf(toll.Conflict, "the demo cannot be upgraded: its example services and its address live in the one process. Stop it and start the new program; its data stay")
	}
	if os.Getpid() == 1 {
		return out, toll.Errorf(toll.Conflict, "this server is process 1 of a container, which ends with it; start a container with the new program beside this one")
	}
	if a.outage.Load() != nil {
		return out, toll.Errorf(toll.Unavailable, "the database is away, and a new process cannot take over without it; a restart can, from the same snapshot as this one")
	}
	if !a.upgrading.CompareAndSwap(false, true) {
		return out, toll.Errorf(toll.Conflict, "an upgrade of this server is under way already; wait for its end")
	}
	defer func() {
		if err != nil {
			a.upgrading.Store(false)
		}
	}()
	binary := in.Binary
	if binary == "" {
		binary = a.program.Path
	}
	if _, err := exec.LookPath(binary); err != nil {
		return out, toll.Errorf(toll.Invalid, "%s cannot be started (%w); name the new program with --binary", binary, why(err))
	}
	ctx, cancel := context.WithTimeoutCause(ctx, in.Timeout, toll.Errorf(toll.Unavailable, "it was not ready within %s (--timeout allows more); is it a Tollhouse?", in.Timeout))
	defer cancel()
	defer context.AfterFunc(a.running, cancel)() // who stops the server wants no other in its place
	a.log.Info("upgrade: starting the new program", "program", binary)
	began := time.Now()
	process, err := handover.Launch(binary, a.program.Args)
	if err != nil {
		return out, toll.Errorf(toll.Unavailable, "the new program does not start: %w", err)
	}
	estate := &estate{app: a}
	s, err := a.give(ctx, process, estate)
	if err != nil {
		a.log.Warn("upgrade: nothing was handed over; this process serves as before", "program", binary, "error", err)
		return out, err
	}
	out = Upgraded{PID: process.PID(), Was: os.Getpid(), Version: s.Version, Took: time.Since(began), Waited: s.Waited}
	a.log.Info("upgrade: the new process serves; this one finishes what is on its connections",
		"pid", out.PID, "version", out.Version, "took", out.Took, "requests_waited", out.Waited)
	return out, nil
}

// give hands over, and takes everything back when that fails.
func (a *App) give(ctx context.Context, process *handover.Process, e *estate) (handover.Successor, error) {
	a.told.begin()
	s, err := handover.Give(ctx, process.Conn, e, upgradePause)
	if err != nil {
		a.told.forget()
		ended := false
		select {
		case <-process.Ended():
			ended = true
		case <-time.After(100 * time.Millisecond): // its end may come a moment after its silence
		}
		status := ""
		if ended {
			status = process.Status()
		}
		err = errors.Join(whyNot(err, status), process.End())
		e.takeBack() // not before the new process is gone
		return s, err
	}
	a.leave(newSuccessor(process.Conn, s.Back))
	if err := handover.Notify("MAINPID=" + strconv.Itoa(process.PID())); err != nil {
		a.log.Warn("the service manager was not told of the new process", "error", err)
	}
	return s, nil
}

// whyNot says why nothing was handed over; status is how the new process
// ended by itself, "" when it did not.
func whyNot(err error, status string) error {
	var at *handover.Error
	if !errors.As(err, &at) {
		return err
	}
	var said *toll.Error
	switch {
	case errors.As(at.Cause, &said): // in its own words
		return toll.Errorf(toll.Unavailable, "nothing was changed, the server runs as before: the new program did not take over: %w", said)
	case errors.Is(at.Cause, context.Canceled):
		return toll.Errorf(toll.Unavailable, "nothing was changed, the server runs as before: the upgrade was broken off")
	case status != "":
		return toll.Errorf(toll.Unavailable, "nothing was changed, the server runs as before: the new program ended (%s) at the step %q; what it said is in the server's log", status, at.Step)
	}
	return toll.Errorf(toll.Unavailable, "nothing was changed, the server runs as before: the new program failed at the step %q: %w", at.Step, at.Cause)
}

// why is an error of the file system without the path, which was said before.
func why(err error) error {
	var lookup *exec.Error
	if errors.As(err, &lookup) {
		err = lookup.Err
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// estate is this process, as far as it is handed over; a handover.Estate.
type estate struct {
	app      *App
	stopped  bool         // the drainer
	counters *gate.Estate // nil: not given
}

// Facts are what the new process may not have otherwise: what is counted hangs on it.
func (e *estate) Facts() handover.Facts { return factsOf(e.app.cfg) }

func factsOf(cfg *config.Config) handover.Facts {
	return handover.Facts{
		"data": cfg.Data, "database": fingerprint(string(cfg.Database)), "time_zone": zoneName(cfg.TimeZone),
		"redis": fingerprint(cfg.Redis.Reveal()),
	}
}

func (e *estate) Listeners() []handover.Listener {
	a := e.app
	listen := a.cfg.Listen
	var all []handover.Listener
	for _, d := range a.doors() {
		address := map[string]string{"http": listen.HTTP, "https": listen.HTTPS, "admin": listen.Admin, "authorize": listen.Authorize}[d.name]
		if socket, ok := (*d.at).(socket); ok {
			all = append(all, handover.Listener{Name: d.name, Address: address, Socket: socket})
		}
	}
	return all
}

func (e *estate) Lock() *os.File { return e.app.rooms.lock.File() }

func (e *estate) StopDraining(ctx context.Context) error {
	a := e.app
	// What is there by now is brought in first: the new process then has little to do.
	if err := a.drainer.Flush(ctx); err != nil && ctx.Err() != nil {
		return err
	}
	e.stopped = true
	a.draining.Store(false)
	a.stopDrainer()
	a.drained.Wait()
	return nil
}

func (e *estate) Counters() (any, error) {
	e.counters = e.app.gate.Depart()
	return inheritance{Counters: *e.counters, Changes: e.app.told.take()}, nil
}

// takeBack undoes what was given to a process that has ended.
func (e *estate) takeBack() {
	if e.counters != nil {
		e.app.gate.Stay(e.counters)
	}
	if e.stopped {
		e.app.startDrainer()
	}
}
