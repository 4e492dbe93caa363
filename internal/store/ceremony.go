package store

import (
	"context"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func scanCeremony(r row) (toll.Ceremony, error) {
	var c toll.Ceremony
	var hash []byte
	err := r.Scan(&hash, &c.Purpose, &c.Binding, &c.Document, (*stamp)(&c.ExpiresAt))
	if err == nil && copy(c.Hash[:], hash) != len(c.Hash) {
		err = fmt.Errorf("the hash of a ceremony has %d bytes", len(hash))
	}
	return c, err
}

func ceremonyFault(doing string) fault {
	return fault{doing: doing, missing: "This step was done already, or too long ago.", exists: "This step was begun already."}
}

// CreateCeremony keeps a first step until its second.
func (s *Store) CreateCeremony(ctx context.Context, c toll.Ceremony) error {
	_, err := s.writer.ExecContext(ctx, `insert into ceremony (hash, purpose, binding, document, expires_at) values ($1, $2, $3, $4, $5)`,
		c.Hash[:], c.Purpose, c.Binding, c.Document, stamp(c.ExpiresAt))
	return s.fail(err, ceremonyFault("keeping a ceremony"))
}

// Ceremony returns a first step and leaves it there. NotFound: there is none
// of that purpose, or it has expired.
func (s *Store) Ceremony(ctx context.Context, hash [32]byte, purpose string, now time.Time) (toll.Ceremony, error) {
	c, err := scanCeremony(s.reader.QueryRowContext(ctx, `select hash, purpose, binding, document, expires_at from ceremony
		where hash = $1 and purpose = $2 and expires_at > $3`, hash[:], purpose, stamp(now)))
	return c, s.fail(err, ceremonyFault("reading a ceremony"))
}

// TakeCeremony returns a first step and forgets it: of many who take it at
// once, one gets it. NotFound: there is none of that purpose, or it has expired.
func (s *Store) TakeCeremony(ctx context.Context, hash [32]byte, purpose string, now time.Time) (toll.Ceremony, error) {
	c, err := scanCeremony(s.writer.QueryRowContext(ctx, `delete from ceremony
		where hash = $1 and purpose = $2 and expires_at > $3 returning hash, purpose, binding, document, expires_at`, hash[:], purpose, stamp(now)))
	return c, s.fail(err, ceremonyFault("taking a ceremony"))
}

// DropCeremonies deletes what expired before a moment.
func (s *Store) DropCeremonies(ctx context.Context, before time.Time) error {
	_, err := s.writer.ExecContext(ctx, `delete from ceremony where expires_at <= $1`, stamp(before))
	return s.fail(err, ceremonyFault("dropping expired ceremonies"))
}
