package journal

import (
	"slices"
	"sync"
	"time"
)

// syncer is the state of a lane's syncs: one runs at a time, and whoever asks
// meanwhile waits for the next, which then serves all of them.
type syncer struct {
	mu       sync.Mutex
	changed  sync.Cond // durable or running changed
	durable  Position  // everything before it survives a loss of power
	running  bool
	appended bell // for the background
}

func (s *syncer) init() {
	s.changed.L = &s.mu
	s.appended = newBell()
}

// Commit returns when the record is as durable as the lane's Sync says: at
// once, or with Always after a sync that covers it.
func (l *Lane) Commit(r Ref) error {
	if !l.sync.Always || r.IsZero() {
		return nil
	}
	return l.syncTo(Position{r.segment.number, r.offset + 1})
}

// Sync makes everything appended so far last, and returns up to where
// everything does. After an error the position is still right.
func (l *Lane) Sync() (Position, error) {
	err := l.syncTo(l.End())
	return l.Durable(), err
}

// Durable returns up to where everything survives a loss of power.
func (l *Lane) Durable() Position {
	l.syncer.mu.Lock()
	defer l.syncer.mu.Unlock()
	return l.syncer.durable
}

// syncTo waits until the lane is durable up to a position, or fails for good.
func (l *Lane) syncTo(want Position) error {
	s := &l.syncer
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.durable.Before(want) {
		if failed := l.latched.Load(); failed != nil {
			return failed.err
		}
		if s.running {
			s.changed.Wait()
			continue
		}
		s.running = true
		s.mu.Unlock()
		reached, err := l.syncOnce()
		s.mu.Lock()
		s.running = false
		if err != nil {
			l.latch(err)
		} else if s.durable.Before(reached) {
			s.durable = reached
		}
		s.changed.Broadcast()
	}
	return nil
}

// syncOnce syncs every segment that was written to since its last sync.
func (l *Lane) syncOnce() (Position, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return Position{}, ErrClosed
	}
	reached := l.end()
	full := slices.Clone(l.unsynced)
	current := l.current
	l.mu.Unlock()

	for _, s := range append(full, current) {
		if err := s.sync(); err != nil {
			return Position{}, syncFailed(err)
		}
	}
	l.mu.Lock()
	l.unsynced = slices.DeleteFunc(l.unsynced, func(s *segment) bool { return slices.Contains(full, s) })
	l.mu.Unlock()
	return reached, nil
}

// syncInBackground syncs so long after the first record that was not synced,
// and sleeps while there is none.
func (l *Lane) syncInBackground() {
	for {
		l.syncer.appended.arm()
		if !l.Durable().Before(l.End()) {
			select {
			case <-l.syncer.appended.rung:
			case <-l.closing:
				return
			}
		}
		select {
		case <-time.After(l.sync.Every):
		case <-l.closing:
			return
		}
		if _, err := l.Sync(); err != nil {
			return // latched: every Append says so from now on
		}
	}
}
