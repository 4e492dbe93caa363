package meter

import (
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Recorder writes this process's usage events and refusals to its journal lane.
// It is safe for concurrent use.
//
//	Open ─► Record ─► last byte ─► Done
//
// Open is for what may last: streams, long uploads, reserved costs. What is
// known at Record is what is billed.
type Recorder struct {
	lane     *journal.Lane
	refusals refusals

	closing chan struct{}
	once    sync.Once
	flusher sync.WaitGroup
}

// Ticket names a record that is to be finished. It is small and copied freely;
// the zero Ticket is none.
type Ticket struct{ ref journal.Ref }

// IsZero tells whether the Ticket names no record.
func (t Ticket) IsZero() bool { return t.ref.IsZero() }

// flushEvery is how long refusals are added up in memory: what a kill may lose
// of them.
const flushEvery = time.Second

// NewRecorder returns a Recorder that writes to a lane, which it closes with itself.
func NewRecorder(lane *journal.Lane) *Recorder {
	r := &Recorder{lane: lane, closing: make(chan struct{})}
	r.refusals.init()
	r.flusher.Go(r.flushInBackground)
	return r
}

// Open writes that an event has begun: when a crash comes before Record, the
// event is listed as Unknown with what e holds now. e.ID is the ID that Record
// will be given. When nothing is to be recorded after all, Done on the Ticket
// closes it without an event. Errors as Record's.
func (r *Recorder) Open(e *toll.Event) (Ticket, error) { return r.append(kindOpen, e) }

// Record writes an event. When it returns without an error the event is counted
// exactly once, whatever happens to the process; the lane's Sync says whether
// that holds for a loss of power too. opened is what Open returned for the
// same event, or the zero Ticket. Neither e nor its slices are kept.
//
// The error is a *toll.Error, Unavailable when the journal cannot take it
// (full disk, failed sync, closing): the request must not be answered as if it
// had been counted. After a failed sync the event may be in the journal all
// the same; it is then listed as undelivered after the restart.
func (r *Recorder) Record(e *toll.Event, opened Ticket) (Ticket, error) {
	kind := kindEvent
	if !opened.IsZero() {
		kind = kindClosing
	}
	t, err := r.append(kind, e)
	if err == nil {
		opened.ref.Finish(journal.Done)
	}
	return t, err
}

// append writes an event and waits until it is as durable as it has to be.
func (r *Recorder) append(kind journal.Kind, e *toll.Event) (Ticket, error) {
	var buffer [1024]byte // on the stack
	ref, err := r.lane.Append(kind, AppendEvent(buffer[:0], e), true)
	if err != nil {
		return Ticket{}, err
	}
	if err := r.lane.Commit(ref); err != nil {
		return Ticket{}, err
	}
	return Ticket{ref}, nil
}

// Done says that the answer's last byte was handed over, or with delivered
// false that the client is known to have left. It never changes what is
// billed: an event without Done is listed as in doubt after a crash. A second
// Done for a Ticket, or one for the zero Ticket, does nothing.
func (r *Recorder) Done(t Ticket, delivered bool) {
	if delivered {
		t.ref.Finish(journal.Done)
	} else {
		t.ref.Finish(journal.NotDelivered)
	}
}

// Refuse counts a refused request. Counts are added up per minute, customer,
// key, service, policy and reason, and written to the journal every second. The
// strings are kept until then: none may be a view into a buffer that is used
// again.
func (r *Recorder) Refuse(now time.Time, customer, key, service, policy string, reason toll.RefusalReason) {
	of := refused{now.Unix() / 60, customer, key, service, policy, reason}
	if !r.refusals.add(of) {
		r.Flush() // this many kinds within a second: rare
		r.refusals.addOrLose(of)
	}
}

// Flush writes the refusals added up so far to the journal. While the journal
// takes none they stay in memory, and what is too much is counted by
// LostRefusals.
func (r *Recorder) Flush() { r.refusals.flush(r.lane) }

// LostRefusals returns how many refusals were not kept because the journal took
// none for so long that there was no room in memory.
func (r *Recorder) LostRefusals() int64 { return r.refusals.lost.Load() }

// Err returns why Record would fail at this moment, nil when it would not.
func (r *Recorder) Err() error { return r.lane.Err() }

func (r *Recorder) flushInBackground() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.Flush()
		case <-r.closing:
			return
		}
	}
}

// Close writes what is left of the refusals and closes the lane: Record fails
// from then on, and events without Done are in doubt. A second call does
// nothing.
func (r *Recorder) Close() error {
	var err error
	r.once.Do(func() {
		close(r.closing)
		r.flusher.Wait()
		r.Flush()
		err = r.lane.Close()
	})
	return err
}
