package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/limit/redislimit"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/telemetry"
)

// sharedLimits are the counters that replicas share, where a Redis is configured.
type sharedLimits struct {
	pool   *limit.Pool
	ledger *redislimit.Ledger
	end    context.CancelFunc
	ended  chan struct{}
}

// openShared has the gate's counters shared through Redis. A Redis that is away
// is no reason not to start: each limit does what it says for that.
func (a *App) openShared(ctx context.Context) error {
	if a.cfg.Redis == "" {
		return nil
	}
	ledger, err := redislimit.Open(a.cfg.Redis.Reveal())
	if err != nil {
		return err
	}
	pool := limit.NewPool(ledger, limit.PoolOptions{
		Replica: a.ids.New(a.clock()).String(), Clock: a.clock, Used: a.usedInPeriod, Log: a.log,
	})
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	a.shared = &sharedLimits{pool: pool, ledger: ledger, end: end, ended: make(chan struct{})}
	a.gate.ShareLimits(pool)
	pool.Beat(ctx) // who is there is known before the first request
	go func() {
		defer close(a.shared.ended)
		pool.Run(running)
	}()
	return nil
}

// usedInPeriod is what the store holds of a quota.
func (a *App) usedInPeriod(ctx context.Context, q limit.UsedQuestion) (int64, error) {
	of := meter.UsedQuery{From: q.From, To: q.To, Unit: q.Unit, Service: q.Service, Endpoint: q.Endpoint, Customer: q.Who}
	if key, is := strings.CutPrefix(q.Who, gate.KeyPrefix); is {
		of.Customer, of.Key = "", key
	}
	rows, err := a.rooms.store.UsedOf(ctx, of)
	if err != nil {
		return 0, fmt.Errorf("asking what was used of a quota: %w", err)
	}
	var used int64
	for _, row := range rows {
		used += row.Count
	}
	return used, nil
}

// close hands every lease back.
func (s *sharedLimits) close() error {
	if s == nil {
		return nil
	}
	s.end()
	<-s.ended
	return s.ledger.Close()
}

// status is what the metrics show.
func (s *sharedLimits) status() telemetry.Shared {
	now := s.pool.Status()
	return telemetry.Shared{Away: now.Away, Outages: now.Outages, Replicas: now.Replicas, Asked: now.Asked, Alone: now.Alone}
}
