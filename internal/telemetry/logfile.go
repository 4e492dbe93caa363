package telemetry

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// LogFile is a file that lines are added to. Once it was moved or removed, the
// next lines go into a new one of its name: whoever rotates logs need not tell.
// It is safe for concurrent use.
type LogFile struct {
	name string

	mu   sync.Mutex
	file *os.File
}

// OpenLogFile opens a file to add to, and makes it (for its owner and group
// alone) where it is missing.
func OpenLogFile(name string) (*LogFile, error) {
	l := &LogFile{name: filepath.Clean(name)}
	if err := l.open(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *LogFile) open() error {
	file, err := os.OpenFile(l.name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	l.file = file
	return nil
}

// Write adds lines. It looks first whether the file is still the one of its
// name, so it is for many lines at a time.
func (l *LogFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil || !l.same() {
		was := l.file
		if err := l.open(); err != nil && was == nil {
			return 0, err
		} else if err == nil && was != nil {
			_ = was.Close() // its lines are there
		}
	}
	return l.file.Write(p)
}

// same tells whether the open file is the one of its name.
func (l *LogFile) same() bool {
	is, err := l.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(l.name)
	return err == nil && os.SameFile(is, named)
}

// Close closes the file. A Write after it opens it again.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
