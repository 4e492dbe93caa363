package pgserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

const childVariable = "PGSERVER_TEST_CHILD"

// TestMain is also the child that TestEndsWithTheProcessThatStartedIt kills.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(pgserver.Main(m))
	}
	s, err := pgserver.Start(context.Background())
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println(s.URL("postgres"))
	select {}
}

func start(t *testing.T) *pgserver.Server {
	t.Helper()
	s, err := pgserver.Start(context.Background())
	if errors.Is(err, pgserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return c.Close(ctx)
}

func socketOf(t *testing.T, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return config.Host
}

func TestAHaltedServerIsGoneAndComesBackWithWhatItHad(t *testing.T) {
	t.Parallel()
	s, ctx := start(t), context.Background()
	defer s.Stop()
	for round := range 2 {
		if err := s.Exec(ctx, fmt.Sprint("create database kept_", round)); err != nil {
			t.Fatal(err)
		}
		if err := s.Halt(ctx); err != nil {
			t.Fatal(err)
		}
		if err := connect(s.URL("postgres")); err == nil {
			t.Fatal("it answers though it is halted")
		}
		if err := s.Resume(ctx); err != nil {
			t.Fatal(err)
		}
		if err := connect(s.URL(fmt.Sprint("kept_", round))); err != nil {
			t.Error(err)
		}
	}
	if err := s.Halt(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil { // also of one that is halted
		t.Fatal(err)
	}
	if _, err := os.Stat(socketOf(t, s.URL("postgres"))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("files are left: %v", err)
	}
}

func TestStartsAndStopsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := start(t)
	if err := connect(s.URL("postgres")); err != nil {
		t.Error(err)
	}
	if err := connect(s.PasswordURL(pgserver.Password, "postgres")); err != nil {
		t.Errorf("with the password: %v", err)
	}
	if err := connect(s.PasswordURL("wrong", "postgres")); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("with a wrong password: %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := connect(s.URL("postgres")); err == nil {
		t.Error("it still answers")
	}
	if _, err := os.Stat(socketOf(t, s.URL("postgres"))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its files are there: %v", err)
	}
}

// TestEndsWithTheProcessThatStartedIt kills a process that has a cluster, as a
// test that panics or is interrupted would end.
func TestEndsWithTheProcessThatStartedIt(t *testing.T) {
	t.Parallel()
	if err := start(t).Stop(); err != nil { // or skips
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "postgres://") {
		t.Fatalf("the child says %q, %v", line, err)
	}
	socket := socketOf(t, strings.TrimSpace(line))
	if err := child.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(socket); errors.Is(err, os.ErrNotExist) {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("the cluster in %s outlived its process", socket)
		case <-tick.C:
		}
	}
}
