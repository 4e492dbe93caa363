package journal

import "fmt"

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
