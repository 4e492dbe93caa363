package store_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/store/storetest"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// wantNoPassword looks into all of an error, as a log would print it.
func wantNoPassword(t *testing.T, err error, password string) {
	t.Helper()
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), toll.SafeMessage(err)} {
		if strings.Contains(text, password) {
			t.Errorf("the password stands in %q", text)
		}
	}
}

func TestRefusesAURLThatIsNoneWithoutQuotingIt(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://user:hunter2 hunter2@host/db", "postgres://user:hunter2@host:port/db", "postgres://user:hunter2%zz@host/db",
		"mysql://user:hunter2@host/db", "user:hunter2@host/db", "postgres://user:hunter2@host/db?sslmode=hunter2", "host=h password=hunter2",
		"postgres://user:hunter2@[::1/db", "://hunter2",
	} {
		s, err := store.Open(background, store.Options{URL: toll.Secret(url)})
		wantUnusable(t, s, err, "URL")
		wantNoPassword(t, err, "hunter2")
	}
}

func TestSaysWhereAnUnreachablePostgreSQLIs(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(background, store.Options{URL: toll.Secret("postgres://user:hunter2@" + address + "/db")})
	wantUnusable(t, s, err, address, "cannot be reached", "start it")
	wantNoPassword(t, err, "hunter2")

	dir := t.TempDir()
	s, err = store.Open(background, store.Options{URL: toll.Secret("postgres://user:hunter2@/db?host=" + dir)})
	wantUnusable(t, s, err, dir, "cannot be reached")
	wantNoPassword(t, err, "hunter2")
}

// TestGivesUpOnAServerThatSaysNothing: something listens there, but it is no
// PostgreSQL.
func TestGivesUpOnAServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(background, 200*time.Millisecond)
	defer cancel()
	s, err := store.Open(ctx, store.Options{URL: toll.Secret("postgres://user:hunter2@" + l.Addr().String() + "/db")})
	wantUnusable(t, s, err, l.Addr().String())
	wantNoPassword(t, err, "hunter2")
}

func TestTellsAWrongPasswordFromMissingRights(t *testing.T) {
	t.Parallel()
	server := pgserver.Shared(t)
	makeDatabase(t, server, "rights", `create database rights template template0`)
	s, err := store.Open(background, store.Options{URL: toll.Secret(server.PasswordURL("hunter2", "rights"))})
	wantUnusable(t, s, err, pgserver.PasswordUser, "password")
	wantNoPassword(t, err, "hunter2")

	s, err = store.Open(background, store.Options{URL: toll.Secret(server.PasswordURL(pgserver.Password, "nowhere"))})
	wantUnusable(t, s, err, `"nowhere"`, "does not exist", "createdb")
	wantNoPassword(t, err, pgserver.Password)

	// Since PostgreSQL 15 only a database's owner makes tables in it.
	if err := server.Exec(background, `alter database rights owner to postgres`); err != nil {
		t.Fatal(err)
	}
	s, err = store.Open(background, store.Options{URL: toll.Secret(server.PasswordURL(pgserver.Password, "rights"))})
	wantUnusable(t, s, err, pgserver.PasswordUser, `"rights"`, "owner")
	wantNoPassword(t, err, pgserver.Password)

	if err := server.Exec(background, `alter database rights owner to `+pgserver.PasswordUser); err != nil {
		t.Fatal(err)
	}
	storetest.OpenWith(t, store.Options{URL: toll.Secret(server.PasswordURL(pgserver.Password, "rights"))})
}

// makeDatabase makes a database that messages name, until the test ends.
func makeDatabase(t *testing.T, server *pgserver.Server, name, statement string) {
	t.Helper()
	if err := server.Exec(background, statement); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Exec(background, "drop database "+name+" with (force)"); err != nil {
			t.Error(err)
		}
	})
}

func TestRefusesADatabaseThatKeepsNoUnicode(t *testing.T) {
	t.Parallel()
	server := pgserver.Shared(t)
	makeDatabase(t, server, "latin", `create database latin template template0 encoding 'LATIN1' locale 'C'`)
	s, err := store.Open(background, store.Options{URL: toll.Secret(server.URL("latin"))})
	wantUnusable(t, s, err, "LATIN1", "UTF8")
}

// TestLetsManyReplicasMigrateAtOnce: they start together.
func TestLetsManyReplicasMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := toll.Secret(pgserver.Database(t))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s, err := store.Open(background, store.Options{URL: url})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if err := s.CreateCustomer(background, customerOf(fmt.Sprint("cus_", i)), tolltest.Entry()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestSaysThatPostgreSQLWentAway ends the server's side of every connection,
// then drops the database: the first is survived, the second is told.
func TestSaysThatPostgreSQLWentAway(t *testing.T) {
	t.Parallel()
	server := pgserver.Shared(t)
	if err := server.Exec(background, `create database fleeting template template0`); err != nil {
		t.Fatal(err)
	}
	s := storetest.OpenWith(t, store.Options{URL: toll.Secret(server.URL("fleeting"))})
	if err := s.CreateCustomer(background, customerOf("cus_1"), tolltest.Entry()); err != nil {
		t.Fatal(err)
	}
	if err := server.Exec(background, `select pg_terminate_backend(pid) from pg_stat_activity where datname = 'fleeting'`); err != nil {
		t.Fatal(err)
	}
	// Whoever holds a connection that is gone learns it now; the next has a new one.
	_, err := s.Customer(background, "cus_1")
	if err != nil && toll.CodeOf(err) != toll.Unavailable {
		t.Errorf("over a connection that is gone: %v", err)
	}
	if _, err := s.Customer(background, "cus_1"); err != nil {
		t.Errorf("over a new connection: %v", err)
	}
	if err := server.Exec(background, `drop database fleeting with (force)`); err != nil {
		t.Fatal(err)
	}
	var last error
	for range 3 {
		_, last = s.Customer(background, "cus_1")
	}
	if toll.CodeOf(last) != toll.Unavailable {
		t.Errorf("without a database: %v, want Unavailable", last)
	}
}
