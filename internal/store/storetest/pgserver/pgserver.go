// Package pgserver runs a PostgreSQL of its own for tests: one cluster per test
// binary, one database per test. Nothing outside is needed but an installed
// PostgreSQL; nothing is left behind, not even when the test binary is killed.
//
//	func TestMain(m *testing.M) { os.Exit(pgserver.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		s, err := store.Open(ctx, store.Options{URL: toll.Secret(pgserver.Database(t))})
package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNotInstalled is what Start answers when there is no PostgreSQL here.
var ErrNotInstalled = errors.New("PostgreSQL is not installed (Debian: apt-get install postgresql)")

// Server is a running cluster. It is safe for concurrent use.
type Server struct {
	dir string // its data and its socket
	// timescale: the server loads TimescaleDB, so a database may have it.
	timescale bool
	process   *exec.Cmd
	leash     io.Closer // the cluster ends when this is closed, or this process dies
	ended     chan struct{}
	output    *bytes.Buffer
	admin     *pgx.Conn
	mu        sync.Mutex // over admin
}

// PasswordUser may connect with its password only, unlike the superuser
// postgres: for tests of wrong passwords and missing rights.
const (
	PasswordUser = "walled"
	Password     = "open sesame/%?#"
)

// The clusters share one port number: each listens on a socket in a directory
// of its own, and on no network.
const port = 5432

// Start makes a cluster and starts it (about half a second). It is fast and
// forgets everything on a crash. Further settings are "name=value".
// ErrNotInstalled: there is no PostgreSQL here.
func Start(ctx context.Context, further ...string) (_ *Server, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := socketDir()
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, ended: make(chan struct{}), output: new(bytes.Buffer)}
	defer func() {
		if err != nil {
			_ = s.Stop()
			err = fmt.Errorf("starting a PostgreSQL for tests: %w\n%s", err, s.output)
		}
	}()
	account, err := unprivileged(dir)
	if err != nil {
		close(s.ended)
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
	initdb.Dir, initdb.SysProcAttr = dir, account
	if out, err := initdb.CombinedOutput(); err != nil {
		close(s.ended)
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	access := "local all " + PasswordUser + " scram-sha-256\nlocal all all trust\n"
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(access), 0o644); err != nil {
		close(s.ended)
		return nil, err
	}

	// The shell waits on the leash, a pipe that only this process holds. When it
	// closes, for whatever reason, the cluster is ended and its files go. One that is
	// halted is started again when it is not any more.
	const script = `dir=$1; shift; trap '' INT TERM
(cat; touch "$dir/over"; while [ -d "$dir/data" ]; do kill -QUIT $(head -n 1 "$dir/data/postmaster.pid"); sleep 0.1; done) <&3 >/dev/null 2>&1 & exec 3<&-
while :; do
	"$@"
	while [ -e "$dir/halted" ] && [ ! -e "$dir/over" ]; do sleep 0.02; done
	[ -e "$dir/resumed" ] && [ ! -e "$dir/over" ] || break
	rm -f "$dir/resumed"
done
rm -rf "$dir"/* 2>/dev/null; rmdir "$dir" 2>/dev/null`
	inner, outer, err := os.Pipe()
	if err != nil {
		close(s.ended)
		return nil, err
	}
	s.leash = outer
	s.timescale = hasTimescale(bin)
	settings := []string{"-c", "listen_addresses=", "-c", "port=" + strconv.Itoa(port), "-F", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=200"}
	if s.timescale {
		// Its workers stay away: a test runs a policy itself when it means to.
		settings = append(settings, "-c", "shared_preload_libraries=timescaledb", "-c", "timescaledb.telemetry_level=off", "-c", "timescaledb.max_background_workers=0")
	}
	for _, setting := range further {
		settings = append(settings, "-c", setting)
	}
	s.process = exec.Command("sh", "-c", script, "sh", dir, filepath.Join(bin, "postgres"), "-D", data, "-k", dir)
	s.process.Args = append(s.process.Args, settings...)
	s.process.Dir, s.process.SysProcAttr, s.process.ExtraFiles = dir, account, []*os.File{inner}
	s.process.Stdout, s.process.Stderr = s.output, s.output
	err = s.process.Start()
	_ = inner.Close()
	if err != nil {
		s.process = nil
		close(s.ended)
		return nil, err
	}
	go func() { _ = s.process.Wait(); close(s.ended) }()

	if s.admin, err = s.connect(ctx); err != nil {
		return nil, err
	}
	_, err = s.admin.Exec(ctx, `create role `+PasswordUser+` login password '`+Password+`'`)
	return s, err
}

// Stop ends the cluster and removes its files.
func (s *Server) Stop() error {
	if s.admin != nil {
		_ = s.admin.Close(context.Background())
	}
	if s.leash != nil {
		_ = s.leash.Close()
	}
	<-s.ended
	return os.RemoveAll(s.dir)
}

// Halt stops the server as `pg_ctl stop` does, with what its databases hold, and
// returns when it has ended. Resume starts it again. While it is halted nothing
// else of it may be used but URL and Stop.
func (s *Server) Halt(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.admin.Close(ctx)
	lock := filepath.Join(s.dir, "data", "postmaster.pid")
	content, err := os.ReadFile(lock)
	if err != nil {
		return fmt.Errorf("stopping a PostgreSQL for tests: %w", err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return fmt.Errorf("stopping a PostgreSQL for tests: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "halted"), nil, 0o600); err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		return fmt.Errorf("stopping a PostgreSQL for tests: %w", err)
	}
	for {
		if _, err := os.Stat(lock); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Resume starts a server that Halt has stopped, and returns when it answers.
func (s *Server) Resume(ctx context.Context) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.WriteFile(filepath.Join(s.dir, "resumed"), nil, 0o600); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(s.dir, "halted")); err != nil {
		return err
	}
	s.admin, err = s.connect(ctx)
	return err
}

// connect waits until the server answers.
func (s *Server) connect(ctx context.Context) (*pgx.Conn, error) {
	for {
		c, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-s.ended:
			return nil, err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// URL names a database of the cluster, as its superuser.
func (s *Server) URL(database string) string { return s.url(url.User("postgres"), database) }

// PasswordURL names a database of the cluster for PasswordUser.
func (s *Server) PasswordURL(password, database string) string {
	return s.url(url.UserPassword(PasswordUser, password), database)
}

func (s *Server) url(who *url.Userinfo, database string) string {
	u := url.URL{Scheme: "postgres", User: who, Path: "/" + database, RawQuery: url.Values{"host": {s.dir}, "port": {strconv.Itoa(port)}}.Encode()}
	return u.String()
}

// Exec runs a statement as the superuser, for example "create database".
func (s *Server) Exec(ctx context.Context, statement string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.admin.Exec(ctx, statement)
	return err
}

// ExecIn runs a statement in a database of the cluster, as the superuser.
func (s *Server) ExecIn(ctx context.Context, database, statement string) error {
	c, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, statement)
	return errors.Join(err, c.Close(ctx))
}

// socketDir makes a directory whose name is short enough for a socket's (107
// bytes with the socket itself), in memory when there is plenty of it: making a
// database is ten times faster there.
func socketDir() (string, error) {
	const memory, plenty = "/dev/shm", 2 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err == nil && fs.Bavail*uint64(fs.Bsize) >= plenty {
		if dir, err := os.MkdirTemp(memory, "pgserver-"); err == nil {
			return dir, nil
		}
	}
	parent := os.TempDir()
	if len(parent) > 60 {
		parent = "/tmp"
	}
	return os.MkdirTemp(parent, "pgserver-")
}

// unprivileged gives dir to the user that PostgreSQL runs as: it refuses to run
// as root.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the tests; the leash is for the cluster
	if os.Getuid() != 0 {
		return attributes, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		if account, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes, os.Chown(dir, int(uid), int(gid))
}

// binaries finds the directory of initdb and postgres: in PATH, or where Debian
// and the PostgreSQL packages put them, the newest first.
func binaries() (string, error) {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql@*/bin"} {
		found, _ := filepath.Glob(pattern)
		slices.Reverse(found)
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if executable(filepath.Join(dir, "initdb")) && executable(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", ErrNotInstalled
}

// HasTimescale tells whether a database of the cluster may have the extension
// TimescaleDB: it is installed beside the server, and loaded.
func (s *Server) HasTimescale() bool { return s.timescale }

// hasTimescale looks for TimescaleDB among the extensions of the server whose
// programs stand in bin: where Debian keeps them, and where others do.
func hasTimescale(bin string) bool {
	const control = "extension/timescaledb.control"
	home := filepath.Dir(bin)
	shares := []string{filepath.Join(home, "share"), filepath.Join(home, "share", "postgresql")}
	if root, version, debian := strings.Cut(home, "/lib/postgresql/"); debian {
		shares = append(shares, filepath.Join(root, "share", "postgresql", version))
	}
	return slices.ContainsFunc(shares, func(share string) bool {
		_, err := os.Stat(filepath.Join(share, control))
		return err == nil
	})
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// shared is the cluster of this test binary.
var shared struct {
	once    sync.Once
	server  *Server
	err     error
	counter atomic.Int64
}

// Main runs the tests and then stops the cluster, if a test started it. It
// returns the exit status for os.Exit.
func Main(m *testing.M) int {
	status := m.Run()
	shared.once.Do(func() {})
	if shared.server != nil {
		if err := shared.server.Stop(); err != nil && status == 0 {
			fmt.Fprintln(os.Stderr, "stopping the PostgreSQL for tests:", err)
			status = 1
		}
	}
	return status
}

// Shared returns the cluster of this test binary and starts it when it is the
// first to ask. Without PostgreSQL the test is skipped, with CI=true it fails.
// The package's TestMain must call Main.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		shared.server, shared.err = Start(ctx)
	})
	switch {
	case shared.err == nil:
	case errors.Is(shared.err, ErrNotInstalled) && os.Getenv("CI") != "true":
		tb.Skip(shared.err)
	default:
		tb.Fatal(shared.err)
	}
	return shared.server
}

// Database makes an empty database on the shared cluster for this test and
// returns its URL. It is dropped when the test ends.
func Database(tb testing.TB) string {
	tb.Helper()
	return DatabaseLike(tb, "template0")
}

// DatabaseLike makes a copy of a database that nobody is connected to.
func DatabaseLike(tb testing.TB, template string) string {
	tb.Helper()
	s := Shared(tb)
	name := "test_" + strconv.FormatInt(shared.counter.Add(1), 10)
	if err := s.Exec(context.Background(), "create database "+name+" template "+quote(template)); err != nil {
		tb.Fatal("making a database:", err)
	}
	tb.Cleanup(func() {
		if err := s.Exec(context.Background(), "drop database "+name+" with (force)"); err != nil {
			tb.Error("dropping a database:", err)
		}
	})
	return s.URL(name)
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
