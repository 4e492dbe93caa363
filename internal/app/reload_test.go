package app

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tollhouse/tollhouse/internal/config"
)

func TestLooksForChangesInFilesOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe, file := filepath.Join(dir, "pipe"), filepath.Join(dir, "tollhouse.yml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no pipes here:", err)
	}
	for _, path := range []string{pipe, "/dev/zero", dir, filepath.Join(dir, "gone")} { // the first two would never end
		if _, err := sumOf(path); err == nil {
			t.Errorf("%s has a content", path)
		}
	}
	write := func(content []byte) [32]byte {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		sum, err := sumOf(file)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	one := write([]byte("data: ./x\n"))
	if write([]byte("data: ./y\n")) == one || write([]byte("data: ./x\n")) != one {
		t.Error("the sum does not tell contents apart")
	}
	huge := write(bytes.Repeat([]byte("x"), config.MaxBytes+1))
	if write(bytes.Repeat([]byte("x"), 4*config.MaxBytes)) != huge {
		t.Error("more is read than a configuration can have")
	}
}
