package limit

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestRefusesPoliciesThatCannotBe(t *testing.T) {
	t.Parallel()
	perIP := quota("q", toll.UnitRequests, toll.SubscriptionMonth, 5)
	perIP.Partition = toll.PerIP
	noService := rate("r", 1, time.Second)
	noService.Endpoint = "POST /x"
	unknown := rate("r", 1, time.Second)
	unknown.Partition = 9
	burst := rate("r", 1, time.Second)
	burst.Burst = -1
	endless := rate("r", 1, time.Hour)
	endless.Burst = 1 << 40
	for says, policies := range map[string][]toll.Policy{
		"Two limits are named":    {rate("r", 1, time.Second), quota("r", "words", toll.Daily, 1)},
		"its count is 0":          {rate("r", 0, time.Second)},
		"its count is -3":         {rate("r", -3, time.Second)},
		"its count is 2147483648": {rate("r", 1<<31, time.Second)},
		"its window is 0s":        {rate("r", 1, 0)},
		"its window is -1s":       {rate("r", 1, -time.Second)},
		"its window is 96360h":    {rate("r", 1, 11*365*24*time.Hour)},
		"its burst is -1":         {burst},
		"more than ten years":     {endless},
		"its limit is -1":         {quota("q", "words", toll.Daily, -1)},
		"names no unit":           {quota("q", "", toll.Daily, 1)},
		`its period is "year"`:    {quota("q", "words", "year", 1)},
		"has no subscription":     {perIP},
		"lets 0 pass":             {parallel("p", 0)},
		"names an endpoint":       {noService},
		"something unknown":       {unknown},
		"its name has 0 bytes":    {rate("", 1, time.Second)},
		"its name has 65 bytes":   {rate(strings.Repeat("n", 65), 1, time.Second)},
		"not printable ASCII":     {rate("minute\r\n", 1, time.Second)},
		"neither a rate":          {{Name: "x"}},
	} {
		set, err := Compile(policies, nil)
		if err == nil || !strings.Contains(err.Error(), says) || toll.CodeOf(err) != toll.Invalid || set != nil {
			t.Errorf("want an Invalid error that says %q, got %v", says, err)
		}
	}
}

func TestAcceptsPoliciesAtTheirBounds(t *testing.T) {
	t.Parallel()
	fast := rate("fast", 1<<31-1, time.Microsecond)
	wide := rate("wide", 1<<31-1, 24*time.Hour)
	slow := rate("slow", 1, 10*365*24*time.Hour)
	burst := rate("burst", 1000, time.Second)
	burst.Burst = 1 << 36
	set := compiled(t, fast, wide, slow, burst, quota("none", "words", toll.Daily, 0), quota("all", toll.UnitRequests, toll.Monthly, math.MaxInt64), parallel("many", math.MaxInt64))
	p := Partitions{Customer: new(State)}
	var a Admission
	if a.Admit(noon, p, "ner", "other", set) {
		t.Fatal("a quota of 0 admitted one")
	}
	for _, r := range a.Results() {
		if r.Refused != (r.Policy.Name == "none") || !r.Refused && r.Remaining != r.Limit {
			t.Errorf("%s says %+v", r.Policy.Name, r)
		}
	}
	set = compiled(t, fast, wide, slow, burst)
	if !a.Admit(noon, p, "ner", "other", set) {
		t.Fatal("refused the first")
	}
	for _, r := range a.Results() {
		if r.Remaining != r.Limit-1 {
			t.Errorf("%s says %+v", r.Policy.Name, r)
		}
	}
}

func TestServicesPolicyMayNotNameAnother(t *testing.T) {
	t.Parallel()
	p := rate("r", 1, time.Second)
	p.Service = "ocr"
	if _, err := CompileService("ner", []toll.Policy{p}, nil); toll.CodeOf(err) != toll.Invalid {
		t.Errorf("got %v, want an Invalid error", err)
	}
	if _, err := CompileService("ocr", []toll.Policy{p}, nil); err != nil {
		t.Errorf("its own name: %v", err)
	}
}

func TestSetSaysWhatItCountsPer(t *testing.T) {
	t.Parallel()
	p := rate("r", 1, time.Second)
	p.Partition = toll.PerIP
	set := compiled(t, p)
	var none *Set
	for x, want := range map[toll.Partition]bool{toll.PerIP: true, toll.PerKey: false, toll.PerCustomer: false, 9: false} {
		if set.Counts(x) != want || none.Counts(x) {
			t.Errorf("Counts(%d) is %v, want %v; of nil it is %v", x, set.Counts(x), want, none.Counts(x))
		}
	}
}
