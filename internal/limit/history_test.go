package limit

import (
	"flag"
	"math/big"
	"os"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // zones on a machine that has none

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"github.com/tollhouse/tollhouse/internal/toll"
	"pgregory.net/rapid"
)

// TestMain makes rapid look ten times as hard as it would: a history takes
// half a millisecond.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("1000"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// town is a small world of customers, keys and addresses under plans and services.
type town struct {
	plans    [][]toll.Policy
	planSets []*Set
	services map[string][]toll.Policy
	sets     map[string]*Set
	counting []toll.Policy
	countSet *Set
	states   map[string]*State
	loc      *time.Location
}

func newTown(t *rapid.T, loc *time.Location) *town {
	names := []string{"a", "b", "c", "d", "e", "f"}
	policy := func(i int) toll.Policy {
		p := toll.Policy{Name: names[i], Shadow: rapid.IntRange(0, 5).Draw(t, "shadow") == 0}
		switch rapid.IntRange(0, 2).Draw(t, "scope") {
		case 0:
			p.Service = rapid.SampledFrom([]string{"ner", "ocr"}).Draw(t, "service")
		case 1:
			p.Service, p.Endpoint = "ner", "POST /extractions"
		}
		switch p.Kind = rapid.SampledFrom([]toll.PolicyKind{toll.RateLimit, toll.RateLimit, toll.Quota, toll.ConcurrencyLimit}).Draw(t, "kind"); p.Kind {
		case toll.RateLimit:
			p.Partition = toll.Partition(rapid.IntRange(0, 2).Draw(t, "partition"))
			p.Count = rapid.Int64Range(1, 12).Draw(t, "count")
			p.Window = rapid.SampledFrom([]time.Duration{time.Second, 7 * time.Second, time.Minute, time.Hour, time.Microsecond + 1}).Draw(t, "window")
			p.Burst = rapid.Int64Range(0, 15).Draw(t, "burst")
		case toll.Quota:
			p.Partition = toll.Partition(rapid.IntRange(0, 1).Draw(t, "partition"))
			p.Count = rapid.Int64Range(0, 20).Draw(t, "limit")
			p.Unit = rapid.SampledFrom([]string{toll.UnitRequests, "words"}).Draw(t, "unit")
			p.Every = rapid.SampledFrom([]toll.Every{toll.Daily, toll.Monthly}).Draw(t, "every")
		case toll.ConcurrencyLimit:
			p.Partition = toll.Partition(rapid.IntRange(0, 2).Draw(t, "partition"))
			p.Count = rapid.Int64Range(1, 4).Draw(t, "count")
		}
		return p
	}
	policies := func(most int) (all []toll.Policy) {
		for i := range rapid.IntRange(0, most).Draw(t, "policies") {
			all = append(all, policy(i))
		}
		return all
	}
	w := &town{services: map[string][]toll.Policy{}, sets: map[string]*Set{}, states: map[string]*State{}, loc: loc}
	var err error
	for range 3 {
		plan := policies(len(names))
		set, e := Compile(plan, loc)
		w.plans, w.planSets, err = append(w.plans, plan), append(w.planSets, set), e
		if err != nil {
			t.Fatal(err)
		}
		w.counting = append(w.counting, plan...)
	}
	for _, name := range []string{"ner", "ocr"} {
		own := policies(3)
		for i := range own {
			if own[i].Service = name; own[i].Endpoint != "" {
				own[i].Endpoint = "POST /extractions"
			}
		}
		w.services[name] = own
		if w.sets[name], err = CompileService(name, own, loc); err != nil {
			t.Fatal(err)
		}
	}
	if w.countSet, err = Counting(w.counting, loc); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"c1", "c2", "k1", "k2", "k3", "i1", "i2"} {
		w.states[who] = new(State)
	}
	return w
}

// meets lists the policies that a call meets, in the order in which Admit looks at them.
func (w *town) meets(plan int, service, endpoint string, who [3]string) (all []asked) {
	add := func(policies []toll.Policy, owner string, silent bool) {
		for _, p := range policies {
			if silent && p.Kind != toll.Quota || who[p.Partition] == "" {
				continue
			}
			if p.Service == "" || p.Service == service && (p.Endpoint == "" || p.Endpoint == endpoint) {
				all = append(all, asked{policy: p, owner: owner, who: who[p.Partition], silent: silent})
			}
		}
	}
	add(w.plans[plan], "", false)
	add(w.services[service], service, false)
	add(w.counting, "", true)
	return all
}

// TestDecidesAsTheModel walks random histories: calls of several customers,
// keys and addresses under plans that change, outcomes in any order, and a clock
// that stands, runs and is stepped.
func TestDecidesAsTheModel(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{time.UTC, zone(t, "Europe/Berlin"), zone(t, "Pacific/Apia")}
	rapid.Check(t, func(t *rapid.T) {
		loc := rapid.SampledFrom(zones).Draw(t, "zone")
		w, m := newTown(t, loc), newModel(loc)
		now := time.Date(2026, 10, 24, 21, 0, 0, 0, time.UTC)
		type open struct {
			a     *Admission
			holds []modelHold
			done  bool // settled
		}
		var opened []open
		var idle []*Admission
		steps := rapid.IntRange(1, 120).Draw(t, "steps")
		for range steps {
			now = now.Add(rapid.SampledFrom([]time.Duration{
				0, 0, 0, 1, 999, time.Millisecond, time.Second, 6 * time.Second, 17 * time.Second, time.Minute, 11 * time.Hour, 40 * 24 * time.Hour,
				-1, -time.Second, -time.Hour, time.Hour, -24 * time.Hour, 24 * time.Hour,
			}).Draw(t, "time passes"))
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1: // a request ends
				if len(opened) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(opened)-1).Draw(t, "which")
				o := opened[i]
				if rapid.Bool().Draw(t, "settled first") && !o.done {
					settle(t, m, o.a, o.holds)
					o.done = true
				}
				if !o.done {
					m.settle(o.holds, false, nil)
				}
				m.release(o.holds)
				o.a.Release()
				if rapid.Bool().Draw(t, "twice") {
					o.a.Release()
					o.a.Settle(true, []toll.Amount{{Unit: "words", Count: 5}})
				}
				opened = slices.Delete(opened, i, i+1)
				idle = append(idle, o.a)
			case 2: // an outcome is known
				if len(opened) == 0 {
					continue
				}
				if o := &opened[rapid.IntRange(0, len(opened)-1).Draw(t, "which")]; !o.done {
					settle(t, m, o.a, o.holds)
					o.done = true
				}
			case 3: // spent counters are forgotten
				w.states[rapid.SampledFrom([]string{"c1", "k1", "i1"}).Draw(t, "who")].trimRates(now)
			default:
				plan := rapid.IntRange(0, 2).Draw(t, "plan")
				service := rapid.SampledFrom([]string{"ner", "ner", "ocr"}).Draw(t, "service")
				endpoint := rapid.SampledFrom([]string{"POST /extractions", "other"}).Draw(t, "endpoint")
				who := [3]string{
					rapid.SampledFrom([]string{"c1", "c1", "c2", ""}).Draw(t, "customer"),
					rapid.SampledFrom([]string{"k1", "k2", "k3", ""}).Draw(t, "key"),
					rapid.SampledFrom([]string{"i1", "i2", ""}).Draw(t, "address"),
				}
				p := Partitions{Customer: w.states[who[0]], Key: w.states[who[1]], Address: w.states[who[2]]}
				a := new(Admission)
				if len(idle) > 0 {
					a, idle = idle[0], idle[1:]
				}
				cost := someCost(t)
				want, results, holds := m.admit(now, cost, w.meets(plan, service, endpoint, who))
				got := a.AdmitCost(now, p, cost, service, endpoint, w.planSets[plan], w.sets[service], w.countSet, nil)
				if got != want {
					t.Fatalf("at %s: admitted %v, the model says %v", now, got, want)
				}
				compare(t, a.Results(), results)
				pages(t, m, w, now, plan, who)
				if got {
					opened = append(opened, open{a: a, holds: holds})
				} else {
					idle = append(idle, a)
				}
			}
		}
	})
}

// someCost is what a request takes: mostly what any does.
func someCost(t *rapid.T) *toll.Cost {
	words := func() []toll.Amount {
		return []toll.Amount{{Unit: "words", Count: rapid.Int64Range(0, 12).Draw(t, "words before")}}
	}
	switch rapid.IntRange(0, 4).Draw(t, "cost") {
	case 0:
		return &toll.Cost{Rate: rapid.Int64Range(0, 20).Draw(t, "takes of rates")}
	case 1:
		return &toll.Cost{Rate: rapid.Int64Range(0, 4).Draw(t, "takes of rates"), Reserve: words()}
	case 2:
		return &toll.Cost{Uses: words()}
	}
	return nil
}

// trimRates is Trim, in a test whose model never forgets a period of a quota.
func (s *State) trimRates(now time.Time) {
	early := now.Add(-60 * 24 * time.Hour)
	s.Trim(early)
}

func settle(t *rapid.T, m *model, a *Admission, holds []modelHold) {
	chargeable := rapid.Bool().Draw(t, "chargeable")
	units := []toll.Amount{{Unit: "words", Count: rapid.Int64Range(0, 9).Draw(t, "words")}, {Unit: "characters", Count: 7}, {Unit: toll.UnitRequests, Count: 3}}
	a.Settle(chargeable, units)
	a.Settle(!chargeable, units) // only the first counts
	m.settle(holds, chargeable, units)
}

func compare(t *rapid.T, got, want []Result) {
	if len(got) != len(want) {
		t.Fatalf("%d results, the model has %d", len(got), len(want))
	}
	for i := range got {
		g := got[i]
		name, kind := g.Policy.Name, g.Policy.Kind
		g.Policy, g.rule = nil, nil
		if g != want[i] {
			t.Fatalf("policy %s (kind %d) says\n%+v, the model says\n%+v", name, kind, g, want[i])
		}
	}
}

// pages holds LimitStates to the model.
func pages(t *rapid.T, m *model, w *town, now time.Time, plan int, who [3]string) {
	p := Partitions{Customer: w.states[who[0]], Key: w.states[who[1]], Address: w.states[who[2]]}
	for _, ls := range w.planSets[plan].LimitStates(now, p) {
		a := asked{policy: ls.Policy, who: who[ls.Policy.Partition]}
		want := toll.LimitState{Policy: ls.Policy, Limit: ls.Policy.Count}
		switch ls.Policy.Kind {
		case toll.RateLimit:
			level := m.levelNow(a, now.UnixNano(), false)
			want.Limit = a.burst()
			want.Used = min(ceil(level), a.burst())
			want.ResetAt = now.Add(time.Duration(ceil(new(big.Rat).Mul(level, big.NewRat(int64(ls.Policy.Window), ls.Policy.Count)))))
		case toll.Quota:
			start, end := ls.Policy.Every.PeriodAt(now, m.loc)
			want.Used, want.ResetAt = m.quotas[a.key()][start], end
		case toll.ConcurrencyLimit:
			want.Used = m.flight[a.key()]
		}
		if !ls.ResetAt.Equal(want.ResetAt) || ls.Used != want.Used || ls.Limit != want.Limit {
			t.Fatalf("a page shows %+v, the model says %+v", ls, want)
		}
	}
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}
