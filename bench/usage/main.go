// Command usage measures the database half of metering at size: it makes a month
// of usage of many customers in a PostgreSQL of its own, asks every question
// that the console asks, cold and warm, and compares the drain with other ways
// of storing single events.
//
//	month ─► load (COPY: events, rollups, sketches) ─► ask (store.Store, timed) ─► report
//	                                                └► drain rates: Drain, INSERT, batch, COPY
//
// The month is made in memory, quarter of an hour by quarter of an hour, and
// added up there as the drain would; `verify` adds the single events up once
// more in SQL and compares.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

// settings are what the flags say.
type settings struct {
	dir       string
	events    int
	customers int
	days      int
	seed      uint64
	runs      int
	drained   int // events of the comparison of drains; 0 leaves it out
	verify    bool
	keep      bool
	write     bool
}

func main() {
	var s settings
	flag.StringVar(&s.dir, "dir", "", "a directory for the database, on the disk to be measured (needed); it is removed afterwards")
	flag.IntVar(&s.events, "events", 1_000_000, "usage events in the month; 100 million take about 35 GB")
	flag.IntVar(&s.customers, "customers", 1_000_000, "customers, with a key each")
	flag.IntVar(&s.days, "days", 30, "days of the month")
	flag.Uint64Var(&s.seed, "seed", 1, "of the random month")
	flag.IntVar(&s.runs, "runs", 100, "how often each question is asked, cold and warm")
	flag.IntVar(&s.drained, "drained", 200_000, "events that each way of storing them gets; 0 leaves that out")
	flag.BoolVar(&s.verify, "verify", false, "also add all single events up again in SQL and compare (slow)")
	flag.BoolVar(&s.keep, "keep", false, "leave the database where it is; another run with -dir uses it as it is")
	flag.BoolVar(&s.write, "write", false, "also write the result to bench/results and into bench/README.md")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "usage:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) (err error) {
	if s.dir == "" || s.events < 1 || s.customers < 1 || s.days < 1 || s.days > 31 {
		return fmt.Errorf("name a directory with -dir, and at least one event, customer and day")
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	server, made, err := startServer(ctx, s.dir, true)
	if err != nil {
		return err
	}
	defer func() {
		server.stop()
		if !s.keep {
			_ = os.RemoveAll(s.dir)
		}
	}()
	m := newMonth(s)
	r := &report{settings: s, began: time.Now()}
	if made {
		if r.load, err = load(ctx, server, m); err != nil {
			return fmt.Errorf("loading: %w", err)
		}
	}
	// From here on the server is set as a careful operator would set it.
	server.stop()
	if server, _, err = startServer(ctx, s.dir, false); err != nil {
		return err
	}
	if r.sizes, err = sizes(ctx, server); err != nil {
		return err
	}
	if s.verify {
		if r.verified, err = verify(ctx, server); err != nil {
			return fmt.Errorf("verifying: %w", err)
		}
	}
	if r.answers, err = ask(ctx, &server, m, s.runs); err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	if s.drained > 0 {
		if r.drains, err = drains(ctx, server, m, s.drained); err != nil {
			return fmt.Errorf("draining: %w", err)
		}
	}
	return r.print()
}
