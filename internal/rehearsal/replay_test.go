package rehearsal_test

import (
	"errors"
	"iter"
	"maps"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/rehearsal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

var noon = time.Date(2026, 10, 20, 12, 0, 0, 0, time.UTC)

// calls are n calls, so far apart, each of one second and of ten words.
func calls(n int, apart time.Duration) []toll.Event {
	all := make([]toll.Event, n)
	for i := range all {
		all[i] = toll.Event{
			Time: noon.Add(time.Duration(i) * apart), Key: "k", Service: "ner", Endpoint: "POST /extractions",
			Status: 200, Class: toll.Chargeable, Latency: time.Second, Units: []toll.Amount{{Unit: "words", Count: 10}},
		}
	}
	return all
}

func each(events []toll.Event) iter.Seq2[toll.Event, error] {
	return func(yield func(toll.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func proposal(policies ...toll.Policy) rehearsal.Proposal {
	return rehearsal.Proposal{
		Location: time.UTC,
		Plan: toll.Plan{
			Name: "next", Includes: []string{"ner"}, Policies: policies,
			Price: toll.Price{Amount: "10.00", Currency: "EUR", Every: "month"},
			Usage: []toll.UnitPrice{{Unit: "words", Included: 100, Each: "0.01"}},
		},
	}
}

func TestReplayRefusesAsTheGateWould(t *testing.T) {
	t.Parallel()
	rate := toll.Policy{Name: "minute", Kind: toll.RateLimit, Count: 10, Window: time.Minute}
	quota := toll.Policy{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Count: 15, Every: toll.Monthly}
	words := toll.Policy{Name: "words", Kind: toll.Quota, Unit: "words", Count: 95, Every: toll.Monthly}
	parallel := toll.Policy{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: 2}
	shadow := rate
	shadow.Shadow = true
	outage := calls(20, time.Minute)
	for i := range outage[:10] {
		outage[i].Status, outage[i].Class = 503, toll.NotBillable
	}
	elsewhere := calls(3, time.Minute)
	elsewhere[1].Service = "ocr"
	outside := calls(20, time.Minute)
	for i := range outside[:5] { // they use up 50 words of the quota, and are no calls
		outside[i].Service, outside[i].Key = toll.OutsideService, ""
	}
	tests := calls(4, time.Minute)
	tests[0].Class, tests[1].Class = toll.TestUsage, toll.Unknown
	for name, c := range map[string]struct {
		events   []toll.Event
		proposal rehearsal.Proposal
		calls    int64
		by       map[string]int64
		words    int64
	}{
		"no policy":                 {calls(20, 0), proposal(), 20, nil, 200},
		"a rate at once":            {calls(20, 0), proposal(rate), 20, map[string]int64{"minute": 10}, 100},
		"a rate in time":            {calls(20, 6*time.Second), proposal(rate), 20, nil, 200},
		"a shadow":                  {calls(20, 0), proposal(shadow), 20, nil, 200},
		"a quota":                   {calls(20, time.Minute), proposal(quota), 20, map[string]int64{"monthly": 5}, 150},
		"a quota of words":          {calls(20, time.Minute), proposal(words), 20, map[string]int64{"words": 10}, 100},
		"5xx give their quota back": {outage, proposal(quota), 20, nil, 100},
		"three at once":             {calls(3, 400*time.Millisecond), proposal(parallel), 3, map[string]int64{"parallel": 1}, 20},
		"two at once":               {calls(3, 600*time.Millisecond), proposal(parallel), 3, nil, 30},
		"a service left out":        {elsewhere, proposal(), 3, map[string]int64{rehearsal.NotIncluded: 1}, 20},
		"what counts for nothing":   {tests, proposal(), 2, nil, 20},
		"usage from outside":        {outside, proposal(words), 15, map[string]int64{"words": 10}, 100},
		"nothing":                   {nil, proposal(rate), 0, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := rehearsal.Replay(each(c.events), c.proposal)
			if err != nil {
				t.Fatal(err)
			}
			var refused int64
			for _, n := range c.by {
				refused += n
			}
			if got.Calls != c.calls || got.Refused != refused || !maps.Equal(got.By, c.by) || got.Usage["words"] != c.words {
				t.Errorf("%+v, want %d calls, refused %v, %d words", got, c.calls, c.by, c.words)
			}
			if (refused > 0) == got.First.IsZero() {
				t.Errorf("first refusal at %s with %d refused", got.First, refused)
			}
		})
	}
}

func TestReplayEndsWithTheEventsError(t *testing.T) {
	t.Parallel()
	broken := errors.New("the database went away")
	_, err := rehearsal.Replay(func(yield func(toll.Event, error) bool) { yield(toll.Event{}, broken) }, proposal())
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

func TestCostsAreThePlansFeeAndWhatIsRated(t *testing.T) {
	t.Parallel()
	from, to := toll.Monthly.PeriodAt(noon, time.UTC)
	got, err := rehearsal.Costs(proposal().Plan, map[string]int64{"words": 150}, from.AddDate(-1, 0, 0), from, to)
	if err != nil || got.String() != "10.50 EUR" {
		t.Errorf("costs %s (%v), want 10.50 EUR", got, err)
	}
}
