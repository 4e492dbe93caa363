package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

// awayFor is how long the database is away: a few seconds in every run, ten
// minutes in the proof.
func awayFor() time.Duration {
	seconds, err := strconv.Atoi(os.Getenv("TOLLHOUSE_DATABASE_AWAY"))
	if err != nil || seconds < 1 {
		return 4 * time.Second
	}
	return time.Duration(seconds) * time.Second
}

// TestADatabaseThatIsAwayFailsNoRequest takes the database away under load, first
// by refusing connections, then by silence, then by refusing again.
func TestADatabaseThatIsAwayFailsNoRequest(t *testing.T) {
	t.Parallel()
	proxy, database := newDBProxy(t, pgserver.Database(t))
	d := newDatabaseGone(t, database)
	third := awayFor() / 3
	d.without(t, func() {
		for _, state := range []dbState{dbRefuses, dbSilent, dbRefuses} {
			proxy.become(state)
			<-time.After(third)
		}
	}, func() { proxy.become(dbThere) })
}

// TestADatabaseUserWithoutRightsFailsNoRequest takes the user's rights away.
func TestADatabaseUserWithoutRightsFailsNoRequest(t *testing.T) {
	t.Parallel()
	database := pgserver.Database(t)
	owner := connectTo(t, database)
	execute(t, owner, `grant all on schema public to `+pgserver.PasswordUser)
	name := owner.Config().Database
	d := newDatabaseGone(t, pgserver.Shared(t).PasswordURL(pgserver.Password, name))
	d.without(t, func() {
		execute(t, owner, `revoke insert, update on all tables in schema public from `+pgserver.PasswordUser)
		waitFor(t, d.process, "has not the rights for this any more; grant it")
	}, func() {
		execute(t, owner, `grant insert, update on all tables in schema public to `+pgserver.PasswordUser)
	})
}

// TestADatabaseWhoseDiskIsFullFailsNoRequest fills the disk that the database's
// tables lie on.
func TestADatabaseWhoseDiskIsFullFailsNoRequest(t *testing.T) {
	t.Parallel()
	if !inOwnMounts(t) {
		return
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root, to give a disk to PostgreSQL's user")
		}
		t.Skip("needs root, to give a disk to PostgreSQL's user")
	}
	server := pgserver.Shared(t)
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("tollhouse-small-%d", os.Getpid())) // whose parents everybody may enter
	smallDisk(t, dir, "64m")
	t.Cleanup(func() { _ = os.Remove(dir) })
	space := filepath.Join(dir, "space")
	if err := os.Mkdir(space, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{dir, space} {
		if err := os.Chown(p, postgresUser(t), -1); err != nil {
			t.Fatal(err)
		}
	}
	for _, statement := range []string{`create tablespace small location '` + space + `'`, `create database small tablespace small`} {
		if err := server.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	d := newDatabaseGone(t, server.URL("small"))
	ballast := filepath.Join(dir, "ballast")
	d.without(t, func() {
		f, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		for block := make([]byte, 4<<10); err == nil; {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		_ = f.Close()
		waitFor(t, d.process, "disk is full")
	}, func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
}

func postgresUser(t *testing.T) int {
	t.Helper()
	account, err := user.Lookup("postgres")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("needs PostgreSQL's own user: %v", err)
		}
		t.Skip("needs PostgreSQL's own user")
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		t.Fatal(err)
	}
	return uid
}

func connectTo(t *testing.T, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, statement string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// databaseGone is a program under load whose database can be taken away.
type databaseGone struct{ *fullDisk }

func newDatabaseGone(t *testing.T, database string) *databaseGone {
	t.Helper()
	dir := t.TempDir()
	f := &fullDisk{calls: newLedger(), data: filepath.Join(dir, "data")}
	f.calls.slow.Store(true)
	f.file = killConfig(t, dir, f.calls.service(t).URL, "50ms")
	config, err := os.ReadFile(f.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.file, append(config, fmt.Sprintf("database: %q\n", database)...), 0o600); err != nil {
		t.Fatal(err)
	}
	c := ask[customer](t, "customer", "create", "--config", f.file, "--name", "ACME", "--plan", "load")
	f.key = ask[key](t, "key", "create", "--config", f.file, "--customer", c.ID, "--name", "load").Key
	f.process = start(t, "serves at", "serve", "--config", f.file)
	f.url = f.process.address()
	return &databaseGone{f}
}

// without lets clients call before, while and after the database is gone, and
// sees that none of them notices, and that everything is counted exactly then.
func (d *databaseGone) without(t *testing.T, takeAway, bringBack func()) {
	t.Helper()
	g := d.calls.load(t, d.url, d.key, 4, 0, false)
	more := func(n int) {
		t.Helper()
		from := d.calls.sum().whole
		until(t, "calls are answered", func() bool { return d.calls.sum().whole >= from+n })
	}
	more(500)
	d.drained(t)
	calm, before := d.memory(t), d.calls.sum().whole
	gone := make(chan struct{})
	most := make(chan int, 1)
	go func() {
		highest := 0
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-tick.C:
				highest = max(highest, d.memory(t))
			case <-gone:
				tick.Stop()
				most <- highest
				return
			}
		}
	}()
	began := time.Now()
	takeAway()
	more(500)
	waitFor(t, d.process, "The journal cannot be drained; everything is kept and tried again")
	backlog, without, away := d.gauge(t, "tollhouse_journal_backlog_bytes"), d.calls.sum().whole-before, time.Since(began)
	if backlog == 0 {
		t.Error("there is no backlog")
	}
	close(gone)
	highest := <-most
	bringBack()
	back := time.Now()
	d.drained(t)
	caughtUp := time.Since(back)
	more(500)
	g.stop()
	d.end(t)
	got := d.calls.compare(t, d.file)
	t.Logf("away for %s: %d requests answered meanwhile, 0 failed; backlog %d KiB, drained %s after it was back; memory %d MiB before and %d MiB at most meanwhile; %d answered in all, %d stored, %d lost, %d doubled, balanced: %v",
		away.Round(time.Millisecond), without, backlog>>10, caughtUp.Round(time.Millisecond), calm>>10, highest>>10, got.whole, got.events, len(got.lost), got.doubled, got.balanced)
	if highest > calm+64<<10 {
		t.Errorf("memory grew from %d to %d KiB", calm, highest)
	}
	if got.failed() || got.extras > 0 {
		t.Errorf("%+v", got)
	}
}

// drained waits until little of the journal is not in the database.
func (d *databaseGone) drained(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(5 * patience)
	for d.gauge(t, "tollhouse_journal_lag_seconds") > 1 || d.gauge(t, "tollhouse_journal_backlog_bytes") > 1<<20 {
		if time.Now().After(deadline) {
			t.Fatalf("the backlog is not drained:\n%s", d.metrics(t))
		}
		<-time.After(20 * time.Millisecond)
	}
}

// gauge reads one of the metrics.
func (d *databaseGone) gauge(t *testing.T, name string) int {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(d.metrics(t))
	if found == nil {
		t.Fatalf("no %s", name)
	}
	value, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(value)
}

// memory is how much of it the program holds, in KiB, without the mapped journal.
func (d *databaseGone) memory(t *testing.T) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		t.Error(err)
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "RssAnon:" {
			kib, _ := strconv.Atoi(fields[1])
			return kib
		}
	}
	return 0
}
