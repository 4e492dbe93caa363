package journal

import (
	"fmt"
	"path/filepath"
)

// Damage is the error that a Reader gives for a stretch that it cannot read.
// The next call of Next goes on behind it.
type Damage struct {
	At      Position
	Bytes   int64  // how many cannot be read; 0 when whole segments are missing
	Missing uint64 // how many segments have no file
	Torn    bool   // nothing readable follows in its segment: a write cut short by a loss of power, or a flipped bit at the very end
	Reason  string
}

// Error says what cannot be read, and where.
func (d *Damage) Error() string {
	if d.Missing > 0 {
		return fmt.Sprintf("journal damaged at %v: %d segments are missing", d.At, d.Missing)
	}
	return fmt.Sprintf("journal damaged at %v: %s, %d bytes", d.At, d.Reason, d.Bytes)
}

// Explain says in whole sentences, for whoever runs this installation, what cannot
// be read of the lane in a directory, what was done, and what to do. It names the
// file, no content.
func (d *Damage) Explain(lane string) string {
	if d.Missing > 0 {
		return fmt.Sprintf("The journal lane %s has no segment %d and %d in all that should be there: the requests in them cannot be counted any more, all others are. Find out who deleted the files; from a backup they can be put back before the next start.",
			lane, d.At.Segment, d.Missing)
	}
	what := fmt.Sprintf("%d bytes at offset %d of the journal segment %s cannot be read (%s)", d.Bytes, d.At.Offset, filepath.Join(lane, segmentName(d.At.Segment)), d.Reason)
	if d.Torn {
		return what + fmt.Sprintf(": a write that a loss of power cut short looks like this, and so does a damaged disk. The records before it are counted. The segment is kept in %s; when there was no loss of power, check the disk.", lane+damagedSuffix)
	}
	return what + fmt.Sprintf(": requests recorded there are not counted, those around it are. The segment is kept in %s for whoever can mend it; check the disk.", lane+damagedSuffix)
}
