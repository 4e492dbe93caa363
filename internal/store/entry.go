package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const entryColumns = `seq, at, kind, who, role, signed_as, way, through, ip, action, customer_id, object, before, after, request_id, outcome, prev, hash`

func scanEntry(r row) (toll.Entry, error) {
	var e toll.Entry
	var prev, hash []byte
	err := r.Scan(&e.Seq, (*stamp)(&e.At), &e.Kind, &e.Who, &e.Role, &e.As, &e.Way, &e.Through, &e.IP, &e.Action, &e.Customer, &e.Object,
		&e.Before, &e.After, &e.RequestID, &e.Outcome, &prev, &hash)
	if err == nil && copy(e.Prev[:], prev)+copy(e.Hash[:], hash) != len(e.Prev)+len(e.Hash) {
		err = fmt.Errorf("a hash of audit entry %d has not 32 bytes", e.Seq)
	}
	return e, err
}

// errNothing ends a recorded change that turned out to change nothing: it is
// committed without an entry.
var errNothing = errors.New("nothing was changed")

// record runs fn and appends the entry of what it changed, in one transaction:
// both are there or neither. Every method that changes something for somebody
// goes through here. fn may run several times, as in write; it may complete the
// entry, which is appended after it.
func (s *Store) record(ctx context.Context, f fault, e *toll.Entry, fn func(tx transaction) error) error {
	if err := e.Check(); err != nil {
		return err
	}
	return s.write(ctx, f, func(tx transaction) error {
		err := fn(tx)
		if errors.Is(err, errNothing) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.enter(ctx, tx, *e)
	})
}

// once explains a change of a row that is made once: no row was touched because
// it was made before (errNothing), or because there is no such row.
func once(ctx context.Context, tx transaction, table, id string, err error) error {
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	var one int
	if err := tx.QueryRowContext(ctx, `select 1 from `+table+` where id = $1`, id).Scan(&one); err != nil {
		return err
	}
	return errNothing
}

// enter appends an entry in a transaction. The head's row is the lock that all
// processes queue at until who has it commits, so that the chain cannot fork:
// append last, when everything else of the change is done.
func (s *Store) enter(ctx context.Context, tx transaction, e toll.Entry) error {
	if err := e.Check(); err != nil {
		return err
	}
	for _, text := range []*string{&e.Who, &e.Role, &e.As, &e.Through, &e.IP, &e.Action, &e.Customer, &e.Object, &e.Before, &e.After, &e.RequestID} {
		*text = mend(*text) // an odd byte must not keep a change from being recorded
	}
	head, err := readHead(ctx, tx, s.engine.lockRow())
	if err != nil {
		return fmt.Errorf("read the head of the audit log: %w", err)
	}
	head = e.Seal(head)
	if _, err := tx.ExecContext(ctx, `insert into audit_entry (`+entryColumns+`)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
		e.Seq, stamp(e.At), string(e.Kind), e.Who, e.Role, e.As, string(e.Way), e.Through, e.IP, e.Action, e.Customer, e.Object,
		e.Before, e.After, e.RequestID, string(e.Outcome), e.Prev[:], e.Hash[:]); err != nil {
		return fmt.Errorf("append to the audit log: %w", err)
	}
	return change(ctx, tx, `update audit_head set seq = $1, hash = $2 where id = 1`, head.Seq, head.Hash[:])
}

func readHead(ctx context.Context, db execer, lock string) (toll.AuditHead, error) {
	var head toll.AuditHead
	var hash []byte
	err := db.QueryRowContext(ctx, `select seq, hash from audit_head where id = 1`+lock).Scan(&head.Seq, &hash)
	if err == nil && copy(head.Hash[:], hash) != len(head.Hash) {
		err = errors.New("its hash has not 32 bytes")
	}
	return head, err
}

// AppendEntry appends to the audit log something that changed no row here: an
// attempt that was refused, a reload.
func (s *Store) AppendEntry(ctx context.Context, e toll.Entry) error {
	return s.record(ctx, fault{doing: "appending to the audit log"}, &e, func(transaction) error { return nil })
}

// AuditHead returns the last entry's place in the chain; the zero head when
// there is none yet.
func (s *Store) AuditHead(ctx context.Context) (toll.AuditHead, error) {
	head, err := readHead(ctx, s.reader, "")
	return head, s.fail(err, fault{doing: "reading the head of the audit log", missing: "The audit log has lost its head: the row of audit_head was deleted."})
}

// VerifyAudit reads the whole audit log as it is at one moment and holds it to
// its chain, its head and the anchors. A *toll.ChainError names the first entry
// that does not fit. It returns what fitted.
func (s *Store) VerifyAudit(ctx context.Context, anchors []toll.AuditHead) (toll.AuditHead, error) {
	chain := toll.Chain{Anchors: anchors}
	var broken *toll.ChainError
	err := s.read(ctx, func(tx *sql.Tx) error {
		for {
			batch, err := collect(ctx, tx, scanEntry, `select `+entryColumns+` from audit_entry where seq > $1 order by seq limit $2`, chain.Head().Seq, batchRows)
			if err != nil {
				return err
			}
			for i := range batch {
				if err := chain.Next(&batch[i]); err != nil {
					return err
				}
			}
			if len(batch) < batchRows {
				break
			}
		}
		head, err := readHead(ctx, tx, "")
		if err != nil {
			return fmt.Errorf("read the head of the audit log: %w", err)
		}
		return chain.End(head)
	})
	if errors.As(err, &broken) {
		return chain.Head(), broken
	}
	return chain.Head(), s.fail(err, fault{doing: "verifying the audit log", missing: "The audit log has lost its head: the row of audit_head was deleted."})
}

// Entries returns a page of the audit log, the newest first. Invalid: a Limit
// outside of 0 to 500, a Before below 0.
func (s *Store) Entries(ctx context.Context, q toll.EntryQuery) (toll.EntryPage, error) {
	var page toll.EntryPage
	if q.Limit == 0 {
		q.Limit = defaultPage
	}
	switch {
	case q.Limit < 0 || q.Limit > largestPage:
		return page, toll.FieldError("limit", "A page holds 1 to %d entries.", largestPage)
	case q.Before < 0:
		return page, toll.FieldError("before", "This is no place in the log; begin again with the first page.")
	}
	if err := refuseUnstorable(field{"who", q.Who}, field{"action", q.Action}, field{"customer", q.Customer}, field{"object", q.Object}, field{"outcome", string(q.Outcome)}); err != nil {
		return page, err
	}
	c := entryConditions(&q)
	query := `select ` + entryColumns + ` from audit_entry` + c.where() + ` order by seq desc limit ` + c.arg(q.Limit+1)
	found, err := collect(ctx, s.reader, scanEntry, query, c.args...)
	if err != nil {
		return page, s.fail(err, fault{doing: "reading the audit log"})
	}
	page.Entries = found
	if len(found) > q.Limit { // the one too many only tells that there is more
		page.Entries = found[:q.Limit]
		page.Next = found[q.Limit-1].Seq
	}
	return page, nil
}

func entryConditions(q *toll.EntryQuery) *conditions {
	c := new(conditions)
	for _, is := range []struct{ column, value string }{{"who", q.Who}, {"customer_id", q.Customer}, {"object", q.Object}, {"outcome", string(q.Outcome)}} {
		if is.value != "" {
			c.add(is.column + ` = ` + c.arg(is.value))
		}
	}
	switch {
	case strings.HasSuffix(q.Action, "."):
		c.add(`action >= ` + c.arg(q.Action) + ` and action < ` + c.arg(strings.TrimSuffix(q.Action, ".")+"/")) // '/' comes after '.'
	case q.Action != "":
		c.add(`action = ` + c.arg(q.Action))
	}
	if !q.Since.IsZero() {
		c.add(`at >= ` + c.arg(stamp(q.Since)))
	}
	if !q.Until.IsZero() {
		c.add(`at < ` + c.arg(stamp(q.Until)))
	}
	if q.Before > 0 {
		c.add(`seq < ` + c.arg(q.Before))
	}
	return c
}
