package database

import (
	"context"
	"errors"
	"fmt"
)

// Migrate brings a module's tables up to date: it takes the steps that were not
// taken yet, in one transaction, while other processes that start now wait. A
// step is never changed once it was released; a change of the tables is a new
// step. It fails for tables that a newer version of the program has made.
func (d *DB) Migrate(ctx context.Context, schema string, steps ...string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startsWithin)
	defer cancel()
	tx, err := d.sql.BeginTx(ctx, nil) // in SQLite it begins with the lock for writing
	if err != nil {
		return fmt.Errorf("beginning to make the %s tables: %w", schema, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	begin := []string{`CREATE TABLE IF NOT EXISTS {` + schema + `.step} (taken BIGINT NOT NULL)`}
	if d.postgres {
		// Two sessions that make one schema at once would fail; they queue here.
		begin = append([]string{`SELECT pg_advisory_xact_lock(hashtext('daybook'))`, `CREATE SCHEMA IF NOT EXISTS "` + schema + `"`}, begin...)
	}
	for _, statement := range begin {
		if _, err := tx.ExecContext(ctx, d.own(statement)); err != nil {
			return fmt.Errorf("preparing the %s tables: %w", schema, err)
		}
	}
	var taken int
	if err := tx.QueryRowContext(ctx, d.own(`SELECT COALESCE(MAX(taken), 0) FROM {`+schema+`.step}`)).Scan(&taken); err != nil {
		return fmt.Errorf("reading how far the %s tables are: %w", schema, err)
	}
	if taken > len(steps) {
		return fmt.Errorf("the %s tables were made by a newer version of daybook (step %d, this one knows %d): start that version", schema, taken, len(steps))
	}
	for i := taken; i < len(steps); i++ {
		if _, err := tx.ExecContext(ctx, d.own(steps[i])); err != nil {
			return fmt.Errorf("making the %s tables, step %d: %w", schema, i+1, err)
		}
		if _, err := tx.ExecContext(ctx, d.own(`INSERT INTO {`+schema+`.step} (taken) VALUES ($1)`), i+1); err != nil {
			return fmt.Errorf("keeping how far the %s tables are: %w", schema, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("making the %s tables: %w", schema, err)
	}
	return nil
}
