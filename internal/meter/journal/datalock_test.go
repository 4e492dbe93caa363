package journal_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestTheSecondOnADataDirectoryIsToldWhoHasIt(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	first, err := journal.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = journal.Lock(dir)
	if !errors.Is(err, journal.ErrLocked) || toll.CodeOf(err) != toll.Conflict {
		t.Fatalf("got %v, want a Conflict", err)
	}
	if want := fmt.Sprintf("process %d", os.Getpid()); !strings.Contains(toll.SafeMessage(err), want) {
		t.Errorf("%q does not name %s", toll.SafeMessage(err), want)
	}
	if strings.Contains(toll.SafeMessage(err), dir) {
		t.Errorf("%q shows a path", toll.SafeMessage(err))
	}
	for range 2 {
		if err := first.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
	again, err := journal.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Unlock(); err != nil {
		t.Fatal(err)
	}
}

func TestADataDirectoryThatCannotBeUsedIsTold(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Lock(file); toll.CodeOf(err) != toll.Unavailable {
		t.Fatalf("a file in its place: %v, want Unavailable", err)
	}
}
