package meter

import "time"

// Period is the time from From to before To.
type Period struct{ From, To time.Time }

// Counted is what all drains so far came to, read at one moment: a batch is in
// both its parts or in neither.
type Counted struct {
	Used    [][]Used            // of each query, what UsedOf would answer
	Cursors map[string]Position // of every lane that is not forgotten
}
