package limit_test

import (
	"context"
	"fmt"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/limit/limittest"
	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"github.com/tollhouse/tollhouse/internal/toll"
)

var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// house is some replicas on one ledger, with one customer.
type house struct {
	now      time.Time // of the ledger; a replica's clock may be off
	ledger   *limittest.Memory
	replicas []*replica
	set      *limit.Set
	counting *limit.Set // as the gate has it: every plan's quotas, silently
}

type replica struct {
	house *house
	name  string
	off   time.Duration
	pool  *limit.Pool
	state *limit.State
	parts limit.Partitions
	kept  limit.Admission // used again, as the gate does
	calls int
}

func newHouse(t testing.TB, replicas int, policies ...toll.Policy) *house {
	t.Helper()
	set, err := limit.Compile(policies, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	h := found(t, set, policies)
	for range replicas {
		h.join()
	}
	for _, r := range h.replicas {
		r.pool.Beat(t.Context())
	}
	return h
}

// found makes a house without replicas.
func found(t interface{ Fatal(...any) }, set *limit.Set, policies []toll.Policy) *house {
	counting, err := limit.Counting(policies, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{now: start, set: set, counting: counting}
	h.ledger = limittest.NewMemory(func() time.Time { return h.now })
	return h
}

func (h *house) join() *replica {
	r := &replica{house: h, name: fmt.Sprint("r", len(h.replicas)), state: new(limit.State)}
	r.pool = limit.NewPool(h.ledger, limit.PoolOptions{Replica: r.name, Clock: r.clock})
	r.parts = limit.Partitions{Customer: r.state, SharedCustomer: r.pool.Share("acme", true, r.state)}
	h.replicas = append(h.replicas, r)
	return r
}

func (r *replica) clock() time.Time { return r.house.now.Add(r.off) }

func (r *replica) admit(a *limit.Admission) bool {
	if r.calls++; r.calls%3 == 0 { // so that what a kept Admission finds stands elsewhere in it; what counts is the same
		return a.Admit(r.clock(), r.parts, "ner", "other", r.house.set, r.house.counting)
	}
	return a.Admit(r.clock(), r.parts, "ner", "other", r.house.counting, r.house.set)
}

// one sends a request that is answered at once, and tells whether it was admitted.
func (r *replica) one() bool {
	ok := r.admit(&r.kept)
	r.kept.Settle(true, nil)
	r.kept.Release()
	return ok
}

// quiet lets time pass until every unused lease is back, and so little of it
// at a time that nothing dies.
func (h *house) quiet() {
	for range 8 {
		h.now = h.now.Add(limit.Beat)
		for _, r := range h.replicas {
			r.pool.Beat(context.Background())
		}
	}
}

func perMinute(count int64) toll.Policy {
	return toll.Policy{Name: "minute", Kind: toll.RateLimit, Count: count, Window: time.Minute}
}

func monthly(limitIs int64) toll.Policy {
	return toll.Policy{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Every: toll.Monthly, Count: limitIs}
}

func parallel(count int64) toll.Policy {
	return toll.Policy{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: count}
}

func TestReplicasTogetherNeverAdmitMoreThanOneWould(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.Int64Range(1, 3000).Draw(t, "count")
		window := time.Duration(rapid.SampledFrom([]int64{1e9, 7e9, 60e9, 3600e9}).Draw(t, "window"))
		burst := rapid.Int64Range(1, min(count, 60)).Draw(t, "burst")
		quota := rapid.Int64Range(0, 150).Draw(t, "quota")
		places := rapid.Int64Range(1, 12).Draw(t, "places")
		rate := toll.Policy{Name: "rate", Kind: toll.RateLimit, Count: count, Window: window, Burst: burst}
		policies := []toll.Policy{rate, monthly(quota), parallel(places)}
		which := rapid.SliceOfNDistinct(rapid.IntRange(0, 2), 1, 3, rapid.ID).Draw(t, "policies")
		var chosen []toll.Policy
		for _, i := range which {
			chosen = append(chosen, policies[i])
		}
		set, err := limit.Compile(chosen, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		h := found(t, set, chosen)
		for range rapid.IntRange(1, 4).Draw(t, "replicas") {
			r := h.join()
			r.off = time.Duration(rapid.IntRange(-3, 3).Draw(t, "off")) * time.Hour // one clock is not another's
			r.pool.Beat(context.Background())
		}

		level, at := new(big.Rat), h.now
		var used, flight int64
		leak := func() {
			flowed := big.NewRat(int64(h.now.Sub(at))*count, int64(window))
			if level.Sub(level, flowed).Sign() < 0 {
				level.SetInt64(0)
			}
			at = h.now
		}
		has := map[toll.PolicyKind]bool{}
		for _, p := range chosen {
			has[p.Kind] = true
		}
		// room is how many the model would admit now, by the tightest policy.
		room := func() int64 {
			n := int64(1 << 40)
			if has[toll.RateLimit] {
				leak()
				left := new(big.Rat).Sub(big.NewRat(burst, 1), level)
				n = min(n, new(big.Int).Div(left.Num(), left.Denom()).Int64())
			}
			if has[toll.Quota] {
				n = min(n, quota-used)
			}
			if has[toll.ConcurrencyLimit] {
				n = min(n, places-flight)
			}
			return n
		}
		type call struct {
			admission *limit.Admission
		}
		var open []call
		finish := func(i int, keep bool) {
			open[i].admission.Settle(keep, nil)
			open[i].admission.Release()
			open = append(open[:i], open[i+1:]...)
			flight--
			if !keep {
				used--
			}
		}
		stranded := func() (n int64) {
			for _, r := range h.replicas {
				n += r.pool.Left()
			}
			return n
		}
		ask := func(r *replica) {
			a := new(limit.Admission)
			would := room()
			admitted := r.admit(a)
			// What was given back, or flowed off, is news: a refusal is believed for a
			// moment, and what one replica leases ahead is back within a second.
			for waited := time.Duration(0); !admitted && would > stranded() && waited < time.Second; waited += limit.Beat {
				h.now = h.now.Add(limit.Beat)
				for _, r := range h.replicas {
					r.pool.Beat(context.Background())
				}
				would = room()
				if admitted = r.admit(a); !admitted && would > stranded() && waited+limit.Beat >= time.Second {
					t.Fatalf("%s refused, where the model has room for %d and %d are leased: %+v", r.name, would, stranded(), a.Results())
				}
			}
			if !admitted {
				return
			}
			if would < 1 {
				t.Fatalf("%s admitted what the model refuses: room %d, level %s, used %d, in flight %d", r.name, would, level.FloatString(6), used, flight)
			}
			level.Add(level, big.NewRat(1, 1))
			used++
			flight++
			open = append(open, call{a})
		}
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			r := h.replicas[rapid.IntRange(0, len(h.replicas)-1).Draw(t, "replica")]
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				r.pool.Beat(context.Background())
			case 1:
				h.now = h.now.Add(time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "pass")))
				for _, r := range h.replicas { // Run beats whatever happens
					r.pool.Beat(context.Background())
				}
			case 2, 3:
				h.now = h.now.Add(time.Duration(rapid.Int64Range(0, int64(100*time.Millisecond)).Draw(t, "pass a little")))
			case 4, 5:
				if len(open) > 0 {
					finish(rapid.IntRange(0, len(open)-1).Draw(t, "call"), rapid.Bool().Draw(t, "keep"))
				}
			default:
				for range rapid.SampledFrom([]int{1, 1, 2, 5, 30}).Draw(t, "burst of requests") {
					ask(r)
				}
			}
		}
		for len(open) > 0 {
			finish(0, true)
		}
		h.quiet()
		for _, r := range h.replicas {
			if left := r.pool.Left(); left != 0 {
				t.Fatalf("%s still leases %d two seconds after the last request", r.name, left)
			}
		}
		h.now = h.now.Add(time.Second)
		ask(h.replicas[rapid.IntRange(0, len(h.replicas)-1).Draw(t, "last")])
	})
}

func TestASteppedClockOfOneReplicaAdmitsNothingOnTop(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{-25 * time.Hour, -time.Hour, time.Hour, 25 * time.Hour} {
		t.Run(step.String(), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, 3, toll.Policy{Name: "hour", Kind: toll.RateLimit, Count: 60, Window: time.Hour}, monthly(1000))
			got := 0
			for i := range 200 {
				if i == 40 {
					h.replicas[1].off = step
				}
				if h.replicas[i%3].one() {
					got++
				}
			}
			if got != 60 {
				t.Errorf("%d were admitted of 60", got)
			}
		})
	}
}

func TestGivenBackUnitsAreThereForAllReplicas(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2, monthly(1))
	a, b := h.replicas[0], h.replicas[1]
	var first limit.Admission
	if !a.admit(&first) || b.one() {
		t.Fatal("one of one was not admitted, or two were")
	}
	first.Release() // a 502: never settled
	h.quiet()
	if !b.one() {
		t.Error("what was given back is lost")
	}
}

func TestReportedUnitsOfOneReplicaRefuseOnTheOthers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2, toll.Policy{Name: "words", Kind: toll.Quota, Unit: "words", Every: toll.Daily, Count: 1000})
	a, b := h.replicas[0], h.replicas[1]
	var call limit.Admission
	if !a.admit(&call) || !b.one() {
		t.Fatal("refused")
	}
	call.Settle(true, []toll.Amount{{Unit: "words", Count: 1000}})
	call.Release()
	a.pool.Beat(t.Context())
	h.now = h.now.Add(limit.Beat)
	b.pool.Beat(t.Context())
	if b.one() {
		t.Error("admitted, a beat after all words were used elsewhere")
	}
}

func TestPagesTellOfAllReplicas(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2, monthly(100), parallel(5))
	a, b := h.replicas[0], h.replicas[1]
	for range 7 {
		a.one()
	}
	var open limit.Admission
	if !a.admit(&open) {
		t.Fatal("refused")
	}
	a.pool.Beat(t.Context())
	h.set.Refresh(t.Context(), b.clock(), b.parts)
	states := h.set.LimitStates(b.clock(), b.parts)
	if got := states[0].Used; got != 8 {
		t.Errorf("%d of the quota are used, want 8", got)
	}
	if got := states[1].Used; got < 1 || got > 2 { // a place may be leased for the next
		t.Errorf("%d at the same time, want 1", got)
	}
}

func TestPoliciesThatNobodySharesAreDecidedAsEver(t *testing.T) {
	t.Parallel()
	perIP := toll.Policy{Name: "ip", Kind: toll.RateLimit, Partition: toll.PerIP, Count: 1, Window: time.Minute}
	h := newHouse(t, 1, perIP)
	r := h.replicas[0]
	r.parts.Address = new(limit.State)
	if !r.one() || r.one() {
		t.Error("one per minute and address was not admitted once")
	}
	h.ledger.Away(errAway)
	r.parts.Address = new(limit.State)
	if !r.one() || r.one() {
		t.Error("and not so while the ledger is away")
	}
}

// An Admission is used again for requests under other plans, and a counter is
// one whatever it was about before.
func TestARateIsOneCounterWhateverTheAdmissionDecidedBefore(t *testing.T) {
	t.Parallel()
	for _, p := range []toll.Policy{perMinute(10), parallel(10)} {
		h := newHouse(t, 2, p)
		daily := monthly(1 << 40)
		daily.Name, daily.Every = "daily", toll.Daily
		before, err := limit.Compile([]toll.Policy{monthly(1 << 40), daily}, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		admitted := 0
		var open []*limit.Admission
		for i := range 60 {
			r, a := h.replicas[i%2], new(limit.Admission)
			if i%3 == 0 {
				a.Admit(r.clock(), r.parts, "ner", "other", before)
			}
			if a.Admit(r.clock(), r.parts, "ner", "other", h.set) {
				admitted++
			}
			a.Settle(true, nil)
			open = append(open, a)
		}
		if admitted != 10 {
			t.Errorf("%s: %d of 60 were admitted, want 10", p.Name, admitted)
		}
		for _, a := range open {
			a.Release()
		}
	}
}

// A machine that stalls may read a request's clock long before it decides it:
// that is no reason to say that nobody knows what is left.
func TestARequestThatWasHeldUpForLongIsDecidedByTheLedger(t *testing.T) {
	t.Parallel()
	for _, p := range []toll.Policy{perMinute(10), parallel(10), monthly(10)} {
		h := newHouse(t, 2, p)
		r := h.replicas[0]
		admitted := 0
		var open []*limit.Admission
		for range 12 {
			a := new(limit.Admission)
			if a.Admit(r.clock().Add(-3*time.Second), r.parts, "ner", "other", h.set) {
				admitted++
			}
			for _, result := range a.Results() {
				if result.Away {
					t.Errorf("%s: nobody knows what is left: %+v", p.Name, result)
				}
			}
			a.Settle(true, nil)
			open = append(open, a)
		}
		if admitted != 10 {
			t.Errorf("%s: %d of 12 were admitted, want 10", p.Name, admitted)
		}
		for _, a := range open {
			a.Release()
		}
	}
}

// What others have leased and do not use is back in a second: nobody is sent
// away until the month is over.
func TestARefusalForOthersLeasesSaysASecondAndNotThePeriodsEnd(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2, monthly(30))
	a, b := h.replicas[0], h.replicas[1]
	for range 5 { // at once: b leases ahead
		b.one()
	}
	var call limit.Admission
	for range 30 {
		if !a.admit(&call) {
			break
		}
		call.Settle(true, nil)
	}
	refused := func() limit.Result {
		t.Helper()
		if a.admit(&call) {
			t.Fatal("admitted")
		}
		return call.Results()[0]
	}
	if got := refused(); b.pool.Left() == 0 || got.RetryAfter != limit.LeaseLife || got.Away {
		t.Errorf("while the other has leased %d, it says %+v", b.pool.Left(), got)
	}
	for range 30 {
		b.one()
	}
	h.quiet()
	for a.one() {
	}
	if got := refused(); got.Remaining != 0 || got.RetryAfter < 24*time.Hour {
		t.Errorf("when all is used, it says %+v", got)
	}
}
