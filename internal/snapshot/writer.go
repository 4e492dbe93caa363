package snapshot

import (
	"bufio"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// newSuffix is of a file that is still being written.
const newSuffix = ".new"

// writer writes a snapshot beside the one that is there.
type writer struct {
	path    string
	file    *os.File
	out     *bufio.Writer
	sum     hash.Hash
	encoder *gob.Encoder
	page    page
}

// create begins a snapshot; one that was left half written goes.
func create(path string, head Head) (w *writer, err error) {
	f, err := os.OpenFile(path+newSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a snapshot: %w", err)
	}
	w = &writer{path: path, file: f, sum: sha256.New()}
	w.out = bufio.NewWriterSize(io.MultiWriter(f, w.sum), buffer)
	_, err = fmt.Fprintf(w.out, "%s%d\n", magic, version)
	if err == nil {
		w.encoder = gob.NewEncoder(w.out)
		err = w.encoder.Encode(head)
	}
	if err == nil {
		err = f.Chmod(0o600) // whatever an earlier one had
	}
	if err != nil {
		w.abandon()
		return nil, fmt.Errorf("write a snapshot: %w", err)
	}
	return w, nil
}

func (w *writer) customer(c toll.Customer) error {
	w.page.Customers = append(w.page.Customers, c)
	return w.turn(false)
}

func (w *writer) key(k toll.Key) error {
	w.page.Keys = append(w.page.Keys, k)
	return w.turn(false)
}

func (w *writer) counter(c Counter) error {
	w.page.Counters = append(w.page.Counters, c)
	return w.turn(false)
}

// turn writes the page when it is full, or the last.
func (w *writer) turn(last bool) error {
	p := &w.page
	if !last && len(p.Customers)+len(p.Keys)+len(p.Counters) < pageRows {
		return nil
	}
	p.Last = last
	if err := w.encoder.Encode(p); err != nil {
		return fmt.Errorf("write a snapshot: %w", err)
	}
	p.Customers, p.Keys, p.Counters = p.Customers[:0], p.Keys[:0], p.Counters[:0]
	return nil
}

// commit ends the file, makes it last and puts it in place.
func (w *writer) commit() (size int64, err error) {
	defer func() {
		if err != nil {
			w.abandon()
		}
	}()
	if err := w.turn(true); err != nil {
		return 0, err
	}
	if err := w.out.Flush(); err != nil {
		return 0, fmt.Errorf("write a snapshot: %w", err)
	}
	if _, err := w.file.Write(w.sum.Sum(nil)); err != nil {
		return 0, fmt.Errorf("write a snapshot: %w", err)
	}
	info, err := w.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("write a snapshot: %w", err)
	}
	if err := errors.Join(w.file.Sync(), w.file.Close()); err != nil {
		return 0, fmt.Errorf("write a snapshot: %w", err)
	}
	if err := os.Rename(w.path+newSuffix, w.path); err != nil {
		return 0, fmt.Errorf("put a snapshot in place: %w", err)
	}
	dir, err := os.Open(filepath.Dir(w.path))
	if err != nil {
		return 0, fmt.Errorf("put a snapshot in place: %w", err)
	}
	return info.Size(), errors.Join(dir.Sync(), dir.Close())
}

// abandon takes back what was written; the snapshot that was there stays.
func (w *writer) abandon() {
	_ = w.file.Close() // may be closed
	_ = os.Remove(w.path + newSuffix)
}
