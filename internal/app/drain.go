package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

const (
	drainPatience = 3 * time.Second  // what a command waits for a drain that fails, unless it says
	slowPatience  = 20 * time.Second // and for one that is only slow
	longestWait   = 50 * time.Second // below what a command waits for its answer
	lookEvery     = 100 * time.Millisecond
)

// drains is a meter.Drainer, as far as a command needs it.
type drains interface {
	Flush(ctx context.Context) error
	Status() meter.Status
}

// drainWithin brings what the journal holds into the store. When that fails for
// as long as wait (0: drainPatience), or does not come to its end, the error is
// Unavailable and says how much is missing and why: whoever asks decides what it
// is worth.
func drainWithin(ctx context.Context, d drains, wait time.Duration) error {
	if wait <= 0 {
		wait = drainPatience
	}
	wait = min(wait, longestWait)
	within, cancel := context.WithTimeout(ctx, max(wait, slowPatience))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- d.Flush(within) }()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var err error
	for waited, over := time.Duration(0), false; !over; {
		select {
		case err = <-done:
			over = true
		case <-look.C:
			if waited += lookEvery; waited >= wait && d.Status().Error != "" {
				cancel()
			}
		}
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	now := d.Status()
	missing := fmt.Sprintf("%d bytes of the journal are not in the database yet", now.Backlog)
	if now.Lag > 0 {
		missing += fmt.Sprintf(", the oldest for %s", now.Lag.Round(time.Second))
	}
	if now.Error != "" { // more than that the time is over
		err = errors.New(now.Error)
	}
	return &toll.Error{Code: toll.Unavailable, Message: missing, Cause: err}
}
