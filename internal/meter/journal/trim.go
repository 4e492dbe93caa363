package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// Trim deletes every segment of a live lane that lies wholly before drained and
// in which every followed record is finished. What was marked damaged is kept
// aside instead. drained is a durable position.
//
// Segments that stay and stand before a deleted one are synced first: a record
// that was finished because of a later one (an open, by its event) must not
// come back in doubt when power is lost and the later one's file is gone.
func (l *Lane) Trim(drained Position) error {
	l.trimming.Lock()
	defer l.trimming.Unlock()
	l.mu.Lock()
	var finished, earlier, pending []*segment
	for _, s := range l.sealed {
		switch {
		case s.number >= drained.Segment || slices.Contains(l.unsynced, s):
		case s.undone.Load() == 0:
			finished = append(finished, s)
			earlier = pending
		default:
			pending = append(pending, s)
		}
	}
	earlier = slices.Clone(earlier)
	l.mu.Unlock()
	if len(finished) == 0 {
		return nil
	}
	for _, s := range earlier {
		if err := s.sync(); err != nil {
			err = syncFailed(err)
			l.latch(err)
			return err
		}
	}
	l.mu.Lock()
	l.sealed = slices.DeleteFunc(l.sealed, func(s *segment) bool { return slices.Contains(finished, s) })
	l.mu.Unlock()
	var errs []error
	for _, s := range finished {
		errs = append(errs, s.close(), discard(l.files, l.dir, s.number, l.damaged[s.number]))
	}
	return errors.Join(append(errs, l.files.SyncDir(l.dir))...)
}

// MarkDamaged makes Trim keep a segment aside instead of deleting it.
func (l *Lane) MarkDamaged(segment uint64) {
	l.trimming.Lock()
	defer l.trimming.Unlock()
	l.damaged[segment] = true
}

// discard deletes a segment's file, or moves it to where damaged ones are kept.
// One that is gone already is no error.
func discard(files Files, dir string, number uint64, damaged bool) error {
	name := filepath.Join(dir, segmentName(number))
	var err error
	if damaged {
		aside := dir + damagedSuffix
		if err = files.MakeDir(aside); err == nil {
			err = errors.Join(files.Rename(name, filepath.Join(aside, segmentName(number))),
				files.SyncDir(aside), files.SyncDir(filepath.Dir(dir)))
		}
	} else {
		err = files.Remove(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("discard a drained segment: %w", err)
	}
	return nil
}
