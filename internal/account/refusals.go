package account

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// AuditStore keeps the audit log beyond what the changes themselves write.
type AuditStore interface {
	// AppendEntry appends an entry that changed no row.
	AppendEntry(ctx context.Context, e toll.Entry) error
	// Entries returns a page of the log, the newest first.
	Entries(ctx context.Context, q toll.EntryQuery) (toll.EntryPage, error)
}

// Refusals counts what people tried and may not do, and sign-ins that failed,
// so that the audit log tells of them without being flooded: one entry for the
// same person, action and customer each time Flush is called, with how often.
// Noting costs a moment in memory whoever it is about, so that the time of an
// answer tells nothing. Safe for concurrent use; the zero Refusals is ready.
type Refusals struct {
	mu      sync.Mutex
	counted map[refusal]*counted
	beyond  int64 // those that had no place
}

type refusal struct {
	kind                       toll.PersonKind
	who, action, customer, obj string
}

type counted struct {
	entry toll.Entry // of the first
	times int64
}

// mostRefusals bounds what is remembered between two flushes.
const mostRefusals = 2000

// Note counts one refusal. Only what would have changed something is counted,
// and failed sign-ins.
func (r *Refusals) Note(ctx context.Context, p Person, action Action, customerID, object string, at time.Time) {
	if r == nil || !action.changes() {
		return
	}
	k := refusal{p.Kind, p.ID, string(action), customerID, object}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.counted[k]; c != nil {
		c.times++
		return
	}
	if len(r.counted) >= mostRefusals {
		r.beyond++
		return
	}
	if r.counted == nil {
		r.counted = make(map[refusal]*counted)
	}
	e := NewEntry(ctx, p, action, bounded(customerID), bounded(object), at, nil, nil)
	e.Outcome = toll.Refused
	r.counted[k] = &counted{entry: e, times: 1}
}

// bounded keeps an ID that somebody made up from filling the log.
func bounded(id string) string { return shorten(id) }

// Flush writes what was counted since the last call. What cannot be written is
// counted on, and the error returned.
func (r *Refusals) Flush(ctx context.Context, store AuditStore, now time.Time) error {
	r.mu.Lock()
	all, beyond := r.counted, r.beyond
	r.counted, r.beyond = nil, 0
	r.mu.Unlock()
	var errs []error
	for k, c := range all {
		e := c.entry
		e.After = Facts{"times": c.times}.text()
		if err := store.AppendEntry(ctx, e); err != nil {
			errs = append(errs, err)
			r.putBack(k, c)
		}
	}
	if beyond > 0 {
		e := NewEntry(ctx, System, "refusals.beyond", "", "", now, nil, Facts{"times": beyond})
		e.Outcome = toll.Refused
		if err := store.AppendEntry(ctx, e); err != nil {
			errs = append(errs, err)
			r.mu.Lock()
			r.beyond += beyond
			r.mu.Unlock()
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs[0], errors.New("some refusals are not in the audit log yet"))
	}
	return nil
}

func (r *Refusals) putBack(k refusal, c *counted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch newer := r.counted[k]; {
	case newer != nil:
		newer.times += c.times
		newer.entry = c.entry
	case len(r.counted) >= mostRefusals:
		r.beyond += c.times
	default:
		if r.counted == nil {
			r.counted = make(map[refusal]*counted)
		}
		r.counted[k] = c
	}
}
