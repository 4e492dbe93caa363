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
	var turned int64
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.gate.Trim(a.clock())
			turned = a.tellTurned(turned)
		}
	}
}

// tellTurned says when calls were not counted because quotas per IP had no place
// for more addresses. told is how many were told of before.
func (a *App) tellTurned(told int64) int64 {
	kept, turned := a.gate.QuotaAddresses()
	if turned > told {
		a.log.Error("quotas per ip count as many addresses as there is place for: calls from others are refused with 503 (those of shadow quotas pass uncounted) until periods end; count by the day, or use a rate limit per ip",
			"addresses", kept, "calls", turned-told)
	}
	return turned
}
