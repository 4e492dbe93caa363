package store

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// FileName is the SQLite database's file in Options.Dir; -wal and -shm stand
// beside it while it is open.
const FileName = "tollhouse.db"

// quickCheckBytes is the largest file that Open reads whole in search of
// damage (some 50 ms). Of a larger one it reads the head and the schema; Check
// reads the rest.
const quickCheckBytes = 32 << 20

// How long SQLite waits for another process's lock: while the store is open, and
// at first, when somebody at a terminal waits for the answer.
const (
	patience     = 10 * time.Second
	openPatience = 2 * time.Second
)

// applicationID marks the file as Tollhouse's ("Toll"), so that another
// program's database is not taken for one's own.
const applicationID = 0x546f6c6c

func openSQLite(ctx context.Context, dir string, clock toll.Clock) (_ *Store, err error) {
	file := filepath.Join(dir, FileName)
	e := &sqliteEngine{file: file}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusable("The data directory %s cannot be made; name another with --data or fix its parent's rights.", dir, err)
	}
	if err := e.prepareFile(dir); err != nil {
		return nil, err
	}
	if err := e.inspect(ctx); err != nil {
		return nil, err
	}

	writer, err := sql.Open("sqlite", e.dsn(patience, "_pragma=journal_mode(wal)&_pragma=journal_size_limit(67108864)&_pragma=wal_autocheckpoint(4000)&_pragma=synchronous(full)&_pragma=cache_size(-16384)&_txlock=immediate"))
	if err != nil {
		return nil, err
	}
	writer.SetMaxOpenConns(1) // SQLite has one writer; waiting here is fair, waiting there is polling
	writer.SetMaxIdleConns(1)
	reader, err := sql.Open("sqlite", e.dsn(patience, "_pragma=query_only(1)"))
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	reader.SetMaxOpenConns(max(4, 2*runtime.GOMAXPROCS(0)))
	reader.SetMaxIdleConns(max(4, 2*runtime.GOMAXPROCS(0)))
	s := &Store{engine: e, writer: writer, reader: reader, clock: clock}
	defer func() {
		if err != nil {
			err = errors.Join(e.explain(err), s.Close())
		}
	}()

	if err := mark(ctx, writer); err != nil {
		return nil, err
	}
	p, err := provider("sqlite", goose.DialectSQLite3, writer)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, p); err != nil {
		return nil, err
	}
	return s, nil
}

// mark writes Tollhouse's mark into a new file.
func mark(ctx context.Context, db *sql.DB) error {
	var id int64
	if err := db.QueryRowContext(ctx, `pragma application_id`).Scan(&id); err != nil || id == applicationID {
		return err
	}
	_, err := db.ExecContext(ctx, `pragma application_id = `+strconv.Itoa(applicationID))
	return err
}

// dsn names the file to the driver, whatever characters its path holds.
func (e *sqliteEngine) dsn(patience time.Duration, query string) string {
	path := (&url.URL{Path: filepath.ToSlash(e.file)}).EscapedPath()
	return "file:" + path + "?_pragma=busy_timeout(" + strconv.FormatInt(patience.Milliseconds(), 10) + ")&_pragma=foreign_keys(1)&" + query
}

// prepareFile makes an empty file that only its owner reads, or looks whether
// what is there can be a database that this process may write.
func (e *sqliteEngine) prepareFile(dir string) error {
	f, err := os.OpenFile(e.file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		if info, e2 := os.Stat(e.file); e2 == nil && info.IsDir() {
			return unusable("The database %s is a directory; move it away or name another data directory.", e.file, err)
		}
		if _, e2 := os.Stat(e.file); e2 == nil {
			return unusable("The database %s cannot be opened for writing; give this user the right to read and write it.", e.file, err)
		}
		return unusable("The data directory %s cannot be written to; give this user the right to, or name another directory.", dir, err)
	}
	defer f.Close()
	// SQLite needs to make files beside the database too.
	probe, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return unusable("The data directory %s cannot be written to; give this user the right to, or name another directory.", dir, err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return unusable("The data directory %s cannot be written to; give this user the right to, or name another directory.", dir, err)
	}
	head := make([]byte, 16)
	switch n, err := io.ReadFull(f, head); {
	case n == 0 && errors.Is(err, io.EOF):
		return nil // new
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return e.damaged(err)
	case string(head) != "SQLite format 3\x00":
		return &toll.Error{Code: toll.Unavailable, Message: "The file " + e.file + " is not a SQLite database; restore it from a backup, or move it away to begin with an empty one."}
	}
	return nil
}

// inspect looks at a database before anything of it is changed: is it whole, is
// it Tollhouse's, is it not of a newer program?
func (e *sqliteEngine) inspect(ctx context.Context) error {
	info, err := os.Stat(e.file)
	if err != nil {
		return unusable("The database %s cannot be read; look at its rights.", e.file, err)
	}
	if info.Size() == 0 {
		return nil
	}
	db, err := sql.Open("sqlite", e.dsn(openPatience, ""))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	var id, tables int64
	var versions bool
	err = db.QueryRowContext(ctx, `select (select application_id from pragma_application_id), count(*), coalesce(max(name = 'goose_db_version'), 0) from sqlite_schema where type = 'table'`).Scan(&id, &tables, &versions)
	if err != nil {
		return e.explain(err)
	}
	if tables > 0 && (id != applicationID || !versions) {
		return &toll.Error{Code: toll.Unavailable, Message: "The database " + e.file + " belongs to another program; move it away or name another data directory."}
	}
	if info.Size() <= quickCheckBytes {
		if err := e.check(ctx, db); err != nil {
			return e.explain(err)
		}
	}
	if tables == 0 {
		return nil
	}
	var version int64
	if err := db.QueryRowContext(ctx, `select coalesce(max(version_id), 0) from goose_db_version`).Scan(&version); err != nil {
		return e.explain(err)
	}
	return refuseNewer("sqlite", e.file, version)
}

// explain names the file and the cure for an error that came while opening.
func (e *sqliteEngine) explain(err error) error {
	var known *toll.Error
	if errors.As(err, &known) {
		return err
	}
	switch e.kind(err) {
	case damageFault:
		return e.damaged(err)
	case fullFault:
		return unusable("The disk of the database %s is full; make room.", e.file, err)
	case busyFault:
		return unusable("The database %s is held by another program; end that program and try again.", e.file, err)
	case awayFault:
		return unusable("The database %s cannot be opened; look at the rights of the file and its directory.", e.file, err)
	}
	return err
}

func (e *sqliteEngine) damaged(cause error) error {
	return unusable("The database %s is damaged; restore it from a backup, or move it away to begin with an empty one.", e.file, cause)
}

// unusable makes the error about a place that cannot be used. The operator
// needs its name, so it stands in the message.
func unusable(format, place string, cause error) *toll.Error {
	e := toll.Errorf(toll.Unavailable, format, place)
	e.Cause = cause
	return e
}
