package meter

import (
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Status is how a Drainer is doing, for pages and metrics.
type Status struct {
	Backlog      int64         // bytes of the own lane that are not in the store yet
	Lag          time.Duration // how long the oldest of them has been waiting
	Stuck        int           // lanes of ended processes that could not be finished yet
	StuckError   string        // why; for operators only
	Followed     int           // lanes of other living processes: this one took over from them
	Stored       int64         // events stored since the start
	StoredAt     time.Time     // when something was last stored; zero: never
	Error        string        // why the last try to store failed; "" when it did not. For operators only
	ErrorSince   time.Time     // since when tries have failed; zero when they do not
	Damages      int64         // stretches of journal that could not be read since the start
	DamagedBytes int64         // in them; their segments are kept aside
	Damage       string        // the last of them: what, where and what to do; "" when there is none
}

// Status returns how the Drainer is doing. It does not wait for a drain.
func (d *Drainer) Status() Status {
	s, since, at := d.condition.now()
	if d.o.Own == nil {
		return s
	}
	s.Backlog = d.o.Own.Beyond(at)
	if s.Backlog > 0 && !since.IsZero() {
		s.Lag = d.o.Clock().Sub(since)
	}
	return s
}

// condition is what Status tells, and what was logged already.
type condition struct {
	clock toll.Clock
	log   *slog.Logger
	root  string // of the journal, to say where something lies

	mu      sync.Mutex
	status  Status
	since   time.Time // when the oldest record that waits in the own lane was seen
	at      Position  // up to where the own lane was read and stored
	told    string    // the last error of a lane that was logged
	toldAt  time.Time // when a failure to store was last logged
	damages map[damageAt]bool
}

type damageAt struct {
	lane string
	at   Position
}

func (c *condition) init(root string, clock toll.Clock, log *slog.Logger) {
	c.root, c.clock, c.log, c.damages = root, clock, log, map[damageAt]bool{}
}

func (c *condition) now() (s Status, since time.Time, at Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status, c.since, c.at
}

func (c *condition) readUpTo() Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// waiting: the own lane has a record that is to be drained.
func (c *condition) waiting() {
	now := c.clock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		c.since = now
	}
}

// caughtUp: the own lane was drained to where it ended when that began.
func (c *condition) caughtUp(at Position, began time.Time, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.since = at, time.Time{}
	if more {
		c.since = began
	}
}

// stuck: so many dead lanes could not be finished.
func (c *condition) stuck(lanes int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Stuck, c.status.StuckError = lanes, ""
	if err != nil {
		c.status.StuckError = err.Error()
	}
}

// follow notes how many lanes are followed.
func (c *condition) follow(lanes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Followed = lanes
}

func (c *condition) following() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status.Followed
}

// logStuck logs why lanes are stuck; the same once.
func (c *condition) logStuck(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if text := err.Error(); text != c.told {
		c.told = text
		c.log.Error("A journal lane of an ended process cannot be drained; it is kept and tried again", "error", err)
	}
}

func (c *condition) stored(events int) {
	now := c.clock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Stored += int64(events)
	c.status.StoredAt = now
	c.recovered()
}

// tellAgainAfter is how long a store that goes on failing is not logged again,
// also when it says it in other words: a driver's error often names a port that
// is another one at each try.
const tellAgainAfter = time.Minute

// failed notes an error; the same one again is not logged again, and another one
// only after a while.
func (c *condition) failed(err error) {
	now := c.clock()
	c.mu.Lock()
	defer c.mu.Unlock()
	text := err.Error()
	first := c.status.ErrorSince.IsZero()
	if first {
		c.status.ErrorSince = now
	}
	news := c.status.Error != text
	c.status.Error = text
	if first || news && now.Sub(c.toldAt) >= tellAgainAfter {
		c.toldAt = now
		c.log.Error("The journal cannot be drained; everything is kept and tried again", "error", err)
	}
}

// succeeded: the sink answers again.
func (c *condition) succeeded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recovered()
}

func (c *condition) recovered() {
	if c.status.ErrorSince.IsZero() {
		return
	}
	c.status.Error, c.status.ErrorSince = "", time.Time{}
	c.log.Info("The journal is being drained again")
}

// damaged counts and logs a stretch that cannot be read, once.
func (c *condition) damaged(lane string, damage *journal.Damage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := damageAt{lane, damage.At}
	if c.damages[at] {
		return
	}
	c.damages[at] = true
	c.status.Damages++
	c.status.DamagedBytes += damage.Bytes
	c.status.Damage = damage.Explain(filepath.Join(c.root, filepath.FromSlash(lane)))
	c.log.Error(c.status.Damage, "lane", lane, "segment", damage.At.Segment, "offset", damage.At.Offset,
		"bytes", damage.Bytes, "segments_missing", damage.Missing, "torn", damage.Torn)
}
