package app

import (
	"context"
	"time"
)

// tidyEvery is how often counters that are of no use any more are looked for:
// rarely, for at a million keys that is a tenth of a second of work.
const tidyEvery = 10 * time.Minute

// tidy keeps the memory of limits in proportion to who calls, until ctx ends.
func (a *App) tidy(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.gate.Trim(a.clock())
		}
	}
}
