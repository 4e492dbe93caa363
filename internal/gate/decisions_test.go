package gate_test

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/gate/gatetest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// delegation is a gate with a service that settles and one that does not, and
// the decisions that wait.
type delegation struct {
	*gate.Gate
	recorder  *gatetest.Recorder
	decisions *gate.Decisions
	text      string
	now       time.Time
	mu        sync.Mutex
}

func (d *delegation) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *delegation) pass(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

func newDelegation(t testing.TB, quota, parallel int64) *delegation {
	recorder := new(gatetest.Recorder)
	d := newDelegationInto(t, recorder, quota, parallel)
	d.recorder = recorder
	return d
}

func newDelegationInto(t testing.TB, recorder gate.Recorder, quota, parallel int64) *delegation {
	d := &delegation{now: noon}
	d.Gate = gate.New(recorder, toll.NewIDs(nil))
	plan := toll.PlanVersion{ID: "p@1", Plan: toll.Plan{
		Name: "p", Includes: []string{"told", "silent"},
		Policies: []toll.Policy{
			{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Count: quota, Every: toll.Monthly},
			{Name: "words", Kind: toll.Quota, Unit: "words", Count: 1 << 40, Every: toll.Monthly},
			{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: parallel},
		},
	}}
	services := []toll.Service{
		{Name: "told", Host: "told.example", Access: toll.AccessKey, MaxBody: 1, Units: []string{"words"}, Bill: billable, Delegated: toll.Delegated{On: true, Settle: true, Within: time.Minute}},
		{Name: "silent", Host: "silent.example", Access: toll.AccessKey, MaxBody: 1, Bill: billable, Delegated: toll.Delegated{On: true}},
		{Name: "own", Host: "own.example", Access: toll.AccessPublic, MaxBody: 1, Bill: billable},
	}
	if err := d.Switch(gate.Rules{Services: services, Plans: []toll.PlanVersion{plan}}); err != nil {
		t.Fatal(err)
	}
	d.PutCustomer(toll.Customer{ID: "cus_1", Status: toll.CustomerActive, Subscription: toll.Subscription{Plan: "p"}})
	k, text := newKey(t, "cus_1", toll.Live)
	d.PutKey(k)
	d.text = text
	d.decisions = gate.NewDecisions(d.clock)
	return d
}

func (d *delegation) ask(host string) gate.Ask {
	return gate.Ask{
		Now: d.clock(), RequestID: "request-1", Host: host, Method: "GET", RawPath: "/x",
		APIKey: d.text, Client: netip.MustParseAddr("198.51.100.1"), Delegated: true,
	}
}

// decide admits and holds one request; ok is false when it was refused.
func (d *delegation) decide(t interface{ Fatal(...any) }) (id toll.ULID, ok bool) {
	p := new(gate.Pass)
	ask := d.ask("told.example")
	if d.Admit(&ask, p) != gate.Admitted {
		return id, false
	}
	id, err := d.decisions.Hold(p, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id, true
}

func (d *delegation) used(policy string) int64 {
	for _, s := range d.LimitStates("cus_1", d.clock()) {
		if s.Policy.Name == policy {
			return s.Used
		}
	}
	return -1
}

func TestEachFrontTakesItsOwnServices(t *testing.T) {
	t.Parallel()
	d := newDelegation(t, 10, 10)
	for _, c := range []struct {
		host      string
		delegated bool
		want      gate.Decision
	}{
		{"own.example", false, gate.Admitted}, {"own.example", true, gate.Elsewhere},
		{"silent.example", true, gate.Admitted}, {"silent.example", false, gate.Elsewhere},
		{"nobody.example", true, gate.Elsewhere},
	} {
		ask, p := d.ask(c.host), new(gate.Pass)
		ask.Delegated = c.delegated
		got := d.Admit(&ask, p)
		if got != c.want {
			t.Errorf("%s, delegated %v: %v, want %v", c.host, c.delegated, got, c.want)
		}
		if got == gate.Admitted {
			p.Done()
		}
	}
}

func TestADecisionThatNobodySettlesCountsAsOneRequestAtOnce(t *testing.T) {
	t.Parallel()
	d := newDelegation(t, 10, 10)
	ask, p := d.ask("silent.example"), new(gate.Pass)
	if got := d.Admit(&ask, p); got != gate.Admitted {
		t.Fatal(got, p.Reason)
	}
	id := p.ID()
	if _, err := p.Record(&gate.Outcome{Decided: true}); err != nil {
		t.Fatal(err)
	}
	p.Done().Delivered(true)
	events := d.recorder.Events()
	if len(events) != 1 || events[0].ID != id || events[0].Class != toll.Chargeable || events[0].Status != 0 || events[0].Latency != 0 {
		t.Errorf("the books have %+v", events)
	}
	if used := d.used("monthly"); used != 1 {
		t.Errorf("%d of the quota is used", used)
	}
	if _, err := d.decisions.Settle(id, &gate.Outcome{Status: 500}); !errors.Is(err, gate.ErrNoDecision) {
		t.Errorf("settling it: %v", err)
	}
}

func TestASettledDecisionIsRecordedOnceAsItWasSettledFirst(t *testing.T) {
	t.Parallel()
	d := newDelegation(t, 10, 1)
	id, _ := d.decide(t)
	if _, ok := d.decide(t); ok {
		t.Error("a second one at the same time is admitted")
	}
	if opened := d.recorder.Opened(); len(opened) != 1 || opened[0].ID != id {
		t.Errorf("journalled as under way: %+v", opened)
	}
	d.pass(time.Second)
	first, err := d.decisions.Settle(id, &gate.Outcome{Status: 201, Usage: []string{"words=7", "letters=3"}, BytesOut: 9})
	if err != nil || first.Status != 201 || first.Class != toll.Chargeable || first.BadUsage != 1 || len(first.Units) != 1 || first.Units[0] != (toll.Amount{Unit: "words", Count: 7}) {
		t.Fatalf("settled as %+v: %v", first, err)
	}
	again, err := d.decisions.Settle(id, &gate.Outcome{Status: 500, Usage: []string{"words=9"}})
	if err != nil || again.Status != 201 || again.Units[0].Count != 7 {
		t.Errorf("settled again as %+v: %v", again, err)
	}
	events := d.recorder.Events()
	if len(events) != 1 || events[0].ID != id || events[0].Latency != time.Second || events[0].BytesOut != 9 {
		t.Errorf("the books have %+v", events)
	}
	if d.used("monthly") != 1 || d.used("words") != 7 {
		t.Errorf("used: %d requests, %d words", d.used("monthly"), d.used("words"))
	}
	if _, ok := d.decide(t); !ok {
		t.Error("its place is not free again")
	}
}

func TestADecisionIsForgottenInTheEndAndSaysSo(t *testing.T) {
	t.Parallel()
	d := newDelegation(t, 10, 1)
	lost, told := make(map[string]int), toll.ULID{}
	d.decisions.Expired = func(service string, n int, example toll.ULID) { lost[service] += n; told = example }
	id, _ := d.decide(t)
	d.pass(time.Minute)
	if _, err := d.decisions.Settle(id, &gate.Outcome{Status: 200}); !errors.Is(err, gate.ErrDecisionExpired) {
		t.Errorf("settled too late, before the sweep: %v", err)
	}
	d.decisions.Sweep(d.clock())
	d.decisions.Sweep(d.clock())
	if lost["told"] != 1 || told != id {
		t.Errorf("told of %v, for example %s", lost, told)
	}
	events := d.recorder.Events()
	if len(events) != 1 || events[0].Class != toll.Unknown || events[0].ID != id {
		t.Errorf("the books have %+v", events)
	}
	if used := d.used("monthly"); used != 0 {
		t.Errorf("%d of the quota is used for what nobody knows", used)
	}
	if _, ok := d.decide(t); !ok {
		t.Error("its place is not free again")
	}
	if _, err := d.decisions.Settle(id, &gate.Outcome{Status: 200}); !errors.Is(err, gate.ErrDecisionExpired) {
		t.Errorf("settled too late: %v", err)
	}
	d.pass(time.Minute)
	d.decisions.Sweep(d.clock())
	if _, err := d.decisions.Settle(id, &gate.Outcome{Status: 200}); !errors.Is(err, gate.ErrNoDecision) {
		t.Errorf("settled much too late: %v", err)
	}
}

func TestASettlementThatCannotBeWrittenCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	d := newDelegation(t, 10, 1)
	id, _ := d.decide(t)
	full := errors.New("disk full")
	d.recorder.Fail(full)
	if _, err := d.decisions.Settle(id, &gate.Outcome{Status: 200}); !errors.Is(err, full) {
		t.Fatalf("while the journal takes nothing: %v", err)
	}
	p := new(gate.Pass)
	ask := d.ask("told.example")
	if got := d.Admit(&ask, p); got != gate.Refused || p.Reason != toll.RefusedJournal {
		t.Errorf("a further one: %v (%s)", got, p.Reason)
	}
	d.recorder.Fail(nil)
	if _, err := d.decisions.Settle(id, &gate.Outcome{Status: 200}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if n := len(d.recorder.Events()); n != 1 || d.decisions.Waiting() != 0 {
		t.Errorf("%d events, %d decisions wait", n, d.decisions.Waiting())
	}
}

func TestClosingEndsWhatWaitsAndKeepsWhatWasSettled(t *testing.T) {
	t.Parallel()
	d := newDelegation(t, 10, 10)
	settled, _ := d.decide(t)
	open, _ := d.decide(t)
	if _, err := d.decisions.Settle(settled, &gate.Outcome{Status: 200}); err != nil {
		t.Fatal(err)
	}
	d.decisions.Close()
	d.decisions.Close()
	if _, err := d.decisions.Settle(settled, &gate.Outcome{Status: 200}); err != nil {
		t.Errorf("the settled one: %v", err)
	}
	if _, err := d.decisions.Settle(open, &gate.Outcome{Status: 200}); !errors.Is(err, gate.ErrDecisionExpired) {
		t.Errorf("the open one: %v", err)
	}
	if events := d.recorder.Events(); len(events) != 2 || events[1].Class != toll.Unknown {
		t.Errorf("the books have %+v", events)
	}
}

// Many settle the same decisions at once, while others are swept: each is in
// the books once, and every place is free in the end.
func TestDecisionsSettledAtOnceAreCountedOnce(t *testing.T) {
	t.Parallel()
	const all = 200
	d := newDelegation(t, all, all)
	ids := make([]toll.ULID, all)
	for i := range ids {
		ids[i], _ = d.decide(t)
	}
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for _, id := range ids[:all/2] {
				if _, err := d.decisions.Settle(id, &gate.Outcome{Status: 200}); err != nil && !errors.Is(err, gate.ErrDecisionExpired) {
					t.Error(err)
				}
			}
		})
		workers.Go(func() { d.decisions.Sweep(noon.Add(time.Minute)) })
	}
	workers.Wait()
	seen := map[toll.ULID]int{}
	kept := int64(0)
	for _, e := range d.recorder.Events() {
		seen[e.ID]++
		if e.Class == toll.Chargeable {
			kept++
		}
	}
	for _, id := range ids {
		if seen[id] != 1 {
			t.Errorf("%s is in the books %d times", id, seen[id])
		}
	}
	if used := d.used("monthly"); used != kept || d.used("parallel") != 0 || d.decisions.Waiting() != 0 {
		t.Errorf("used %d, billed %d; %d places taken, %d decisions wait", used, kept, d.used("parallel"), d.decisions.Waiting())
	}
}

// Whatever is decided, settled, swept and forgotten in whatever order: a plain
// model says what the books and the counters hold.
func TestDecisionsAreAsThePlainModelSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		const quota, parallel = 12, 3
		d := newDelegation(t, quota, parallel)
		type fate struct {
			until  time.Time
			state  string // open, settled, lost
			status int
		}
		model := map[toll.ULID]*fate{}
		var order []toll.ULID
		open, used, words := int64(0), int64(0), int64(0)
		sweep := func() {
			d.decisions.Sweep(d.clock())
			for _, f := range model {
				if f.state == "open" && !d.clock().Before(f.until) {
					f.state = "lost"
					open, used = open-1, used-1
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"decide": func(rt *rapid.T) {
				id, ok := d.decide(rt)
				if want := open < parallel && used < quota; ok != want {
					rt.Fatalf("admitted %v, want %v (%d open, %d used)", ok, want, open, used)
				}
				if ok {
					model[id] = &fate{until: d.clock().Add(time.Minute), state: "open"}
					order = append(order, id)
					open, used = open+1, used+1
				}
			},
			"settle": func(rt *rapid.T) {
				if len(order) == 0 {
					return
				}
				id := rapid.SampledFrom(order).Draw(rt, "which")
				f := model[id]
				status := rapid.SampledFrom([]int{200, 404, 502}).Draw(rt, "status")
				got, err := d.decisions.Settle(id, &gate.Outcome{Status: status, Usage: []string{"words=2"}})
				over := !d.clock().Before(f.until.Add(time.Minute))
				switch {
				case f.state == "settled" && err == nil && got.Status == f.status:
				case f.state == "settled" && errors.Is(err, gate.ErrNoDecision) && over:
				case f.state == "open" && d.clock().Before(f.until) && err == nil && got.Status == status:
					f.state, f.status = "settled", status
					open--
					if status == 502 {
						used--
					} else {
						words += 2
					}
				case f.state != "settled" && !d.clock().Before(f.until) && (errors.Is(err, gate.ErrDecisionExpired) || over && errors.Is(err, gate.ErrNoDecision)):
				default:
					rt.Fatalf("%s at %s (until %s) is settled with %+v: %v", f.state, d.clock(), f.until, got, err)
				}
			},
			"wait":  func(rt *rapid.T) { d.pass(time.Duration(rapid.IntRange(1, 90).Draw(rt, "seconds")) * time.Second) },
			"sweep": func(*rapid.T) { sweep() },
			"": func(rt *rapid.T) {
				if d.used("monthly") != used || d.used("words") != words || d.used("parallel") != open || d.decisions.Waiting() != open {
					rt.Fatalf("used %d requests, %d words, %d places, %d wait; want %d, %d, %d", d.used("monthly"), d.used("words"), d.used("parallel"), d.decisions.Waiting(), used, words, open)
				}
			},
		})
	})
}

func BenchmarkADecisionAndItsSettlement(b *testing.B) {
	d := newDelegationInto(b, quiet{}, 1<<40, 1<<40)
	b.ReportAllocs()
	for b.Loop() {
		id, _ := d.decide(b)
		if _, err := d.decisions.Settle(id, &gate.Outcome{Status: 200}); err != nil {
			b.Fatal(err)
		}
		if d.pass(time.Millisecond); d.clock().UnixMilli()%1000 == 0 { // a thousand a second, swept each second
			d.decisions.Sweep(d.clock())
		}
	}
}
