package upstream

import (
	"math"
	"sync/atomic"
	"time"
)

// latency is the time to an answer's head as a peak-sensitive moving average
// (peak EWMA): a slower answer counts at once, a faster one by and by, and an
// upstream that nobody asks is slowly forgiven. Two answers that come in the
// same instant may lose one of the two samples; a balance needs no more.
type latency struct {
	mean atomic.Uint64 // float64 bits, nanoseconds; 0: nothing measured yet
	at   atomic.Int64  // when it was measured, since the pool was made
}

// remembered is how long the average remembers: after it a sample weighs 1/e.
const remembered = 10 * time.Second

// observe adds a sample that was taken at now.
func (l *latency) observe(now, sample time.Duration) {
	s := float64(max(sample, 1))
	mean := math.Float64frombits(l.mean.Load())
	if mean > 0 && s < mean {
		w := l.weight(now)
		s = mean*w + s*(1-w)
	}
	l.mean.Store(math.Float64bits(s))
	l.at.Store(int64(now))
}

// cost is what one more request may be expected to wait, given how many are in
// flight. An upstream that was never measured costs nothing while it is idle,
// so that it is tried, and a lot after that, so that it is not flooded.
func (l *latency) cost(now time.Duration, inFlight int64) float64 {
	mean := math.Float64frombits(l.mean.Load())
	if mean == 0 {
		return float64(inFlight) * float64(time.Second)
	}
	return mean * l.weight(now) * float64(inFlight+1)
}

func (l *latency) weight(now time.Duration) float64 {
	age := max(now-time.Duration(l.at.Load()), 0)
	return math.Exp(-float64(age) / float64(remembered))
}
