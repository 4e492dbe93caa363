package limit

import (
	"testing"
	"time"
	"unsafe"

	"github.com/tollhouse/tollhouse/internal/toll"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func compiled(t testing.TB, policies ...toll.Policy) *Set {
	t.Helper()
	s, err := Compile(policies, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rate(name string, count int64, window time.Duration) toll.Policy {
	return toll.Policy{Name: name, Kind: toll.RateLimit, Count: count, Window: window}
}

func quota(name, unit string, every toll.Every, limit int64) toll.Policy {
	return toll.Policy{Name: name, Kind: toll.Quota, Unit: unit, Every: every, Count: limit}
}

func parallel(name string, count int64) toll.Policy {
	return toll.Policy{Name: name, Kind: toll.ConcurrencyLimit, Count: count}
}

func TestTenPerMinutePassesTenAtOnceThenOneEachSixSeconds(t *testing.T) {
	t.Parallel()
	set := compiled(t, rate("minute", 10, time.Minute))
	var a Admission
	p := Partitions{Customer: new(State)}
	for i := range 10 {
		if !a.Admit(noon, p, "ner", "other", set) {
			t.Fatalf("request %d of 10 was refused", i+1)
		}
		if got := a.Results()[0].Remaining; got != int64(9-i) {
			t.Errorf("after request %d: %d remain, want %d", i+1, got, 9-i)
		}
	}
	now := noon
	for range 20 {
		if a.Admit(now, p, "ner", "other", set) {
			t.Fatal("one more passed at once")
		}
		if got := a.Results()[0].RetryAfter; got != 6*time.Second {
			t.Fatalf("RetryAfter is %s, want 6s", got)
		}
		if a.Admit(now.Add(6*time.Second-1), p, "ner", "other", set) {
			t.Fatal("one passed a nanosecond early")
		}
		now = now.Add(6 * time.Second)
		if !a.Admit(now, p, "ner", "other", set) {
			t.Fatal("none passed after six seconds")
		}
	}
}

func TestRateThatDoesNotDivideItsWindowIsStillExact(t *testing.T) {
	t.Parallel()
	set := compiled(t, rate("minute", 7, time.Minute))
	p := Partitions{Customer: new(State)}
	var a Admission
	// Ask at the exact time each time: after 7 × 1,000 more, no nanosecond was lost.
	now := noon
	for range 7 {
		a.Admit(now, p, "ner", "other", set)
	}
	for range 7 * 1000 {
		if a.Admit(now, p, "ner", "other", set) {
			t.Fatal("one too many")
		}
		now = now.Add(a.Results()[0].RetryAfter)
		if !a.Admit(now, p, "ner", "other", set) {
			t.Fatal("refused at RetryAfter")
		}
	}
	if late := now.Sub(noon) - 1000*time.Minute; late < 0 || late > 7000 {
		t.Errorf("7,000 requests took %s more than 1,000 minutes", late)
	}
}

func TestBurstIsWhatPassesAtOnce(t *testing.T) {
	t.Parallel()
	for _, burst := range []int64{1, 3, 50} {
		policy := rate("app", 20, time.Second)
		policy.Burst = burst
		set := compiled(t, policy)
		p := Partitions{Customer: new(State)}
		var a Admission
		passed := int64(0)
		for range burst + 10 {
			if a.Admit(noon, p, "ner", "other", set) {
				passed++
			}
		}
		if passed != burst || a.Results()[0].Limit != burst || a.Results()[0].RetryAfter != 50*time.Millisecond {
			t.Errorf("burst %d: %d passed at once, then %+v", burst, passed, a.Results()[0])
		}
	}
}

// TestRefusedRequestTakesNothing refuses by each policy in turn and looks at
// all the others, in every partition and Set.
func TestRefusedRequestTakesNothing(t *testing.T) {
	t.Parallel()
	per := func(p toll.Policy, x toll.Partition) toll.Policy { p.Partition = x; return p }
	plan := func(rates, leases, quotas int64) *Set {
		return compiled(t,
			rate("minute", rates, time.Minute), per(rate("key", 100, time.Minute), toll.PerKey),
			parallel("parallel", leases), per(quota("monthly", toll.UnitRequests, toll.Monthly, quotas), toll.PerKey))
	}
	service := func(n int64) *Set {
		s, err := CompileService("ner", []toll.Policy{per(rate("ip", n, time.Minute), toll.PerIP)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, c := range map[string]struct {
		plan, service *Set
		refuses       string
	}{
		"rate of the plan":       {plan(1, 100, 100), service(100), "minute"},
		"concurrency":            {plan(100, 1, 100), service(100), "parallel"},
		"quota of the key":       {plan(100, 100, 1), service(100), "monthly"},
		"address at the service": {plan(100, 100, 100), service(1), "ip"},
	} {
		p := Partitions{Customer: new(State), Key: new(State), Address: new(State)}
		var first, second Admission
		if !first.Admit(noon, p, "ner", "other", c.plan, c.service) {
			t.Fatalf("%s: the first was refused", name)
		}
		before := append(c.plan.LimitStates(noon, p), c.service.LimitStates(noon, p)...)
		for range 3 {
			if second.Admit(noon, p, "ner", "other", c.plan, c.service) {
				t.Fatalf("%s: the second was admitted", name)
			}
			second.Settle(true, nil)
			second.Release()
		}
		for i, r := range second.Results() {
			if r.Refused != (r.Policy.Name == c.refuses) || r.WouldRefuse != r.Refused {
				t.Errorf("%s: %s says refused %v", name, r.Policy.Name, r.Refused)
			}
			if r.Refused == (r.RetryAfter == 0) {
				t.Errorf("%s: %s says RetryAfter %s", name, r.Policy.Name, r.RetryAfter)
			}
			after := append(c.plan.LimitStates(noon, p), c.service.LimitStates(noon, p)...)
			if before[i].Used != after[i].Used || after[i].Used != 1 {
				t.Errorf("%s: %s used %d before the refusals, %d after", name, r.Policy.Name, before[i].Used, after[i].Used)
			}
		}
	}
}

func TestShadowPolicyOnlyReports(t *testing.T) {
	t.Parallel()
	shadow := func(p toll.Policy) toll.Policy { p.Shadow = true; return p }
	set := compiled(t, shadow(rate("minute", 2, time.Minute)), shadow(parallel("parallel", 1)), shadow(quota("monthly", toll.UnitRequests, toll.Monthly, 1)))
	p := Partitions{Customer: new(State)}
	var open [4]Admission
	for i := range open {
		if !open[i].Admit(noon, p, "ner", "other", set) {
			t.Fatal("a shadow refused")
		}
		open[i].Settle(true, nil)
	}
	for _, r := range open[3].Results() {
		if r.Refused || !r.WouldRefuse || r.RetryAfter == 0 {
			t.Errorf("%s says %+v", r.Policy.Name, r)
		}
	}
	if got := RetryAfter(open[3].Results()); got != 0 {
		t.Errorf("RetryAfter of shadows is %s", got)
	}
	// The quota and the leases count what passed; the rate limit what it would have let pass.
	for i, want := range []int64{2, 4, 4} {
		if ls := set.LimitStates(noon, p)[i]; ls.Used != want {
			t.Errorf("%s: %d used, want %d", ls.Policy.Name, ls.Used, want)
		}
	}
}

func TestScopedPolicyCoversOnlyItsCalls(t *testing.T) {
	t.Parallel()
	service, endpoint := rate("ner", 1, time.Minute), rate("extractions", 1, time.Minute)
	service.Service = "ner"
	endpoint.Service, endpoint.Endpoint = "ocr", "POST /pages"
	set := compiled(t, service, endpoint)
	p := Partitions{Customer: new(State)}
	var a Admission
	for _, c := range []struct {
		service, endpoint string
		admitted          bool
		looked            int
	}{
		{"ner", "other", true, 1},
		{"ner", "POST /extractions", false, 1},
		{"ocr", "POST /pages", true, 1},
		{"ocr", "POST /pages", false, 1},
		{"ocr", "other", true, 0},
		{"web", "POST /pages", true, 0},
	} {
		if got := a.Admit(noon, p, c.service, c.endpoint, set); got != c.admitted || len(a.Results()) != c.looked {
			t.Errorf("%s %s: admitted %v with %d results, want %v with %d", c.service, c.endpoint, got, len(a.Results()), c.admitted, c.looked)
		}
	}
}

func TestPolicyOfNobodyIsNotLookedAt(t *testing.T) {
	t.Parallel()
	set := compiled(t, rate("minute", 1, time.Minute))
	var a Admission
	for range 3 {
		if !a.Admit(noon, Partitions{Address: new(State)}, "web", "other", set, nil) || len(a.Results()) != 0 {
			t.Fatal("a policy per customer was held against nobody")
		}
		a.Settle(true, nil)
		a.Release()
	}
	if got := set.LimitStates(noon, Partitions{}); len(got) != 0 {
		t.Errorf("pages show %+v for nobody", got)
	}
}

func TestSameNameInPlanAndServiceAreTwoLimits(t *testing.T) {
	t.Parallel()
	plan := compiled(t, rate("steady", 5, time.Minute))
	// However the service's set was made: also as if it were a plan's.
	own, err := CompileService("ner", []toll.Policy{rate("steady", 2, time.Second)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range map[string]*Set{"service": own, "plan": compiled(t, rate("steady", 2, time.Second))} {
		p := Partitions{Customer: new(State)}
		var a Admission
		var passed [4]int
		for second := range passed {
			for range 3 {
				if a.Admit(noon.Add(time.Duration(second)*time.Second), p, "ner", "other", plan, service) {
					passed[second]++
				}
			}
		}
		if passed != [4]int{2, 2, 1, 0} {
			t.Errorf("%s: %v passed in each second, want two by the one, five in all by the other", name, passed)
		}
		if r := a.Results(); !r[0].Refused || r[0].RetryAfter != 9*time.Second || r[1].Refused || r[1].Remaining != 2 {
			t.Errorf("%s: the results are %+v", name, r)
		}
	}
}

func TestSetThatIsGivenTwiceTakesOnce(t *testing.T) {
	t.Parallel()
	set := compiled(t, rate("minute", 10, time.Minute), parallel("parallel", 5), quota("monthly", toll.UnitRequests, toll.Monthly, 9))
	p := Partitions{Customer: new(State), Key: nil}
	var a Admission
	a.Admit(noon, p, "ner", "other", set, set)
	for _, r := range a.Results() {
		if r.Remaining != r.Limit-1 {
			t.Errorf("%s: %d of %d remain", r.Policy.Name, r.Remaining, r.Limit)
		}
	}
}

func TestAdmissionUsedAgainReleasesWhatItHeld(t *testing.T) {
	t.Parallel()
	set := compiled(t, parallel("parallel", 1), quota("monthly", toll.UnitRequests, toll.Monthly, 10))
	p := Partitions{Customer: new(State)}
	var a Admission
	for range 5 {
		if !a.Admit(noon, p, "ner", "other", set) {
			t.Fatal("the Admission's own lease stood in its way")
		}
	}
	a.Release()
	for _, ls := range set.LimitStates(noon, p) {
		if ls.Used != 0 {
			t.Errorf("%s: %d used", ls.Policy.Name, ls.Used)
		}
	}
}

func TestDecisionAllocatesNothing(t *testing.T) { // not parallel: it counts all that is allocated
	per := func(p toll.Policy, x toll.Partition) toll.Policy { p.Partition = x; return p }
	policies := []toll.Policy{
		rate("minute", 300, time.Minute), rate("hour", 6000, time.Hour), parallel("parallel", 20),
		per(rate("key", 100, time.Minute), toll.PerKey), quota("monthly", toll.UnitRequests, toll.Monthly, 100000), quota("words", "words", toll.Daily, 1000),
	}
	set := compiled(t, policies...)
	service, err := CompileService("ner", []toll.Policy{per(rate("ip", 50, time.Second), toll.PerIP)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	counting, err := Counting(policies, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := Partitions{Customer: new(State), Key: new(State), Address: new(State)}
	var a Admission
	units := []toll.Amount{{Unit: "words", Count: 3}}
	buf := make([]byte, 0, 1024)
	now, admitted, refused := noon, 0, 0
	if n := testing.AllocsPerRun(1000, func() {
		if a.Admit(now, p, "ner", "POST /extractions", set, service, counting) {
			admitted++
		} else {
			refused++
		}
		buf = AppendRateLimit(buf[:0], a.Results())
		buf = AppendRateLimitPolicy(buf, a.Results())
		RetryAfter(a.Results())
		a.Settle(refused%2 == 0, units)
		a.Release()
		now = now.Add(100 * time.Millisecond)
	}); n != 0 {
		t.Errorf("%v allocations for a decision, want 0", n)
	}
	if admitted == 0 || refused == 0 {
		t.Errorf("%d admitted and %d refused: both ways must be seen", admitted, refused)
	}
}

func TestStateTakes64Bytes(t *testing.T) {
	t.Parallel()
	if got := unsafe.Sizeof(State{}); got != 64 {
		t.Errorf("a State takes %d bytes", got)
	}
	// The free plan of the contract file fits in.
	set := compiled(t, rate("minute", 10, time.Minute), parallel("parallel", 2), quota("monthly", toll.UnitRequests, toll.Monthly, 1000))
	p := Partitions{Customer: new(State)}
	var a Admission
	a.Admit(noon, p, "ner", "other", set)
	if p.Customer.slots.more != nil {
		t.Error("three counters take more than the State itself")
	}
}
