package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Found is a lane that has a directory.
type Found struct {
	Node string
	ID   toll.ULID
}

// Name returns "<node>/<ulid>".
func (f Found) Name() string { return f.Node + "/" + f.ID.String() }

// Lanes lists the lanes under root (DATA/journal), dead and alive, by node and
// then by age. A root that is not there has none.
func Lanes(files Files, root string) ([]Found, error) {
	var found []Found
	err := eachEntry(files, root, func(node, name string) error {
		if id, err := toll.ParseULID(name); err == nil && id.String() == name {
			found = append(found, Found{node, id})
		}
		return nil
	})
	return found, err
}

// Sweep removes what a process left that ended while it made a lane. No other
// process may be making one in this data directory meanwhile.
func Sweep(files Files, root string) error {
	return eachEntry(files, root, func(node, name string) error {
		if !strings.HasPrefix(name, ".") || !strings.HasSuffix(name, newSuffix) {
			return nil
		}
		c, err := claim(files, filepath.Join(root, node, name), toll.ULID{})
		if errors.Is(err, ErrLocked) {
			return nil
		}
		if err != nil {
			return err
		}
		return errors.Join(c.Discard(nil), c.Remove())
	})
}

// eachEntry walks over what lies in the nodes' directories.
func eachEntry(files Files, root string, visit func(node, name string) error) error {
	nodes, err := files.List(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the journal: %w", err)
	}
	for _, node := range nodes {
		if !nodeName.MatchString(node) {
			continue
		}
		names, err := files.List(filepath.Join(root, node))
		if err != nil {
			return fmt.Errorf("list the journal of node %s: %w", node, err)
		}
		for _, name := range names {
			if err := visit(node, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Claimed is a lane whose process is gone and whose lock the caller holds:
// nothing in it changes any more but by the caller. It belongs to one
// goroutine.
type Claimed struct {
	files Files
	dir   string
	id    toll.ULID
	lock  io.Closer
}

// Claim takes a lane whose process is gone. ErrLocked: the process lives, or
// somebody else claimed it. fs.ErrNotExist: it is gone.
func Claim(files Files, root string, lane Found) (*Claimed, error) {
	return claim(files, filepath.Join(root, lane.Node, lane.ID.String()), lane.ID)
}

func claim(files Files, dir string, id toll.ULID) (*Claimed, error) {
	lock, err := files.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("claim a lane: %w", err)
	}
	return &Claimed{files: files, dir: dir, id: id, lock: lock}, nil
}

// Reader reads the lane from a position to its end.
func (c *Claimed) Reader(from Position) *Reader { return newReader(c.files, c.dir, c.id, from) }

// Discard deletes the lane's segments, the oldest first, and keeps those in
// damaged aside. A crash between leaves the newest.
func (c *Claimed) Discard(damaged map[uint64]bool) error {
	numbers, err := segmentsIn(c.files, c.dir)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if err := discard(c.files, c.dir, n, damaged[n]); err != nil {
			return err
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	return c.files.SyncDir(c.dir)
}

// Remove removes the directory of a lane without segments, and releases it. It
// fails when something lies there that is not the journal's.
func (c *Claimed) Remove() error {
	names, err := c.files.List(c.dir)
	if err != nil {
		return errors.Join(fmt.Errorf("list a lane: %w", err), c.Release())
	}
	var errs []error
	for _, name := range names {
		if name == lockName || strings.HasSuffix(name, suffix+newSuffix) {
			errs = append(errs, c.files.Remove(filepath.Join(c.dir, name)))
		}
	}
	errs = append(errs, c.files.Remove(c.dir), c.files.SyncDir(filepath.Dir(c.dir)), c.Release())
	return errors.Join(errs...)
}

// Release lets go of the lane; its files stay. A second call does nothing.
func (c *Claimed) Release() error {
	if c.lock == nil {
		return nil
	}
	lock := c.lock
	c.lock = nil
	return lock.Close()
}
