package meter_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/meter/journal/journaltest"
	"github.com/tollhouse/tollhouse/internal/meter/metertest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// A failpoint is a call to the outside that can fail, or be the last thing that a
// process did: what was under way, the call, and what it was about, as in
// "drain: remove segment".
type failpoint string

// mode is what happens at a failpoint.
type mode string

const (
	failsOnce   mode = "fails once"
	failsOn     mode = "fails until the restart"
	isFull      mode = "finds the disk full"
	writesShort mode = "writes half of it"
	isKilled    mode = "is killed there"
	losesPower  mode = "loses power there"
)

// fault is one thing that happens in a history.
type fault struct {
	at   failpoint
	nth  int // which time it comes there, from 1
	mode mode
}

// faulted plays a fixed history of several processes over one data directory,
// with whatever happens at its failpoints: the lane of a process is filled,
// rotated, drained, trimmed, taken over by another process while it is written,
// closed, killed and finished. Every call to files and store is a failpoint.
type faulted struct {
	files  *journaltest.Files
	store  *metertest.Memory
	faults []fault

	mu      sync.Mutex
	doing   string
	visited map[failpoint]int
	renamed map[string]bool
	failing bool // everything fails from here on, until the restart
	gone    bool // the machine is killed, or without power
	power   bool // it was the power
	end     context.CancelFunc
	ctx     context.Context

	begun, acknowledged map[toll.ULID]toll.Event
	damaged             bool // a record that does not decode was appended
	events              int
}

var (
	errFault = fmt.Errorf("a fault of the test: %w", syscall.EIO)
	errGone  = errors.New("there is no process any more")
)

func newFaulted(t interface{ Cleanup(func()) }, faults ...fault) *faulted {
	f := &faulted{
		files: journaltest.New(t), store: &metertest.Memory{}, faults: faults, visited: map[failpoint]int{}, renamed: map[string]bool{},
		begun: map[toll.ULID]toll.Event{}, acknowledged: map[toll.ULID]toll.Event{},
	}
	f.files.Fault(func(op, name string) error {
		what := f.roleOf(op, name)
		doing := f.now()
		if what == "new segment" && doing != "make" {
			doing = "rotate" // in the background, beside whatever is done
		}
		return f.visit(failpoint(doing + ": " + op + " " + what))
	})
	return f
}

// roleOf says what a file is. An open segment keeps the name that it was made under.
func (f *faulted) roleOf(op, name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch op {
	case "create":
		delete(f.renamed, name)
	case "rename":
		defer func() { f.renamed[name] = true }()
	}
	base := filepath.Base(name)
	switch {
	case f.renamed[name]:
		return "segment"
	case base == "lock":
		return "lock"
	case strings.HasSuffix(base, ".thj.new"):
		return "new segment"
	case strings.HasSuffix(base, ".thj"):
		return "segment"
	case strings.HasSuffix(base, ".damaged"):
		return "damaged lane"
	case strings.HasSuffix(base, ".new"):
		return "new lane"
	case base == "n1":
		return "node"
	case name == root:
		return "journal"
	case name == filepath.Dir(root):
		return "data"
	}
	return "lane"
}

func (f *faulted) now() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.doing
}

// visit tells what happens at a failpoint at this moment.
func (f *faulted) visit(at failpoint) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone {
		return errGone
	}
	f.visited[at]++
	for _, fault := range f.faults {
		if fault.at != at || fault.nth != f.visited[at] {
			continue
		}
		switch fault.mode {
		case failsOnce:
			return errFault
		case failsOn:
			f.failing = true
		case isFull:
			return syscall.ENOSPC
		case writesShort:
			return journaltest.ErrShortWrite
		case isKilled, losesPower:
			f.gone, f.power = true, fault.mode == losesPower
			f.end()
			return errGone
		}
	}
	if f.failing {
		return errFault
	}
	return nil
}

// Cursor, Drain and ForgetLane make the store's calls failpoints: before they
// took effect, and after.
func (f *faulted) Cursor(ctx context.Context, lane string) (meter.Position, error) {
	if err := f.visit(failpoint(f.now() + ": read cursor")); err != nil {
		return meter.Position{}, err
	}
	return f.store.Cursor(ctx, lane)
}

func (f *faulted) Drain(ctx context.Context, b *meter.Batch) error {
	if err := f.visit(failpoint(f.now() + ": commit, before")); err != nil {
		return err
	}
	if err := f.store.Drain(ctx, b); err != nil {
		return err
	}
	return f.visit(failpoint(f.now() + ": commit, after"))
}

func (f *faulted) ForgetLane(ctx context.Context, lane string) error {
	if err := f.visit(failpoint(f.now() + ": forget cursor, before")); err != nil {
		return err
	}
	if err := f.store.ForgetLane(ctx, lane); err != nil {
		return err
	}
	return f.visit(failpoint(f.now() + ": forget cursor, after"))
}

// worker is one process.
type worker struct {
	*house
	of *faulted
}

// do does something that has a name, unless the machine is gone.
func (f *faulted) do(what string, act func()) {
	f.mu.Lock()
	f.doing = what
	gone := f.gone
	f.mu.Unlock()
	if !gone {
		act()
	}
	synctest.Wait() // also the background has come to rest
}

// start starts a process: it tries a few times, as whoever starts it would.
func (f *faulted) start(n byte) (w *worker) {
	f.do("make", func() {
		for try := range byte(3) {
			lane, err := journal.Create(journal.Options{
				Root: root, Node: "n1", ID: toll.ULID{1, 14: try, 15: n}, Files: f.files, SegmentSize: little, Sync: journal.Sync{Always: true},
			})
			if err != nil {
				continue
			}
			w = &worker{&house{files: f.files, store: f.store, lane: lane, rec: meter.NewRecorder(lane)}, f}
			w.drainer = meter.NewDrainer(meter.DrainerOptions{Root: root, Sink: f, Own: lane, Files: f.files, Log: quiet, BatchSize: 20})
			synctest.Wait()
			return
		}
	})
	return w
}

// work records events, most of them to their end.
func (w *worker) work(n int) {
	if w == nil {
		return
	}
	w.of.do("append", func() {
		for range n {
			w.one()
		}
	})
}

func (w *worker) one() {
	f := w.of
	n := f.events
	f.events++
	e := event(n)
	f.begun[e.ID] = e
	var opened meter.Ticket
	var err error
	if n%7 == 3 {
		if opened, err = w.rec.Open(&e); err != nil {
			return
		}
		if n%70 == 3 {
			return // it stays open
		}
	}
	ticket, err := w.rec.Record(&e, opened)
	if err != nil {
		return // the client is told that it was not counted
	}
	if f.isGone() {
		return // what came after is nothing that a client has seen
	}
	f.acknowledged[e.ID] = e
	if n%40 != 5 { // some stay in doubt, and keep their segment
		w.rec.Done(ticket, true)
	}
}

func (f *faulted) isGone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gone
}

// flush drains what the process writes, and what it follows.
func (w *worker) flush(doing string) {
	if w != nil {
		w.of.do(doing, func() { _ = w.drainer.Flush(w.of.patience()) })
	}
}

// finish drains the lanes of ended processes.
func (w *worker) finish(doing string) {
	if w != nil {
		w.of.do(doing, func() { _ = w.drainer.DrainDead(w.of.patience()) })
	}
}

func (w *worker) close() {
	if w != nil {
		w.of.do("close", func() { _ = w.rec.Close() })
	}
}

// patience bounds how long a drain insists.
func (f *faulted) patience() context.Context {
	ctx, cancel := context.WithTimeout(f.ctx, time.Minute)
	context.AfterFunc(f.ctx, cancel)
	return ctx
}

// play plays the history, restarts what is left of it on a sound machine, and
// says what is wrong: "" when nothing is.
func (f *faulted) play(luck *rand.Rand, sizes [4]int) string {
	f.ctx, f.end = context.WithCancel(context.Background())
	defer f.end()
	var workers []*worker
	start := func(n byte) *worker {
		w := f.start(n)
		if w != nil {
			workers = append(workers, w)
		}
		return w
	}
	a := start(1)
	a.work(sizes[0])
	a.flush("drain")
	a.work(sizes[1])
	a.flush("drain")
	b := start(2) // takes over, as at an upgrade
	b.finish("follow")
	a.work(sizes[2])
	b.flush("follow")
	if a != nil {
		f.do("append", func() {
			_, err := a.lane.Append(2, []byte{1, 2, 3}, false) // an event that is none
			f.damaged = err == nil
		})
	}
	a.work(3)
	a.close()
	b.finish("finish")
	b.work(sizes[3])
	if b != nil {
		f.do("kill", b.house.kill)
	}
	c := start(3)
	c.finish("finish")
	c.work(5)
	c.flush("drain")
	c.close()

	f.mu.Lock()
	power := f.power
	f.gone, f.failing, f.faults = true, false, nil
	f.mu.Unlock()
	for _, w := range workers {
		w.house.kill()
	}
	if power {
		f.files.PowerLoss(func(int64) bool { return luck.IntN(3) == 0 })
	}
	f.files.Fault(nil)
	last := meter.NewDrainer(meter.DrainerOptions{Root: root, Sink: f.store, Files: f.files, Log: quiet})
	if err := last.DrainDead(context.Background()); err != nil {
		return fmt.Sprintf("what is left cannot be drained: %v", err)
	}
	return f.verdict()
}

// verdict compares what is stored with what was acknowledged.
func (f *faulted) verdict() string {
	doubts, err := f.store.Doubts(context.Background(), noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0))
	if err != nil {
		return err.Error()
	}
	doubted := map[toll.ULID]bool{}
	for _, d := range doubts {
		doubted[d.Event.ID] = true
	}
	missing := len(f.acknowledged)
	for _, e := range f.store.All() { // each once: the store refuses a second, and then a lane could not be finished
		want, begun := f.begun[e.ID]
		_, acknowledged := f.acknowledged[e.ID]
		if e.Class == toll.Unknown {
			want.Class = toll.Unknown
		}
		switch {
		case !begun || !reflect.DeepEqual(e, want):
			return fmt.Sprintf("stored %+v, begun %+v", e, want)
		case acknowledged && e.Class == toll.Unknown:
			return fmt.Sprintf("%s was acknowledged, and is unknown", e.ID)
		case acknowledged:
			missing--
		case !doubted[e.ID]:
			return fmt.Sprintf("%s is stored, was not acknowledged, and is not in doubt", e.ID)
		}
	}
	if missing > 0 {
		return fmt.Sprintf("%d of %d acknowledged events are lost", missing, len(f.acknowledged))
	}
	if lanes, err := journal.Lanes(f.files, root); err != nil || len(lanes) > 0 || len(f.store.Lanes()) > 0 {
		return fmt.Sprintf("left: lanes %v, %v, cursors %v", lanes, err, f.store.Lanes())
	}
	if f.damaged && !f.power {
		names, _ := f.files.List(filepath.Join(root, "n1"))
		if !strings.Contains(strings.Join(names, " "), ".damaged") {
			return fmt.Sprintf("the damaged segment was not kept aside: %v", names)
		}
	}
	return ""
}
