package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// journalRoot is where the lanes are.
func journalRoot(data string) string { return filepath.Join(data, "journal") }

// newDrainer makes the drainer of a data directory, whose lock the caller
// holds. own is the lane that this process writes; nil in a command. keeper is
// who keeps a copy; nil: nobody.
func newDrainer(data string, sink meter.Sink, own *journal.Lane, keeper meter.Keeper, clock toll.Clock, log *slog.Logger) *meter.Drainer {
	if log == nil {
		log = slog.New(slog.DiscardHandler) // a command gets the error itself
	}
	return meter.NewDrainer(meter.DrainerOptions{Root: journalRoot(data), Sink: sink, Own: own, Keeper: keeper, Clock: clock, Log: log})
}

// drainDead brings in what earlier processes left in the journal. Without a log
// a command waits for it, and gets the error. damages are how many stretches of it
// could not be read.
func drainDead(ctx context.Context, data string, sink meter.Sink, keeper meter.Keeper, clock toll.Clock, log *slog.Logger) (damages int64, err error) {
	d := newDrainer(data, sink, nil, keeper, clock, log)
	drain := d.DrainDead
	if log == nil {
		drain = func(ctx context.Context) error { return drainDeadWithin(ctx, d) }
	}
	err = drain(ctx)
	damaged := d.Status()
	if log == nil && damaged.Damages > 0 { // no error, and not to be kept silent about
		slog.Error(damaged.Damage, "damages", damaged.Damages, "bytes", damaged.DamagedBytes)
	}
	if err != nil {
		return damaged.Damages, fmt.Errorf("draining what an earlier process left in the journal: %w", err)
	}
	return damaged.Damages, nil
}

// openLane makes this process's lane.
func openLane(cfg *config.Config, clock toll.Clock, id toll.ULID) (*journal.Lane, error) {
	lane, err := journal.Create(journal.Options{
		Root: journalRoot(cfg.Data), Node: nodeName(), ID: id, Clock: clock,
		Sync: journal.Sync{Always: cfg.Journal.Sync.Always, Every: cfg.Journal.Sync.Every},
	})
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	return lane, nil
}

// nodeName names this machine in the journal: its host name, as far as a
// folder can be called that.
func nodeName() string {
	host, _ := os.Hostname() // without one it is just "node"
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, strings.ToLower(host))
	if name = strings.Trim(name, "-_"); name == "" {
		return "node"
	}
	return name[:min(len(name), 64)]
}
