package gate_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/gate/gatetest"
	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/limit/limittest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// replica is a gate of several that share one ledger, one customer and one key.
type replica struct {
	*gate.Gate
	pool *limit.Pool
	ask  gate.Ask
}

func threeGates(t *testing.T, ledger limit.Ledger, policies ...toll.Policy) []*replica {
	t.Helper()
	plan := free()
	plan.Plan.Policies = policies
	key, text := newKey(t, "cus_1", toll.Live)
	var all []*replica
	for i := range 3 {
		r := &replica{Gate: gate.New(new(gatetest.Recorder), toll.NewIDs(nil))}
		r.pool = limit.NewPool(ledger, limit.PoolOptions{Replica: fmt.Sprint(i), Clock: func() time.Time { return noon }})
		r.ShareLimits(r.pool)
		if err := r.Switch(gate.Rules{Services: services(), Plans: []toll.PlanVersion{plan}}); err != nil {
			t.Fatal(err)
		}
		r.PutCustomer(toll.Customer{ID: "cus_1", Status: toll.CustomerActive, Version: 1, Subscription: toll.Subscription{Plan: "free"}})
		r.PutKey(key)
		r.ask = (&house{text: text}).ask()
		all = append(all, r)
	}
	for _, r := range append(all, all...) {
		r.pool.Beat(t.Context())
	}
	return all
}

// call walks one request through; its outcome is the service's fault now and then.
func (r *replica) call(t *testing.T, p *gate.Pass, status int) toll.RefusalReason {
	ask := r.ask
	if r.Admit(&ask, p) != gate.Admitted {
		return p.Reason
	}
	if _, err := p.Record(&gate.Outcome{Status: status, Answered: true}); err != nil {
		t.Error(err)
	}
	p.Done().Delivered(true)
	return ""
}

func TestThreeGatesAdmitExactlyTheQuotaUnderRandomLoad(t *testing.T) {
	t.Parallel()
	const quota = 3000
	ledger := limittest.NewMemory(func() time.Time { return noon })
	all := threeGates(t, ledger, toll.Policy{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Every: toll.Monthly, Count: quota},
		toll.Policy{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: 1000})
	var kept, failed atomic.Int64
	load := func() {
		var group sync.WaitGroup
		for c := range 12 {
			group.Go(func() {
				var p gate.Pass
				random := rand.New(rand.NewPCG(uint64(c), 1))
				for range 500 {
					status := 200
					if random.IntN(10) == 0 {
						status = 500 // given back
					}
					if all[random.IntN(3)].call(t, &p, status) != "" {
						continue
					}
					if status == 200 {
						kept.Add(1)
					} else {
						failed.Add(1)
					}
				}
			})
		}
		group.Wait()
	}
	load()
	t.Logf("quota %d, 6000 requests of which a tenth fails: %d kept, %d given back; overshoot %d, stranded %d", quota, kept.Load(), failed.Load(), max(0, kept.Load()-quota), max(0, quota-kept.Load()))
	if kept.Load() > quota {
		t.Errorf("%d were kept of %d", kept.Load(), quota)
	}
	for _, r := range append(all, all...) {
		r.pool.Beat(t.Context())
	}
	for i, r := range all { // each tells the same number, which is that of what was kept
		if got := r.LimitStates("cus_1", noon)[0].Used; got != kept.Load() {
			t.Errorf("gate %d tells of %d used, want %d", i, got, kept.Load())
		}
	}
}

func TestAClosedLimitWhoseCountersAreAwayIsNoLimitReached(t *testing.T) {
	t.Parallel()
	ledger := limittest.NewMemory(func() time.Time { return noon })
	all := threeGates(t, ledger, toll.Policy{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Every: toll.Monthly, Count: 2, WhenSharedAway: toll.AwayClosed})
	ledger.Away(errors.New("connection refused"))
	var p gate.Pass
	if got := all[0].call(t, &p, 200); got != toll.RefusedUncounted {
		t.Errorf("refused for %q, want %q", got, toll.RefusedUncounted)
	}
	ledger.Away(nil)
	for range 3 { // until it is trusted to know all again
		for _, r := range all {
			r.pool.Beat(t.Context())
		}
	}
	for i, want := range []toll.RefusalReason{"", "", toll.RefusedLimit} {
		if got := all[i].call(t, &p, 200); got != want {
			t.Errorf("call %d: %q, want %q", i, got, want)
		}
	}
}
