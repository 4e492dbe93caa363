package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/tollhouse/tollhouse/internal/toll"
)

const (
	connectTimeout = 5 * time.Second // when the URL's connect_timeout names none
	connections    = 16              // at most, per process
)

// migrationLock is the advisory lock that a process holds while it migrates.
const migrationLock = 0x746f6c6c686f7573 // "tollhous"

func openPostgres(ctx context.Context, text string, clock toll.Clock) (*Store, error) {
	s, e, err := newPostgres(text, clock)
	if err != nil {
		return nil, err
	}
	if err := e.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// newPostgres makes a Store whose database has not been looked at yet, and
// reaches no server.
func newPostgres(text string, clock toll.Clock) (*Store, *postgresEngine, error) {
	// What the parser says of a bad URL may quote it, and with it the password.
	bad := toll.Errorf(toll.Unavailable, "The database's URL is not valid; write postgres://user:password@host:5432/name, with special characters of the password percent-encoded.")
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return nil, nil, bad
	}
	config, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, nil, bad
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "tollhouse"
	}
	e := &postgresEngine{config: config, gate: &connector{Connector: stdlib.GetConnector(*config, stdlib.OptionAfterConnect(readAhead))}}
	e.place = fmt.Sprintf("%q at %s", config.Database, serverOf(config))
	if config.Database == "" {
		e.place = fmt.Sprintf("%q at %s", config.User, serverOf(config))
	}
	db := sql.OpenDB(e.gate)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return &Store{engine: e, writer: db, reader: db, clock: clock}, e, nil
}

// prepare looks at the database and brings its schema up to date, over
// connections of its own; then the Store's may be made.
func (e *postgresEngine) prepare(ctx context.Context) (err error) {
	db := stdlib.OpenDB(*e.config)
	defer func() {
		err = errors.Join(err, db.Close())
		if err != nil {
			err = e.explain(err, e.config)
		}
	}()
	if err := e.inspect(ctx, db); err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrationLock), lock.WithLockTimeout(1, 120))
	if err != nil {
		return err
	}
	p, err := provider("postgres", goose.DialectPostgres, db, goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	if err := migrate(ctx, p); err != nil {
		return err
	}
	if err := e.adopt(ctx, db); err != nil {
		return err
	}
	e.gate.open.Store(true)
	return nil
}

// readAhead lets a question that must read many pages from the disk ask for
// them together: a customer's usage of a month lies where each of its hours was
// written. Where the server's system cannot do that, it goes without.
func readAhead(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, `set effective_io_concurrency = 64`)
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return nil
	}
	return err
}

// errNoRights is found before the first table is made, because goose tries
// several times and then tells something else.
var errNoRights = errors.New("the user may not make tables in the schema")

// inspect looks at a database before anything of it is changed.
func (e *postgresEngine) inspect(ctx context.Context, db *sql.DB) error {
	var encoding string
	var versions, mayCreate bool
	if err := db.QueryRowContext(ctx, `select current_setting('server_encoding'), to_regclass('goose_db_version') is not null,
		coalesce(has_schema_privilege(current_schema(), 'create'), false)`).Scan(&encoding, &versions, &mayCreate); err != nil {
		return err
	}
	if encoding != "UTF8" {
		return toll.Errorf(toll.Unavailable, "The PostgreSQL database %s keeps text as %s; make one with ENCODING 'UTF8'.", e.place, encoding)
	}
	if !versions && !mayCreate {
		return errNoRights
	}
	if !versions {
		return nil
	}
	var version int64
	if err := db.QueryRowContext(ctx, `select coalesce(max(version_id), 0) from goose_db_version`).Scan(&version); err != nil {
		return err
	}
	return refuseNewer("postgres", e.place, version)
}

// explain makes one sentence of an error that came while opening. Neither it
// nor its cause holds the password: pgx does not put it into an error of a
// connection.
func (e *postgresEngine) explain(err error, config *pgx.ConnConfig) error {
	var known *toll.Error
	if errors.As(err, &known) {
		return err
	}
	say := func(format string, args ...any) error {
		failure := toll.Errorf(toll.Unavailable, format, args...)
		failure.Cause = err
		return failure
	}
	noRights := errors.Is(err, errNoRights)
	var server *pgconn.PgError
	if errors.As(err, &server) {
		switch server.Code {
		case "28P01", "28000":
			return say("PostgreSQL at %s does not let the user %q in; look at the user and the password in the database's URL, and at the server's pg_hba.conf.", serverOf(config), config.User)
		case "3D000":
			return say("The PostgreSQL database %s does not exist; make it with: createdb %s", e.place, config.Database)
		case "42501":
			noRights = true
		case "53300":
			err = away{err}
			return say("PostgreSQL at %s has no connection left; raise its max_connections or end other programs.", serverOf(config))
		}
	}
	if noRights {
		return say("The PostgreSQL user %q has not the rights that Tollhouse needs in the database %s; make it the database's owner.", config.User, e.place)
	}
	kind := e.kind(err)
	if e.saysAway(err) {
		err = away{err}
	}
	switch kind {
	case awayFault:
		var met *net.OpError
		if errors.As(err, &met) { // pgx tries twice, with TLS and without, and tells both times the same
			err = away{met}
		}
		return say("PostgreSQL at %s cannot be reached; start it, or correct the address in the database's URL.", serverOf(config))
	case fullFault:
		return say("The disk of PostgreSQL at %s is full; make room.", serverOf(config))
	case damageFault:
		return say("The PostgreSQL database %s is damaged; restore it from a backup.", e.place)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return say("PostgreSQL at %s does not answer in time; look whether it runs.", serverOf(config))
	}
	return err
}

// serverOf is where the server is, as its operator would write it.
func serverOf(config *pgx.ConnConfig) string {
	if strings.HasPrefix(config.Host, "/") {
		return config.Host
	}
	return net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
}
