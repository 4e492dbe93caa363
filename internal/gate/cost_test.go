package gate_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// costing is a house whose extractions reserve 100 of 1,000 words, and whose
// drawings use five credits each.
func costing(t testing.TB) *house {
	t.Helper()
	h := newHouse(t)
	all := services()
	all[0].Units, all[0].Endpoints = []string{"words", "credits"}, []string{"POST /extractions", "POST /drawings", "GET /free"}
	all[0].Costs = map[string]toll.Cost{
		"":                  {Rate: 2},
		"POST /drawings":    {Rate: 5, Uses: []toll.Amount{{Unit: "credits", Count: 5}}},
		"POST /extractions": {Reserve: []toll.Amount{{Unit: "words", Count: 100}}},
		"GET /free":         {},
	}
	plan := free()
	plan.Plan.Policies = []toll.Policy{
		{Name: "minute", Kind: toll.RateLimit, Count: 100, Window: 60e9},
		{Name: "words", Kind: toll.Quota, Unit: "words", Count: 1000, Every: toll.Monthly},
		{Name: "credits", Kind: toll.Quota, Unit: "credits", Count: 12, Every: toll.Monthly},
	}
	if err := h.Switch(gate.Rules{Services: all, Plans: []toll.PlanVersion{plan}}); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) used(t testing.TB, policy string) int64 {
	t.Helper()
	for _, ls := range h.LimitStates("cus_1", noon) {
		if ls.Policy.Name == policy {
			return ls.Used
		}
	}
	t.Fatalf("no policy %q", policy)
	return 0
}

func TestAReservedRequestIsOpenInTheJournalBeforeItIsForwarded(t *testing.T) {
	t.Parallel()
	h := costing(t)
	ask := h.ask()
	if h.Admit(&ask, &h.pass) != gate.Admitted || !h.pass.Reserves() {
		t.Fatal("nothing was reserved")
	}
	if err := h.pass.Open(); err != nil {
		t.Fatal(err)
	}
	if got := h.used(t, "words"); got != 100 {
		t.Errorf("%d words are used while it is under way, want the 100 that are reserved", got)
	}
	if _, err := h.pass.Record(&gate.Outcome{Status: 200, Answered: true, Usage: []string{"words=130"}}); err != nil {
		t.Fatal(err)
	}
	h.pass.Done().Delivered(true)
	if got := h.used(t, "words"); got != 130 {
		t.Errorf("%d words are used, want the 130 that were reported", got)
	}
	opened, events := h.recorder.Opened(), h.recorder.Events()
	if len(opened) != 1 || opened[0].Class != toll.Unknown || opened[0].ID != events[0].ID {
		t.Errorf("the journal was told %+v before %+v", opened, events)
	}
}

func TestWhatIsReservedComesBackHoweverARequestEnds(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]*gate.Outcome{
		"a service's 5xx":         {Status: 503, Answered: true, Usage: []string{"words=40"}},
		"a timeout":               {Status: 504},
		"a client that left":      {Status: 499},
		"no report at all":        {Status: 200, Answered: true},
		"a report that is none":   {Status: 200, Answered: true, Usage: []string{"words=NaN"}},
		"a handler that panicked": nil, // Done, without Record
	} {
		h := costing(t)
		ask := h.ask()
		h.Admit(&ask, &h.pass)
		if err := h.pass.Open(); err != nil {
			t.Fatal(err)
		}
		if out != nil {
			if _, err := h.pass.Record(out); err != nil {
				t.Fatal(err)
			}
		}
		h.pass.Done().Delivered(false)
		if got := h.used(t, "words"); got != 0 {
			t.Errorf("%s: %d words are still used, want 0", name, got)
		}
	}
}

func TestWhatTheJournalDoesNotTakeIsNotKeptReserved(t *testing.T) {
	t.Parallel()
	h := costing(t)
	ask := h.ask()
	h.Admit(&ask, &h.pass)
	h.recorder.Fail(errAway)
	if err := h.pass.Open(); err == nil {
		t.Error("the journal was full, and Open says nothing")
	}
	_, err := h.pass.Record(&gate.Outcome{Status: 200, Answered: true, Usage: []string{"words=40"}})
	h.pass.Done().Delivered(false)
	if got := h.used(t, "words"); got != 0 || err == nil {
		t.Errorf("%d words are used and the error is %v", got, err)
	}
}

func TestConcurrentRequestsCannotOverrunAQuotaThatTheyReserveOf(t *testing.T) {
	t.Parallel()
	h := costing(t)
	var mu sync.Mutex
	var passes []*gate.Pass
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			p, ask := new(gate.Pass), h.ask()
			if h.Admit(&ask, p) == gate.Admitted {
				mu.Lock()
				passes = append(passes, p)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(passes) != 10 {
		t.Fatalf("%d of 64 were let in to 1,000 words by 100, want 10", len(passes))
	}
	for _, p := range passes {
		if _, err := p.Record(&gate.Outcome{Status: 200, Answered: true, Usage: []string{"words=100"}}); err != nil {
			t.Fatal(err)
		}
		p.Done().Delivered(true)
	}
	if got := h.used(t, "words"); got != 1000 {
		t.Errorf("%d words are used, want 1000", got)
	}
}

func TestAFixedCostStandsInTheEventWhateverIsReported(t *testing.T) {
	t.Parallel()
	h := costing(t)
	draw := func(out gate.Outcome) (gate.Decision, int) {
		ask := h.ask()
		ask.RawPath = "/v1/ner/drawings"
		d := h.Admit(&ask, &h.pass)
		if d != gate.Admitted {
			return d, 0
		}
		bad, err := h.pass.Record(&out)
		if err != nil {
			t.Fatal(err)
		}
		h.pass.Done().Delivered(true)
		return d, bad
	}
	if _, bad := draw(gate.Outcome{Status: 200, Answered: true, Usage: []string{"credits=1, words=3"}}); bad != 1 {
		t.Errorf("%d values were refused, want the one report of what is fixed", bad)
	}
	draw(gate.Outcome{Status: 502})
	want := []toll.Amount{{Unit: "credits", Count: 5}, {Unit: "words", Count: 3}}
	events := h.recorder.Events()
	if !slices.Equal(events[0].Units, want) || len(events[1].Units) != 0 {
		t.Errorf("the events hold %+v and %+v, want %+v and nothing", events[0].Units, events[1].Units, want)
	}
	if c, w := h.used(t, "credits"), h.used(t, "words"); c != 5 || w != 3 {
		t.Errorf("%d credits and %d words are used, want 5 and 3", c, w)
	}
	draw(gate.Outcome{Status: 200, Answered: true})
	if d, _ := draw(gate.Outcome{Status: 200, Answered: true}); d != gate.Refused { // two credits are left
		t.Error("a third drawing was let in to twelve credits by five")
	}
	if got := h.used(t, "credits"); got != 10 {
		t.Errorf("%d credits are used, want 10", got)
	}
}

func TestEndpointsTakeTheirOwnCostOfRates(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int64{"/v1/ner/drawings": 5, "/v1/ner/extractions": 1, "/v1/ner/anything": 2} {
		h := costing(t)
		ask := h.ask()
		ask.RawPath = path
		if h.Admit(&ask, &h.pass) != gate.Admitted {
			t.Fatal(h.pass.Reason)
		}
		h.pass.Done().Delivered(true)
		if got := h.used(t, "minute"); got != want {
			t.Errorf("%s takes %d of the rate, want %d", path, got, want)
		}
	}
}

func TestATestKeyReservesNothing(t *testing.T) {
	t.Parallel()
	h := costing(t)
	key, text := newKey(t, "cus_1", toll.Test)
	h.PutKey(key)
	ask := h.ask()
	ask.Authorization = "Bearer " + text
	if h.Admit(&ask, &h.pass) != gate.Admitted || h.pass.Reserves() {
		t.Error("a test key reserves words, or is refused")
	}
	h.pass.Done().Delivered(true)
}

func TestTheWalkOfACostlyRequestAllocatesNothing(t *testing.T) { // not parallel: it counts all that is allocated
	g, ask := generous(t)
	all, plan := services(), free()
	all[0].Units = []string{"words", "credits"}
	all[0].Costs = map[string]toll.Cost{"POST /extractions": {
		Rate: 3, Uses: []toll.Amount{{Unit: "credits", Count: 5}}, Reserve: []toll.Amount{{Unit: "words", Count: 100}},
	}}
	plan.Plan.Policies = []toll.Policy{
		{Name: "minute", Kind: toll.RateLimit, Count: 1e9, Window: 60e9},
		{Name: "words", Kind: toll.Quota, Unit: "words", Count: 1e9, Every: toll.Monthly},
		{Name: "credits", Kind: toll.Quota, Unit: "credits", Count: 1e9, Every: toll.Monthly},
	}
	if err := g.Switch(gate.Rules{Services: all, Plans: []toll.PlanVersion{plan}}); err != nil {
		t.Fatal(err)
	}
	var pass gate.Pass
	out := gate.Outcome{Status: 200, Answered: true, Usage: []string{"words=70"}}
	walk := func() {
		if g.Admit(&ask, &pass) != gate.Admitted || !pass.Reserves() {
			t.Fatal(pass.Reason)
		}
		if err := pass.Open(); err != nil {
			t.Fatal(err)
		}
		if _, err := pass.Record(&out); err != nil {
			t.Fatal(err)
		}
		pass.Done().Delivered(true)
	}
	walk()
	if n := testing.AllocsPerRun(1000, walk); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
