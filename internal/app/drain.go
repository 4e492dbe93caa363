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
	DrainDead(ctx context.Context) error
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
	err := unlessItFails(within, d.Flush, d.Status, wait)
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

// drainDeadWithin brings in what ended processes left, for a command that runs
// without a server: however long that takes while it goes on, but it does not
// wait without a word for a store that takes nothing.
func drainDeadWithin(ctx context.Context, d drains) error {
	err := unlessItFails(ctx, d.DrainDead, d.Status, drainPatience)
	now := d.Status()
	if err == nil || ctx.Err() != nil || now.Error == "" {
		return err
	}
	return &toll.Error{Code: toll.Unavailable,
		Message: "The database does not take what an earlier process left in the journal. Nothing is lost: mend what is said here, and try again.",
		Cause:   errors.New(now.Error)}
}

// unlessItFails calls drain, and ends it when the store has failed for as long as wait.
func unlessItFails(ctx context.Context, drain func(context.Context) error, status func() meter.Status, wait time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- drain(ctx) }()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for waited := time.Duration(0); ; {
		select {
		case err := <-done:
			return err
		case <-look.C:
			if waited += lookEvery; waited >= wait && status().Error != "" {
				cancel()
			}
		}
	}
}
