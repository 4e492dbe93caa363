package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
)

// partSize is how large a part of a file's content is, in bytes: small beside
// what a process may hold, large beside what a row costs.
const partSize = 256 << 10

// insertParts writes the content of a file, in parts, into a table of them.
// Every replica reads it there, and it is in every backup.
func insertParts(ctx context.Context, tx transaction, table, owner string, content io.ReaderAt, size int64) error {
	statement, err := tx.PrepareContext(ctx, `insert into `+table+` (owner, part, content) values ($1, $2, $3)`)
	if err != nil {
		return err
	}
	defer statement.Close()
	from := io.NewSectionReader(content, 0, size)
	buffer := make([]byte, min(size, partSize))
	for part, left := 0, size; left > 0; part++ {
		n, err := io.ReadFull(from, buffer[:min(left, partSize)])
		if err != nil {
			return fmt.Errorf("reading what was uploaded: %w", err)
		}
		if _, err := statement.ExecContext(ctx, owner, part, buffer[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	return nil
}

// readParts writes the content of a file to w, part by part; no connection is
// held while w takes one.
func (s *Store) readParts(ctx context.Context, table, owner string, size int64, w io.Writer, f fault) error {
	for part, left := 0, size; left > 0; part++ {
		var content []byte
		err := s.reader.QueryRowContext(ctx, `select content from `+table+` where owner = $1 and part = $2`, owner, part).Scan(&content)
		if errors.Is(err, sql.ErrNoRows) && part > 0 {
			return fmt.Errorf("%s: it was deleted meanwhile", f.doing)
		}
		if err != nil {
			return s.fail(err, f)
		}
		if int64(len(content)) > left || len(content) == 0 {
			return fmt.Errorf("%s: part %d of %s has %d bytes, %d are left", f.doing, part, owner, len(content), left)
		}
		if _, err := w.Write(content); err != nil {
			return fmt.Errorf("%s: %w", f.doing, err)
		}
		left -= int64(len(content))
	}
	return nil
}

// holdCustomer keeps others who hold the same customer waiting until the
// transaction ends, so that what is counted in it stays so. It is
// sql.ErrNoRows for a customer that is not there.
func holdCustomer(ctx context.Context, tx transaction, id string) error {
	return change(ctx, tx, `update customer set demo = demo where id = $1`, id)
}
