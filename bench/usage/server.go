package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

// server is a PostgreSQL of this program's own, on the disk that is measured.
type server struct {
	dir    string
	cmd    *exec.Cmd
	output *bytes.Buffer

	// What its processes did, as far as it was looked at.
	used, waiting time.Duration
	seen          map[string]schedule
}

const database = "tollhouse"

// startServer starts the PostgreSQL of a directory, and makes it when it is not
// there. While loading it is fast and forgets everything on a crash; otherwise
// fsync and synchronous_commit are on, as a server that keeps invoices has them.
func startServer(ctx context.Context, dir string, loading bool) (_ *server, made bool, err error) {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		return nil, false, fmt.Errorf("PostgreSQL is not installed (Debian: apt-get install postgresql)")
	}
	bin := bins[len(bins)-1]
	account, err := unprivileged(dir)
	if err != nil {
		return nil, false, err
	}
	s := &server{dir: dir, output: new(bytes.Buffer)}
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err != nil {
		initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
		initdb.Dir, initdb.SysProcAttr = dir, account
		if out, err := initdb.CombinedOutput(); err != nil {
			return nil, false, fmt.Errorf("initdb: %w\n%s", err, out)
		}
		made = true
	}
	settings := []string{"listen_addresses=", "shared_buffers=1GB", "work_mem=32MB", "effective_cache_size=8GB", "random_page_cost=1.1", "max_connections=40", "jit=off"}
	if loading {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0",
			"max_wal_size=4GB", "checkpoint_timeout=1h", "maintenance_work_mem=1GB", "autovacuum=off")
	}
	args := []string{"-D", data, "-k", dir, "-p", "5432"}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	s.cmd = exec.Command(filepath.Join(bin, "postgres"), args...)
	s.cmd.Dir, s.cmd.SysProcAttr, s.cmd.Stdout, s.cmd.Stderr = dir, account, s.output, s.output
	if err := s.cmd.Start(); err != nil {
		return nil, false, err
	}
	for try := 0; ; try++ {
		c, err := pgx.Connect(ctx, s.url("postgres"))
		if err == nil {
			if made {
				_, err = c.Exec(ctx, `create database `+database)
			}
			_ = c.Close(ctx)
			return s, made, err
		}
		if try > 600 || ctx.Err() != nil {
			s.stop()
			return nil, false, fmt.Errorf("%w\n%s", err, s.output)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// unprivileged gives the directory to the user that PostgreSQL runs as.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() != 0 {
		return attributes, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.ParseUint(account.Uid, 10, 32)
	gid, _ := strconv.ParseUint(account.Gid, 10, 32)
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes, os.Chown(dir, int(uid), int(gid))
}

func (s *server) url(name string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + name, RawQuery: url.Values{"host": {s.dir}, "port": {"5432"}}.Encode()}
	return u.String()
}

// stop ends the server cleanly: everything is on the disk.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGINT)
	_ = s.cmd.Wait()
}

// cold stops the server, has the kernel forget its files, and starts it again.
func (s *server) cold(ctx context.Context) (*server, error) {
	s.stop()
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
	if err != nil {
		return nil, err
	}
	again, _, err := startServer(ctx, s.dir, false)
	return again, err
}
