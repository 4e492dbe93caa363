package journal

import "sync/atomic"

// bell wakes one sleeper. Ringing it while nobody sleeps is one atomic load, so
// it can be rung for every record.
type bell struct {
	waiting atomic.Bool
	rung    chan struct{}
}

func newBell() bell { return bell{rung: make(chan struct{}, 1)} }

// arm is called by the sleeper before it looks a last time whether there is
// something to do, and then waits on rung.
func (b *bell) arm() { b.waiting.Store(true) }

func (b *bell) ring() {
	if b.waiting.Load() && b.waiting.CompareAndSwap(true, false) {
		select {
		case b.rung <- struct{}{}:
		default:
		}
	}
}
