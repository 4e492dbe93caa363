package accounttest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// record appends an entry to the chain; the caller holds the lock.
func (s *Store) record(e toll.Entry) {
	e.At = micro(e.At)
	s.head = e.Seal(s.head)
	s.entries = append(s.entries, e)
}

// AppendEntry implements account.AuditStore.
func (s *Store) AppendEntry(ctx context.Context, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	s.record(e)
	return nil
}

// enterWith enters for a change that comes with its entry.
func (s *Store) enterWith(ctx context.Context, e toll.Entry) (leave func(), err error) {
	if err := e.Check(); err != nil {
		return nil, err
	}
	return s.enter(ctx)
}

// errNothing is of a change that turned out to change nothing: no entry.
var errNothing = errors.New("nothing was changed")

// withinFor runs do and appends the entry, which it may complete.
func (s *Store) withinFor(ctx context.Context, e *toll.Entry, do func() error) error {
	leave, err := s.enterWith(ctx, *e)
	if err != nil {
		return err
	}
	defer leave()
	switch err := do(); {
	case errors.Is(err, errNothing):
		return nil
	case err != nil:
		return err
	}
	s.record(*e)
	return nil
}

// Entries implements account.AuditStore.
func (s *Store) Entries(ctx context.Context, q toll.EntryQuery) (toll.EntryPage, error) {
	if q.Limit < 0 || q.Limit > 500 || q.Before < 0 {
		return toll.EntryPage{}, toll.FieldError("limit", "A page has 1 to 500 entries.")
	}
	if q.Limit == 0 {
		q.Limit = 50
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return toll.EntryPage{}, err
	}
	defer leave()
	var page toll.EntryPage
	for _, e := range slices.Backward(s.entries) {
		action := q.Action == "" || e.Action == q.Action || strings.HasSuffix(q.Action, ".") && strings.HasPrefix(e.Action, q.Action)
		if !action || q.Who != "" && e.Who != q.Who || q.Customer != "" && e.Customer != q.Customer || q.Object != "" && e.Object != q.Object ||
			q.Outcome != "" && e.Outcome != q.Outcome || q.Before > 0 && e.Seq >= q.Before ||
			!q.Since.IsZero() && e.At.Before(q.Since) || !q.Until.IsZero() && !e.At.Before(q.Until) {
			continue
		}
		if len(page.Entries) == q.Limit {
			page.Next = page.Entries[q.Limit-1].Seq
			break
		}
		page.Entries = append(page.Entries, e)
	}
	return page, nil
}
