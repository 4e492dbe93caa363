// Package journaltest is a hostile file system for what is written over
// journal.Files: it can be full, fail at any call, write short, and lose power
// with everything, nothing or some pages of what was not synced.
package journaltest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
)

// Files is a journal.Files in memory. Paths are absolute; what lies directly
// under / lasts without a sync. It is safe for concurrent use.
type Files struct {
	mu       sync.Mutex
	root     *node
	locked   map[*node]*lock
	fault    func(op, name string) error
	capacity int64 // bytes; 0: no end
	used     int64
	mappings [][]byte
}

var _ journal.Files = (*Files)(nil)

// node is a directory (entries not nil) or a file. What a loss of power leaves
// of it is durable.
type node struct {
	entries, durableEntries map[string]*node
	data                    []byte // of a file; not from the Go heap once allocated, as a real mapping is not
	durable                 []byte
}

// ErrShortWrite lets half of the bytes through when a fault answers it for a write.
var ErrShortWrite = errors.New("short write")

// New returns an empty file system that lasts as long as the test.
func New(t interface{ Cleanup(func()) }) *Files {
	f := &Files{root: newDir(), locked: map[*node]*lock{}}
	t.Cleanup(f.free)
	return f
}

func newDir() *node { return &node{entries: map[string]*node{}, durableEntries: map[string]*node{}} }

func (f *Files) free() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, data := range f.mappings {
		_ = unix.Munmap(data)
	}
	f.mappings = nil
}

// Fault asks before every call from now on; what it answers other than nil is
// the call's error. The operations are mkdir, list, create, open, rename,
// remove, syncdir, lock, allocate, map, read, write and sync.
func (f *Files) Fault(fault func(op, name string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// Capacity bounds how many bytes can be allocated; 0 is no bound.
func (f *Files) Capacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = bytes
}

// Used returns how many bytes are allocated.
func (f *Files) Used() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used
}

// PowerLoss takes everything back to what was synced, and frees every lock.
// survives, when not nil, is asked for each page of 4 KiB that was not synced
// whether it reached the disk all the same. Nobody may use what was open before.
func (f *Files) PowerLoss(survives func(page int64) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.locked)
	f.loses(f.root, survives)
}

func (f *Files) loses(n *node, survives func(page int64) bool) {
	if n.entries == nil {
		f.lost(n, survives)
		return
	}
	n.entries = map[string]*node{}
	for name, child := range n.durableEntries {
		n.entries[name] = child
		f.loses(child, survives)
	}
}

func (f *Files) lost(n *node, survives func(page int64) bool) {
	const page = 4096
	before := n.data
	n.data = f.memory(int64(max(len(before), len(n.durable))))
	copy(n.data, n.durable)
	for at := 0; at < len(before); at += page {
		if survives != nil && survives(int64(at/page)) {
			copy(n.data[at:], before[at:min(at+page, len(before))])
		}
	}
}

// memory returns zeroed memory outside of the Go heap.
func (f *Files) memory(size int64) []byte {
	if size == 0 {
		return nil
	}
	data, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	f.mappings = append(f.mappings, data)
	return data
}

// Bytes returns the bytes of a file themselves: a test may damage them. It is
// nil when there is no such file.
func (f *Files) Bytes(name string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.find(name); n != nil {
		return n.data
	}
	return nil
}

// Put makes a file with the given content, or replaces it.
func (f *Files) Put(name string, content []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	parent := f.find(filepath.Dir(name))
	n := &node{data: f.memory(int64(len(content)))}
	copy(n.data, content)
	parent.entries[filepath.Base(name)] = n
}

// find returns what lies at a path, nil when nothing does. The caller holds mu.
func (f *Files) find(name string) *node {
	n := f.root
	for part := range strings.SplitSeq(strings.Trim(filepath.Clean(name), "/"), "/") {
		if part == "" {
			continue
		}
		if n = n.entries[part]; n == nil {
			return nil
		}
	}
	return n
}

// enter locks, asks for a fault, and finds the directory of a name.
func (f *Files) enter(op, name string) (parent *node, base string, err error) {
	f.mu.Lock()
	if f.fault != nil {
		if err := f.fault(op, name); err != nil {
			return nil, "", fmt.Errorf("%s %s: %w", op, name, err)
		}
	}
	parent = f.find(filepath.Dir(name))
	if parent == nil || parent.entries == nil {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return parent, filepath.Base(name), nil
}

// MakeDir implements journal.Files.
func (f *Files) MakeDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != nil {
		if err := f.fault("mkdir", dir); err != nil {
			return fmt.Errorf("mkdir %s: %w", dir, err)
		}
	}
	n := f.root
	for part := range strings.SplitSeq(strings.Trim(filepath.Clean(dir), "/"), "/") {
		if n.entries[part] == nil {
			n.entries[part] = newDir()
			if n == f.root {
				n.durableEntries[part] = n.entries[part]
			}
		}
		n = n.entries[part]
	}
	return nil
}

// List implements journal.Files.
func (f *Files) List(dir string) ([]string, error) {
	_, _, err := f.enter("list", dir)
	defer f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n := f.find(dir)
	if n == nil || n.entries == nil {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: fs.ErrNotExist}
	}
	var names []string
	for name := range n.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// Create implements journal.Files.
func (f *Files) Create(name string) (journal.File, error) {
	parent, base, err := f.enter("create", name)
	defer f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if parent.entries[base] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	n := &node{}
	parent.entries[base] = n
	return &file{f, n, name}, nil
}

// Open implements journal.Files.
func (f *Files) Open(name string) (journal.File, error) {
	parent, base, err := f.enter("open", name)
	defer f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n := parent.entries[base]
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{f, n, name}, nil
}

// Rename implements journal.Files.
func (f *Files) Rename(from, to string) error {
	parent, base, err := f.enter("rename", from)
	defer f.mu.Unlock()
	if err != nil {
		return err
	}
	target := f.find(filepath.Dir(to))
	if parent.entries[base] == nil || target == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	target.entries[filepath.Base(to)] = parent.entries[base]
	delete(parent.entries, base)
	return nil
}

// Remove implements journal.Files.
func (f *Files) Remove(name string) error {
	parent, base, err := f.enter("remove", name)
	defer f.mu.Unlock()
	if err != nil {
		return err
	}
	n := parent.entries[base]
	if n == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	if len(n.entries) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	f.used -= int64(len(n.data))
	delete(parent.entries, base)
	return nil
}

// SyncDir implements journal.Files.
func (f *Files) SyncDir(dir string) error {
	_, _, err := f.enter("syncdir", dir)
	defer f.mu.Unlock()
	if err != nil {
		return err
	}
	n := f.find(dir)
	if n == nil {
		return &fs.PathError{Op: "syncdir", Path: dir, Err: fs.ErrNotExist}
	}
	n.durableEntries = map[string]*node{}
	for name, child := range n.entries {
		n.durableEntries[name] = child
	}
	return nil
}

type lock struct {
	files *Files
	node  *node
}

// Lock implements journal.Files.
func (f *Files) Lock(name string) (io.Closer, error) {
	parent, base, err := f.enter("lock", name)
	defer f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n := parent.entries[base]
	if n == nil {
		n = &node{}
		parent.entries[base] = n
	}
	if f.locked[n] != nil {
		return nil, journal.ErrLocked
	}
	l := &lock{f, n}
	f.locked[n] = l
	return l, nil
}

// Close frees the lock.
func (l *lock) Close() error {
	l.files.mu.Lock()
	defer l.files.mu.Unlock()
	if l.files.locked[l.node] == l {
		delete(l.files.locked, l.node)
	}
	return nil
}
