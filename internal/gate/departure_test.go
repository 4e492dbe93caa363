package gate_test

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/limit/limittest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// sent is a value after its way between two processes.
func sent[T any](t interface{ Fatal(...any) }, v T) (out T) {
	var wire bytes.Buffer
	if err := errors.Join(gob.NewEncoder(&wire).Encode(&v), gob.NewDecoder(&wire).Decode(&out)); err != nil {
		t.Fatal(err)
	}
	return out
}

// over is a Successor in this process, with everything it is told and answers
// put on the wire and taken off again.
type over struct {
	t      interface{ Fatal(...any) }
	lender *gate.Lender
	gate   *gate.Gate
	asked  atomic.Int64
	away   atomic.Bool // it has ended
}

var errAway = errors.New("the new process has ended")

func (o *over) Admit(ask *gate.Ask) (*gate.Verdict, error) {
	if o.asked.Add(1); o.away.Load() {
		return nil, errAway
	}
	there := sent(o.t, *ask)
	v := sent(o.t, *o.lender.Admit(&there))
	return &v, nil
}

func (o *over) Adjust(d *gate.Debt) error {
	if o.away.Load() {
		return errAway
	}
	there := sent(o.t, *d)
	o.lender.Adjust(&there)
	return nil
}

func (o *over) LimitStates(customer string, now time.Time) ([]toll.LimitState, error) {
	if o.away.Load() {
		return nil, errAway
	}
	return o.gate.LimitStates(customer, now), nil
}

// movingPlan has every kind of limit, and per whatever can be counted.
func movingPlan() toll.PlanVersion {
	return toll.PlanVersion{ID: "free@1", Plan: toll.Plan{Name: "free", Includes: []string{"ner", "other"}, Policies: []toll.Policy{
		{Name: "seven", Kind: toll.RateLimit, Count: 7, Window: time.Minute, Burst: 4},
		{Name: "key", Kind: toll.RateLimit, Count: 5, Window: time.Minute, Partition: toll.PerKey},
		{Name: "address", Kind: toll.RateLimit, Count: 11, Window: time.Minute, Partition: toll.PerIP},
		{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: 3},
		{Name: "each", Kind: toll.ConcurrencyLimit, Count: 2, Partition: toll.PerIP},
		{Name: "daily", Kind: toll.Quota, Unit: toll.UnitRequests, Count: 20, Every: toll.Daily},
		{Name: "words", Kind: toll.Quota, Unit: "words", Count: 100, Every: toll.Monthly},
		{Name: "daily-ip", Kind: toll.Quota, Unit: toll.UnitRequests, Count: 13, Every: toll.Daily, Partition: toll.PerIP},
		{Name: "words-ip", Kind: toll.Quota, Unit: "words", Count: 70, Every: toll.Monthly, Partition: toll.PerIP, Service: "ner"},
		{Name: "shadow", Kind: toll.RateLimit, Count: 1, Window: time.Hour, Shadow: true},
	}}}
}

// movingKeys are two customers' keys, one of them a test key.
type movingKeys struct {
	customers []toll.Customer
	keys      []toll.Key
	texts     []string
}

func newMovingKeys(t testing.TB) *movingKeys {
	m := new(movingKeys)
	for i, mode := range []toll.Mode{toll.Live, toll.Live, toll.Test} {
		customer := fmt.Sprintf("cus_%d", i%2)
		m.customers = append(m.customers, toll.Customer{ID: customer, Status: toll.CustomerActive, Subscription: toll.Subscription{Plan: "free"}})
		key, text := newKey(t, customer, mode)
		key.ID = fmt.Sprintf("key_%d", i)
		m.keys, m.texts = append(m.keys, key), append(m.texts, text)
	}
	return m
}

func (m *movingKeys) gate(t interface{ Fatal(...any) }) *gate.Gate {
	g := gate.New(quiet{}, toll.NewIDs(nil))
	g.HashAddresses("the data directory's")
	services := services()
	services[2].Policies = append(services[2].Policies, toll.Policy{Name: "visits", Kind: toll.Quota, Unit: toll.UnitRequests, Count: 3, Every: toll.Daily, Partition: toll.PerIP})
	if err := g.Switch(gate.Rules{Services: services, Plans: []toll.PlanVersion{movingPlan()}}); err != nil {
		t.Fatal(err)
	}
	for i := range m.keys {
		g.PutCustomer(m.customers[i])
		g.PutKey(m.keys[i])
	}
	return g
}

// move hands a gate's counters over to a new one.
func (m *movingKeys) move(t interface{ Fatal(...any) }, g *gate.Gate) *over {
	next := m.gate(t)
	lender := gate.NewLender(next)
	e := sent(t, *g.Depart())
	next.Inherit(&e, lender)
	o := &over{t: t, lender: lender, gate: next}
	g.Leave(o)
	return o
}

// said is what a decision tells the client.
type said struct {
	Decision gate.Decision
	Reason   toll.RefusalReason
	Service  string
	Path     string
	Customer string
	Key      string
	Plan     string
	Limits   []limited
}

type limited struct {
	Name                      string
	Refused, WouldRefuse      bool
	Limit, Remaining          int64
	Reset, RetryAfter         time.Duration
	Headers, HeadersOfPolicys string
}

func saidBy(d gate.Decision, p *gate.Pass) said {
	s := said{Decision: d, Reason: p.Reason, Path: p.Path, Customer: p.Customer, Key: p.Key, Plan: p.Plan}
	if p.Service != nil {
		s.Service = p.Service.Name
	}
	for _, r := range p.Limits() {
		s.Limits = append(s.Limits, limited{
			r.Policy.Name, r.Refused, r.WouldRefuse, r.Limit, r.Remaining, r.Reset, r.RetryAfter,
			string(limit.AppendRateLimit(nil, []limit.Result{r})), string(limit.AppendRateLimitPolicy(nil, []limit.Result{r})),
		})
	}
	if d != gate.Admitted && p.Reason != toll.RefusedLimit {
		s.Limits = nil
	}
	return s
}

// TestAGateThatMovesDecidesLikeOneThatStays compares a gate that never moves
// with one that is handed over again and again, where requests come and end on
// every process of the chain.
func TestAGateThatMovesDecidesLikeOneThatStays(t *testing.T) {
	t.Parallel()
	keys := newMovingKeys(t)
	addresses := []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), {}}
	rapid.Check(t, func(rt *rapid.T) {
		type request struct{ stays, moves *gate.Pass }
		whole := keys.gate(rt)
		chain := []*gate.Gate{keys.gate(rt)}
		now := noon
		var open []*request
		pick := func() int { return rapid.IntRange(0, len(open)-1).Draw(rt, "which") }
		rt.Repeat(map[string]func(*rapid.T){
			"a request": func(rt *rapid.T) {
				i := rapid.IntRange(0, len(keys.texts)-1).Draw(rt, "key")
				ask := gate.Ask{
					Now: now, RequestID: "req", Method: "GET", Client: addresses[rapid.IntRange(0, len(addresses)-1).Draw(rt, "client")],
					RawPath: rapid.SampledFrom([]string{"/v1/ner/x", "/v1/other", "/elsewhere", "/v1/ner/%2f"}).Draw(rt, "path"), APIKey: keys.texts[i],
				}
				if rapid.Bool().Draw(rt, "public") {
					ask.Host = "site.example"
				}
				r := &request{stays: new(gate.Pass), moves: new(gate.Pass)}
				g := chain[rapid.IntRange(0, len(chain)-1).Draw(rt, "process")]
				want := saidBy(whole.Admit(&ask, r.stays), r.stays)
				if got := saidBy(g.Admit(&ask, r.moves), r.moves); !reflect.DeepEqual(got, want) {
					rt.Fatalf("it says\n%+v, want\n%+v", got, want)
				}
				if want.Decision == gate.Admitted {
					open = append(open, r)
				}
			},
			"an answer": func(rt *rapid.T) {
				if len(open) == 0 {
					rt.Skip()
				}
				r := open[pick()]
				out := gate.Outcome{Status: rapid.SampledFrom([]int{200, 404, 502}).Draw(rt, "status"), Answered: true, Usage: []string{"words=7"}}
				for _, p := range []*gate.Pass{r.stays, r.moves} {
					if _, err := p.Record(&out); err != nil {
						rt.Fatal(err)
					}
				}
			},
			"an end": func(rt *rapid.T) {
				if len(open) == 0 {
					rt.Skip()
				}
				i := pick()
				open[i].stays.Done().Delivered(true)
				open[i].moves.Done().Delivered(true)
				open = slices.Delete(open, i, i+1)
			},
			"time": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(rt, "time")))
			},
			"a move": func(rt *rapid.T) {
				if len(chain) < 5 {
					chain = append(chain, keys.move(rt, chain[len(chain)-1]).gate)
				}
			},
			"a move that fails": func(*rapid.T) {
				last := chain[len(chain)-1]
				last.Stay(last.Depart())
			},
			"": func(rt *rapid.T) {
				for _, customer := range []string{"cus_0", "cus_1"} {
					want := whole.LimitStates(customer, now)
					for i, g := range chain {
						if got := g.LimitStates(customer, now); !reflect.DeepEqual(got, want) {
							rt.Fatalf("process %d shows %+v, want %+v", i, got, want)
						}
					}
				}
			},
		})
	})
}

func TestNothingIsCountedTwiceOrLostWhileCountersMove(t *testing.T) {
	t.Parallel()
	keys := newMovingKeys(t)
	const quota, workers = 2000, 8
	plan := movingPlan()
	plan.Plan.Policies = []toll.Policy{
		{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: workers},
		{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Count: quota, Every: toll.Monthly},
	}
	open := func() *gate.Gate {
		g := keys.gate(t)
		if err := g.Switch(gate.Rules{Services: services(), Plans: []toll.PlanVersion{plan}}); err != nil {
			t.Fatal(err)
		}
		return g
	}
	first := open()
	serving := atomic.Pointer[gate.Gate]{}
	serving.Store(first)
	var answered, refused atomic.Int64
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			var p gate.Pass
			g := first // its connection's
			for n := 0; refused.Load() < 200; n++ {
				if n%7 == 0 { // a new connection, sometimes
					g = serving.Load()
				}
				ask := gate.Ask{Now: noon, RequestID: "req", Method: "GET", RawPath: "/v1/ner/x", APIKey: keys.texts[0]}
				switch g.Admit(&ask, &p) {
				case gate.Admitted:
					out := gate.Outcome{Status: 200, Answered: n%5 != 0}
					if _, err := p.Record(&out); err != nil {
						t.Error(err)
					}
					if out.Answered {
						answered.Add(1)
					}
					p.Done().Delivered(true)
				default:
					refused.Add(1)
				}
			}
		})
	}
	moving := make(chan struct{})
	go func() {
		defer close(moving)
		for n := 0; refused.Load() < 200 && n < 6; n++ {
			g := serving.Load()
			for range 20 { // attempts that come to nothing
				g.Stay(g.Depart())
			}
			next := open()
			lender := gate.NewLender(next)
			e := sent(t, *g.Depart())
			next.Inherit(&e, lender)
			g.Leave(&over{t: t, lender: lender, gate: next})
			serving.Store(next)
		}
	}()
	work.Wait()
	<-moving
	// What was given back last, somebody has to take yet.
	for last := serving.Load(); ; answered.Add(1) {
		var p gate.Pass
		if last.Admit(&gate.Ask{Now: noon, RequestID: "req", Method: "GET", RawPath: "/v1/ner/x", APIKey: keys.texts[0]}, &p) != gate.Admitted {
			break
		}
		if _, err := p.Record(&gate.Outcome{Status: 200, Answered: true}); err != nil {
			t.Fatal(err)
		}
		p.Done().Delivered(true)
	}
	if got := answered.Load(); got != quota {
		t.Errorf("%d answered of a quota of %d", got, quota)
	}
	for _, s := range serving.Load().LimitStates("cus_0", noon) {
		want := map[string]int64{"parallel": 0, "monthly": quota}[s.Policy.Name]
		if s.Used != want {
			t.Errorf("%s: %d used, want %d", s.Policy.Name, s.Used, want)
		}
	}
}

func TestWhatAProcessHeldIsFreeWhenItIsGone(t *testing.T) {
	t.Parallel()
	keys := newMovingKeys(t)
	old := keys.gate(t)
	ask := func(i int) *gate.Ask {
		return &gate.Ask{Now: noon, RequestID: "req", Method: "GET", RawPath: "/v1/ner/x", APIKey: keys.texts[i], Client: netip.MustParseAddr("2001:db8::1")}
	}
	var before, after gate.Pass
	if old.Admit(ask(0), &before) != gate.Admitted {
		t.Fatal(before.Reason)
	}
	to := keys.move(t, old)
	if old.Admit(ask(0), &after) != gate.Admitted || to.asked.Load() != 1 {
		t.Fatal(after.Reason, to.asked.Load())
	}
	var p gate.Pass
	if to.gate.Admit(ask(0), &p) != gate.Refused || p.Reason != toll.RefusedLimit {
		t.Fatalf("a third on the same address: %v", p.Reason)
	}
	to.lender.End() // killed: neither of its two is settled
	for range 2 {
		if d := to.gate.Admit(ask(0), new(gate.Pass)); d != gate.Admitted {
			t.Errorf("%v, want the places free", d)
		}
	}
	if to.gate.Admit(ask(0), &p) != gate.Refused {
		t.Error("more places than there are")
	}
}

func TestARequestIsRefusedWhenNobodyIsThereToCountIt(t *testing.T) {
	t.Parallel()
	keys := newMovingKeys(t)
	old := keys.gate(t)
	to := keys.move(t, old)
	to.away.Store(true)
	var p gate.Pass
	ask := gate.Ask{Now: noon, RequestID: "req", Method: "GET", RawPath: "/v1/ner/x", APIKey: keys.texts[0]}
	if d := old.Admit(&ask, &p); d != gate.Refused || p.Reason != toll.RefusedJournal {
		t.Errorf("%v %s", d, p.Reason)
	}
	if states := old.LimitStates("cus_0", noon); states != nil {
		t.Errorf("it shows %v", states)
	}
}

func TestAServiceThatOnlyTheNewProcessKnowsIsAdmittedByItsName(t *testing.T) {
	t.Parallel()
	keys := newMovingKeys(t)
	old := keys.gate(t)
	if err := old.Switch(gate.Rules{Services: services()[1:], Plans: []toll.PlanVersion{movingPlan()}}); err != nil {
		t.Fatal(err)
	}
	keys.move(t, old)
	var p gate.Pass
	ask := gate.Ask{Now: noon, RequestID: "req", Method: "GET", RawPath: "/v1/ner/x", APIKey: keys.texts[0]}
	if d := old.Admit(&ask, &p); d != gate.Admitted || p.Service == nil || p.Service.Name != "ner" {
		t.Errorf("%v %+v", d, p.Service)
	}
	p.Done()
}

func TestKeysOfTheOldProcessAskTheNewOneTooWhenTheyComeAfterIt(t *testing.T) {
	t.Parallel()
	keys := newMovingKeys(t)
	old := keys.gate(t)
	to := keys.move(t, old)
	customer := toll.Customer{ID: "cus_new", Status: toll.CustomerActive, Subscription: toll.Subscription{Plan: "free"}}
	key, text := newKey(t, "cus_new", toll.Live)
	for _, g := range []*gate.Gate{old, to.gate} { // the office tells both
		g.PutCustomer(customer)
		g.PutKey(key)
	}
	var p gate.Pass
	ask := gate.Ask{Now: noon, RequestID: "req", Method: "GET", RawPath: "/v1/ner/x", APIKey: text}
	if d := old.Admit(&ask, &p); d != gate.Admitted || to.asked.Load() != 1 {
		t.Errorf("%v, asked %d times", d, to.asked.Load())
	}
}

func TestCountersThatReplicasShareStayExactAcrossAMove(t *testing.T) {
	t.Parallel()
	const quota = 60
	ledger := limittest.NewMemory(func() time.Time { return noon })
	all := threeGates(t, ledger,
		toll.Policy{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Every: toll.Monthly, Count: quota},
		toll.Policy{Name: "words", Kind: toll.Quota, Unit: "words", Every: toll.Monthly, Count: 1000})
	old, next, other := all[0], all[1], all[2]
	beat := func() {
		for _, r := range append(all, all...) {
			r.pool.Beat(t.Context())
		}
	}
	var before, after, more gate.Pass
	if ask := old.ask; old.Admit(&ask, &before) != gate.Admitted {
		t.Fatal(before.Reason)
	}
	lender := gate.NewLender(next.Gate)
	e := sent(t, *old.Depart())
	next.Inherit(&e, lender)
	old.Leave(&over{t: t, lender: lender, gate: next.Gate})
	if ask := old.ask; old.Admit(&ask, &after) != gate.Admitted {
		t.Fatal(after.Reason)
	}
	if ask := other.ask; other.Admit(&ask, &more) != gate.Admitted {
		t.Fatal(more.Reason)
	}
	for _, p := range []*gate.Pass{&before, &after, &more} {
		if _, err := p.Record(&gate.Outcome{Status: 200, Answered: true, Usage: []string{"words=7"}}); err != nil {
			t.Fatal(err)
		}
		p.Done().Delivered(true)
	}
	answered := 3
	for n, refusals := 0, 0; refusals < 30; n++ {
		if n%10 == 0 {
			beat()
		}
		status := 200
		if n%4 == 0 {
			status = 500 // given back
		}
		switch got := all[n%3].call(t, new(gate.Pass), status); {
		case got != "":
			refusals++
		case status == 200:
			answered++
		}
	}
	beat()
	// This clock stands still, so some of it may be stranded in leases.
	if answered > quota || answered < quota/2 {
		t.Errorf("%d answered of a quota of %d", answered, quota)
	}
	for i, r := range all {
		for _, s := range r.LimitStates("cus_1", noon) {
			if want := map[string]int64{"monthly": int64(answered), "words": 21}[s.Policy.Name]; s.Used != want {
				t.Errorf("gate %d tells of %d used of %s, want %d", i, s.Used, s.Policy.Name, want)
			}
		}
	}
}

// BenchmarkAMove is how long requests wait while the counters of so many
// customers move, without the socket between.
func BenchmarkAMove(b *testing.B) {
	const customers = 100_000
	keys := newMovingKeys(b)
	g := keys.gate(b)
	for i := range customers {
		id := fmt.Sprintf("cus_%d", i)
		g.PutCustomer(toll.Customer{ID: id, Status: toll.CustomerActive, Subscription: toll.Subscription{Plan: "free"}})
		g.Restore(id, toll.UnitRequests, toll.Daily, noon, 7)
		g.Restore(id, "words", toll.Monthly, noon, 70)
	}
	next := keys.gate(b)
	for b.Loop() {
		e := g.Depart()
		there := sent(b, *e)
		next.Inherit(&there, gate.NewLender(next))
		g.Stay(e)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/customers, "ns/customer")
}
