//go:build unix

package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// DataLock says that this process owns a data directory.
type DataLock struct{ file *os.File }

// Lock takes the lock of a data directory (DATA/lock), which it makes when it
// is not there. When another process holds it the error is a *toll.Error
// (Conflict) that names its process ID. The end of the process frees the lock,
// however it ends. The file itself stays.
func Lock(dir string) (*DataLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusable(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unusable(err)
	}
	if err := flock(f); err != nil {
		if errors.Is(err, ErrLocked) {
			err = held(f)
		} else {
			err = unusable(err)
		}
		return nil, errors.Join(err, f.Close())
	}
	text := strconv.Itoa(os.Getpid()) + "\n"
	if err := errors.Join(f.Truncate(0), writeAt(f, text)); err != nil {
		return nil, errors.Join(unusable(fmt.Errorf("write the process ID: %w", err)), f.Close())
	}
	return &DataLock{f}, nil
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// held is the error about a lock that another process holds.
func held(f *os.File) error {
	owner := "another process"
	if text, err := io.ReadAll(io.NewSectionReader(f, 0, 32)); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			owner = fmt.Sprintf("process %d", pid)
		}
	}
	return &toll.Error{Code: toll.Conflict,
		Message: "The data directory is in use by " + owner + ". Stop it first, or name another data directory.",
		Cause:   fmt.Errorf("%w: %s", ErrLocked, f.Name())}
}

func unusable(cause error) error {
	return &toll.Error{Code: toll.Unavailable,
		Message: "The data directory cannot be used. It must be a directory that this user may write to, on a local disk.",
		Cause:   cause}
}

// Unlock gives the data directory up. A second call does nothing.
func (l *DataLock) Unlock() error {
	if err := l.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
