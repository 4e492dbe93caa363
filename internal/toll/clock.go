package toll

import "time"

// Clock is where time comes in. A request takes one reading and hands it on.
// Tests run under testing/synctest, or give a function of their own.
type Clock func() time.Time

// SystemClock reads the wall clock with its monotonic part.
func SystemClock() time.Time { return time.Now() }
