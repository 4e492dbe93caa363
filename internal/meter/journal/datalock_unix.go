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
	l := &DataLock{f}
	if err := l.Sign(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

// Inherit makes a DataLock of the file of another process's, which that process
// handed over: the lock belongs to the open file, so both hold it, and it is
// free when neither does. It refuses what is not the lock of this directory, or
// is not held. The file is the DataLock's then.
func Inherit(dir string, f *os.File) (*DataLock, error) {
	given, err := f.Stat()
	if err != nil {
		return nil, unusable(err)
	}
	here, err := os.Stat(filepath.Join(dir, lockName))
	if err != nil {
		return nil, unusable(err)
	}
	if !os.SameFile(given, here) {
		return nil, toll.Errorf(toll.Conflict, "The lock that was handed over is not the one of this data directory.")
	}
	// Taken again by who holds it already, a flock stays; by anybody else it fails.
	if err := flock(f); err != nil {
		if errors.Is(err, ErrLocked) {
			return nil, held(f)
		}
		return nil, unusable(err)
	}
	return &DataLock{f}, nil
}

// Sign writes this process's ID into the lock, for whoever finds it held.
func (l *DataLock) Sign() error {
	text := strconv.Itoa(os.Getpid()) + "\n"
	if err := errors.Join(l.file.Truncate(0), writeAt(l.file, text)); err != nil {
		return unusable(fmt.Errorf("write the process ID: %w", err))
	}
	return nil
}

// File is the open file that holds the lock, to hand it over (Inherit). It stays
// the DataLock's.
func (l *DataLock) File() *os.File { return l.file }

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
