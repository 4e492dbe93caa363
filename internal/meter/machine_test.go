package meter_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/meter/journal/journaltest"
	"github.com/tollhouse/tollhouse/internal/meter/metertest"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/lifecycle"
)

const (
	root   = "/data/journal"
	little = 4096 // the smallest segment
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// machine plays random requests, kills, losses of power and failures of the
// drain on the real Recorder and Drainer over an in-memory store, and the same
// on the law's model.
type machine struct {
	files *journaltest.Files
	store *metertest.Memory
	model lifecycle.Model
	ids   *toll.IDs
	power bool // this history may lose power: the lane syncs always

	lane    *journal.Lane
	rec     *meter.Recorder
	drainer *meter.Drainer
	open    map[toll.ULID]meter.Ticket
	done    map[toll.ULID]meter.Ticket
	unsure  map[toll.ULID]bool // finished, but a loss of power may have forgotten that
	begun   int
}

var errKilled = errors.New("killed in the middle of a drain")

// start starts a process: its lane, and what it finds of its predecessors.
func (m *machine) start(t *rapid.T) {
	var err error
	m.lane, err = journal.Create(journal.Options{
		Root: root, Node: "n1", ID: m.ids.New(noon), Files: m.files, SegmentSize: little,
		Sync: journal.Sync{Always: m.power, Every: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.rec = meter.NewRecorder(m.lane)
	m.drainer = m.newDrainer(m.lane)
	m.open, m.done = map[toll.ULID]meter.Ticket{}, map[toll.ULID]meter.Ticket{}
}

func (m *machine) newDrainer(own *journal.Lane) *meter.Drainer {
	return meter.NewDrainer(meter.DrainerOptions{
		Root: root, Sink: m.store, Own: own, Files: m.files, BatchSize: 7, Log: slog.New(slog.DiscardHandler),
	})
}

// event makes the nth event: its outcome decides its class.
func (m *machine) event(t *rapid.T) toll.Event {
	m.begun++
	outcomes := lifecycle.Rows()[1:]
	e := toll.Event{
		Time: noon.Add(time.Duration(m.begun) * time.Second), RequestID: "req",
		Customer: rapid.SampledFrom([]string{"cus_a", "cus_b"}).Draw(t, "customer"), Key: "key_a", Service: "ner", Endpoint: "POST /extractions",
		Class: rapid.SampledFrom(outcomes).Draw(t, "outcome").Class, Status: 200,
		Units: []toll.Amount{{Unit: "words", Count: int64(m.begun)}},
	}
	e.ID = m.ids.New(e.Time)
	return e
}

// one picks a request in one of the states, or skips the step.
func (m *machine) one(t *rapid.T, states ...lifecycle.State) toll.ULID {
	ids := m.model.In(states...)
	if len(ids) == 0 {
		t.SkipNow()
	}
	return rapid.SampledFrom(ids).Draw(t, "request")
}

func (m *machine) record(t *rapid.T, e toll.Event, opened meter.Ticket) {
	ticket, err := m.rec.Record(&e, opened)
	if err != nil {
		t.Fatal(err)
	}
	m.done[e.ID] = ticket
	m.model.Record(e)
}

// actions are the steps of the machine.
func (m *machine) actions() map[string]func(*rapid.T) {
	events := map[toll.ULID]toll.Event{}
	admit := func(t *rapid.T) toll.Event {
		e := m.event(t)
		events[e.ID] = e
		m.model.Admit(e)
		return e
	}
	serve := func(t *rapid.T) { // a whole request, as most are
		e := admit(t)
		m.record(t, e, meter.Ticket{})
		m.model.LastByte(e.ID)
		m.rec.Done(m.done[e.ID], true)
		m.model.Done(e.ID)
	}
	open := func(t *rapid.T) toll.Event {
		e := admit(t)
		ticket, err := m.rec.Open(&e)
		if err != nil {
			t.Fatal(err)
		}
		m.open[e.ID] = ticket
		m.model.Open(e.ID)
		return e
	}
	return map[string]func(*rapid.T){
		"serve": serve,
		"serve many": func(t *rapid.T) {
			for range 20 {
				serve(t)
			}
		},
		"admit": func(t *rapid.T) { admit(t) },
		"open":  func(t *rapid.T) { open(t) },
		"open and record": func(t *rapid.T) {
			e := open(t)
			m.record(t, e, m.open[e.ID])
		},
		"stream for long beside one that never ends": func(t *rapid.T) {
			e := open(t)
			m.record(t, admit(t), meter.Ticket{})
			for range 40 { // more than a segment
				serve(t)
			}
			m.record(t, e, m.open[e.ID])
			m.rec.Done(m.done[e.ID], true)
			m.model.Done(e.ID)
			for range 40 {
				serve(t)
			}
			if rapid.Bool().Draw(t, "drain") {
				if err := m.drainer.Flush(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
		},
		"record": func(t *rapid.T) {
			id := m.one(t, lifecycle.Admitted, lifecycle.Opened)
			m.record(t, events[id], m.open[id])
		},
		"last byte": func(t *rapid.T) { m.model.LastByte(m.one(t, lifecycle.Recorded)) },
		"done": func(t *rapid.T) {
			id := m.one(t, lifecycle.Recorded, lifecycle.Acknowledged)
			m.rec.Done(m.done[id], rapid.Bool().Draw(t, "delivered"))
			m.model.Done(id)
		},
		"refuse": func(t *rapid.T) {
			m.rec.Refuse(noon, "cus_a", "key_a", "ner", rapid.SampledFrom([]string{"minute", "monthly"}).Draw(t, "policy"), toll.RefusedLimit)
			m.model.Refuse()
		},
		"write refusals": func(t *rapid.T) {
			m.rec.Flush()
			if _, err := m.lane.Sync(); err != nil {
				t.Fatal(err)
			}
			m.model.FlushRefusals()
		},
		"drain": func(t *rapid.T) {
			if err := m.drainer.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			m.check(t)
		},
		"drain, losing an answer": func(t *rapid.T) {
			times := rapid.IntRange(0, 3).Draw(t, "after")
			m.store.Lost = func(*meter.Batch) error {
				if times--; times == 0 {
					return meter.ErrCursorMoved // as when it is tried again after a commit whose answer was lost
				}
				return nil
			}
			if err := m.drainer.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			m.store.Lost = nil
		},
		"kill": func(t *rapid.T) {
			m.lane.Abandon()
			_ = m.rec.Close() // ends its goroutine; the lane takes nothing any more
			m.model.Kill()
			m.restart(t)
		},
		"lose power": func(t *rapid.T) {
			if !m.power {
				t.SkipNow()
			}
			for _, id := range m.model.In(lifecycle.Finished) {
				m.unsure[id] = true
			}
			m.lane.Abandon()
			_ = m.rec.Close()
			luck := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "luck"), 1))
			m.files.PowerLoss(func(int64) bool { return luck.IntN(3) == 0 })
			m.model.Kill()
			m.restart(t)
		},
		"end": func(t *rapid.T) {
			if err := m.rec.Close(); err != nil {
				t.Fatal(err)
			}
			m.model.Close()
			m.restart(t)
		},
	}
}

// restart starts the next process, which is itself killed a few times while it
// drains what it found: at a call of the store, before or after it took effect,
// or at a call of the file system.
func (m *machine) restart(t *rapid.T) {
	for range rapid.IntRange(0, 3).Draw(t, "kills while draining") {
		ctx, kill := context.WithCancel(context.Background())
		at := rapid.IntRange(1, 6).Draw(t, "at")
		killed := func() error {
			if at--; at == 0 {
				kill()
			}
			if at <= 0 {
				return errKilled
			}
			return nil
		}
		switch rapid.SampledFrom([]string{"before the store", "after the store", "in the files"}).Draw(t, "killed") {
		case "before the store":
			m.store.Fail = func(*meter.Batch) error { return killed() }
		case "after the store":
			m.store.Lost = func(*meter.Batch) error { return killed() }
		case "in the files":
			m.files.Fault(func(op, _ string) error {
				if op == "remove" || op == "rename" || op == "syncdir" || op == "list" {
					return killed()
				}
				return nil
			})
		}
		err := m.newDrainer(nil).DrainDead(ctx)
		if err != nil && !errors.Is(err, errKilled) && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		kill()
		m.store.Fail, m.store.Lost = nil, nil
		m.files.Fault(nil)
	}
	m.start(t)
	if err := m.drainer.DrainDead(context.Background()); err != nil {
		t.Fatal(err)
	}
	if found, err := journal.Lanes(m.files, root); err != nil || len(found) != 1 {
		t.Fatalf("lanes %v, %v: want the new one only", found, err)
	}
	for _, lane := range m.store.Lanes() {
		t.Fatalf("the cursor of %s was not forgotten", lane)
	}
	m.check(t)
}

// check compares the store with the model: exactly for ended processes, and for
// what runs no more than was recorded.
func (m *machine) check(t *rapid.T) {
	want := m.model.Stored()
	doubts, err := m.store.Doubts(context.Background(), noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	doubted := map[toll.ULID]string{}
	for _, d := range doubts {
		doubted[d.Event.ID] = d.Kind
	}
	running := m.model.In(lifecycle.Recorded, lifecycle.Acknowledged, lifecycle.Finished)
	stored := 0
	for _, e := range m.store.All() {
		w, there := want[e.ID]
		if !there {
			t.Fatalf("%s is stored and was never recorded", e.ID)
		}
		if !reflect.DeepEqual(e, w.Event) {
			t.Fatalf("%s is stored as\n%+v, was recorded as\n%+v", e.ID, e, w.Event)
		}
		if got := doubted[e.ID]; got != string(w.Doubt) && (got != meter.DoubtUndelivered || !m.unsure[e.ID]) {
			t.Fatalf("%s has the doubt %q, want %q", e.ID, got, w.Doubt)
		}
		if slices.Contains(running, e.ID) {
			continue
		}
		stored++
	}
	if ended := len(want) - len(running); stored != ended {
		t.Fatalf("%d events of ended processes are stored, want %d", stored, ended)
	}
	if _, most := m.model.Refusals(); m.refusals(t) > most {
		t.Fatalf("%d refusals are stored, want %d at most", m.refusals(t), most)
	}
}

func (m *machine) refusals(t *rapid.T) (n int64) {
	points, err := m.store.Refusals(context.Background(), meter.RefusalQuery{From: noon, To: noon.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range points {
		n += p.Count
	}
	return n
}

func TestEveryRecordedEventIsStoredOnceWhateverIsKilledWhen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { play(t, false) })
}

func TestEveryRecordedEventIsStoredOnceWhenPowerIsLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { play(t, true) })
}

func play(t *rapid.T, power bool) {
	m := &machine{files: journaltest.New(t), store: &metertest.Memory{}, power: power, unsure: map[toll.ULID]bool{}}
	m.ids = toll.NewIDs(rand.NewChaCha8([32]byte{1}))
	m.start(t)
	t.Repeat(m.actions())
	if err := m.rec.Close(); err != nil {
		t.Fatal(err)
	}
	m.model.Close()
	m.restart(t)
	least, most := m.model.Refusals()
	if n := m.refusals(t); n < least || n > most {
		t.Fatalf("%d refusals are stored, want %d to %d", n, least, most)
	}
	for _, customer := range []string{"cus_a", "cus_b"} {
		want := m.model.Used(customer, "words")
		used, err := m.store.UsedBetween(context.Background(), noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		var got int64
		for _, u := range used {
			if u.Customer == customer && u.Unit == "words" {
				got = u.Count
			}
		}
		if got != want {
			t.Fatalf("%s has used %d words, want %d", customer, got, want)
		}
	}
	_ = m.rec.Close()
}
