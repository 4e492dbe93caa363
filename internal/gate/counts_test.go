package gate_test

import (
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// TestWhatCountsIsWhatTheTableSays walks the rows of "What is counted": what a
// request that ends so takes of a rate limit, and leaves used of the quotas.
func TestWhatCountsIsWhatTheTableSays(t *testing.T) {
	t.Parallel()
	onlyGood := func(s *toll.Service) { s.Bill = [6]bool{2: true} }
	for _, c := range []struct {
		row               string
		service           func(*toll.Service)
		out               *gate.Outcome // nil: the client left, and nothing was recorded
		test              bool
		rate, calls, word int64
		class             toll.Class
	}{
		{row: "2xx", out: &gate.Outcome{Status: 200, Answered: true}, rate: 1, calls: 1, word: 7, class: toll.Chargeable},
		{row: "3xx", out: &gate.Outcome{Status: 304, Answered: true}, rate: 1, calls: 1, word: 7, class: toll.Chargeable},
		{row: "4xx", out: &gate.Outcome{Status: 422, Answered: true}, rate: 1, calls: 1, word: 7, class: toll.Chargeable},
		{row: "4xx, bill: [2xx]", service: onlyGood, out: &gate.Outcome{Status: 422, Answered: true}, rate: 1, class: toll.NotBillable},
		{row: "5xx", out: &gate.Outcome{Status: 500, Answered: true}, rate: 1, class: toll.NotBillable},
		{row: "5xx, bill: [5xx]", service: func(s *toll.Service) { s.Bill = [6]bool{5: true} }, out: &gate.Outcome{Status: 500, Answered: true}, rate: 1, calls: 1, word: 7, class: toll.Chargeable},
		{row: "bill: []", service: func(s *toll.Service) { s.Bill = [6]bool{} }, out: &gate.Outcome{Status: 200, Answered: true}, rate: 1, class: toll.NotBillable},
		{row: "timeout", out: &gate.Outcome{Status: 504}, rate: 1, class: toll.NotBillable},
		{row: "the gateway's own 502", out: &gate.Outcome{Status: 502}, rate: 1, class: toll.NotBillable},
		{row: "the gateway's own 413", out: &gate.Outcome{Status: 413}, rate: 1, class: toll.NotBillable},
		{row: "from the cache", service: func(s *toll.Service) { s.Cache.Counts = true }, out: &gate.Outcome{Status: 200, Answered: true, Cached: true}, rate: 1, calls: 1, word: 7, class: toll.Chargeable},
		{row: "from the cache, counts: false", out: &gate.Outcome{Status: 200, Answered: true, Cached: true}, rate: 1, class: toll.NotBillable},
		{row: "the client left, recorded", out: &gate.Outcome{Status: 200, Answered: true}, rate: 1, calls: 1, word: 7, class: toll.Chargeable},
		{row: "the client left before", rate: 1},
		{row: "WebSocket", out: &gate.Outcome{Status: 101, Answered: true}, rate: 1, calls: 1, word: 7, class: toll.Chargeable},
		{row: "test key", out: &gate.Outcome{Status: 200, Answered: true}, test: true, class: toll.TestUsage},
	} {
		h := newHouse(t)
		all, plan := services(), free()
		if c.service != nil {
			c.service(&all[0])
		}
		plan.Plan.Policies = []toll.Policy{
			{Name: "minute", Kind: toll.RateLimit, Count: 10, Window: 60e9}, requests("calls", 100),
			requests("words", 1000, func(p *toll.Policy) { p.Unit = "words" }),
		}
		if err := h.Switch(gate.Rules{Services: all, Plans: []toll.PlanVersion{plan}}); err != nil {
			t.Fatal(err)
		}
		ask := h.ask()
		if c.test {
			key, text := newKey(t, "cus_1", toll.Test)
			h.PutKey(key)
			ask.Authorization = "Bearer " + text
		}
		if h.Admit(&ask, &h.pass) != gate.Admitted {
			t.Fatal(h.pass.Reason)
		}
		if c.out != nil {
			c.out.Usage = []string{"words=7"}
			if _, err := h.pass.Record(c.out); err != nil {
				t.Fatal(err)
			}
		}
		h.pass.Done().Delivered(c.out != nil && !strings.HasPrefix(c.row, "the client left"))
		if r, n, w := h.used(t, "minute"), h.used(t, "calls"), h.used(t, "words"); r != c.rate || n != c.calls || w != c.word {
			t.Errorf("%s: %d of the rate, %d calls and %d words; want %d, %d and %d", c.row, r, n, w, c.rate, c.calls, c.word)
		}
		if events := h.recorder.Events(); c.out != nil && events[0].Class != c.class {
			t.Errorf("%s: recorded as %s, want %s", c.row, events[0].Class, c.class)
		}
	}
	h := newHouse(t) // refused by the gate: neither
	ask := h.ask()
	ask.Length = 1 << 20
	if h.Admit(&ask, &h.pass) != gate.Refused || h.used(t, "minute") != 0 || h.used(t, "monthly") != 0 || len(h.recorder.Events()) != 0 {
		t.Error("a refused request took something")
	}
}

func TestAMillionUnitsInOneReportCostNothingButTheirRefusal(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		field   string
		refused int
	}{
		"names that nobody declared": {strings.Repeat("unit=1,", 1e6), 1e6},
		"one unit again and again":   {strings.Repeat("words=1,", 1e6), 1e6 - 1},
		"commas":                     {strings.Repeat(",", 1e6), 0},
		"a number without end":       {"words=" + strings.Repeat("9", 1e6), 1},
		"1e300":                      {"words=1e300", 1},
		"2^63":                       {"words=9223372036854775808", 1},
		"-2^63":                      {"words=-9223372036854775808", 1},
		"infinity":                   {"words=Inf, characters=+Inf", 2},
	} {
		amounts, refused := gate.AppendUsage(nil, c.field, declared)
		if refused != c.refused || len(amounts) > 1 {
			t.Errorf("%s: %d refused and %d taken, want %d", what, refused, len(amounts), c.refused)
		}
	}
}
