package gate_test

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestQuotaCountsAnswersAndGivesBackWhatTheServiceDidNotAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	used := func() int64 {
		for _, s := range h.LimitStates("cus_1", noon) {
			if s.Policy.Name == "monthly" {
				return s.Used
			}
		}
		t.Fatal("no monthly quota")
		return 0
	}
	for _, c := range []struct {
		out   gate.Outcome
		class toll.Class
		after int64
	}{
		{gate.Outcome{Status: 200, Answered: true}, toll.Chargeable, 1},
		{gate.Outcome{Status: 500, Answered: true}, toll.NotBillable, 1},
		{gate.Outcome{Status: 502}, toll.NotBillable, 1},
		{gate.Outcome{Status: 422, Answered: true}, toll.Chargeable, 2},
		{gate.Outcome{Status: 413}, toll.NotBillable, 2},
	} {
		if d := h.call(t, c.out); d != gate.Admitted {
			t.Fatalf("decision %v (%s)", d, h.pass.Reason)
		}
		events := h.recorder.Events()
		if got := events[len(events)-1].Class; got != c.class {
			t.Errorf("status %d (answered %v) is %s, want %s", c.out.Status, c.out.Answered, got, c.class)
		}
		if got := used(); got != c.after {
			t.Errorf("after status %d the quota has %d used, want %d", c.out.Status, got, c.after)
		}
	}
}

func TestAnUpgradeCountsAsOneRequest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if d := h.call(t, gate.Outcome{Status: 101, Answered: true}); d != gate.Admitted {
		t.Fatalf("%v (%s)", d, h.pass.Reason)
	}
	if e := h.recorder.Events()[0]; e.Class != toll.Chargeable {
		t.Errorf("class %s, want %s", e.Class, toll.Chargeable)
	}
	for _, s := range h.LimitStates("cus_1", noon) {
		if s.Policy.Kind == toll.Quota && s.Used != 1 {
			t.Errorf("%d of %s are used, want 1", s.Used, s.Policy.Name)
		}
	}
}

func TestWhatTheJournalDidNotTakeIsGivenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.recorder.BeforeRecord = func() { h.recorder.Fail(errors.New("the disk is full")) } // after it was admitted
	ask := h.ask()
	if h.Admit(&ask, &h.pass) != gate.Admitted {
		t.Fatal(h.pass.Reason)
	}
	if _, err := h.pass.Record(&gate.Outcome{Status: 200, Answered: true, Usage: []string{"words=5"}}); err == nil {
		t.Fatal("a full journal took the event")
	}
	h.pass.Done().Delivered(false)
	for _, s := range h.LimitStates("cus_1", noon) {
		if s.Policy.Kind == toll.Quota && s.Used != 0 {
			t.Errorf("%d of %s are used by a request that no bill will know", s.Used, s.Policy.Name)
		}
	}
}

func TestARequestThatWasNeverRecordedGivesEverythingBackButItsRate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ask := h.ask()
	if h.Admit(&ask, &h.pass) != gate.Admitted {
		t.Fatal(h.pass.Reason)
	}
	h.pass.Done().Delivered(false) // as after a panic
	for _, s := range h.LimitStates("cus_1", noon) {
		want := int64(0)
		if s.Policy.Name == "minute" {
			want = 1
		}
		if s.Used != want {
			t.Errorf("%s: %d used, want %d", s.Policy.Name, s.Used, want)
		}
	}
}

func TestTheEleventhCallInAMinuteIsRefusedByTheRateLimit(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range 10 {
		if d := h.call(t, gate.Outcome{Status: 502}); d != gate.Admitted {
			t.Fatalf("call %d: %v (%s)", i+1, d, h.pass.Reason)
		}
	}
	if d := h.call(t, gate.Outcome{Status: 200, Answered: true}); d != gate.Refused || h.pass.Reason != toll.RefusedLimit {
		t.Fatalf("the eleventh call: %v (%s)", d, h.pass.Reason)
	}
	refusals := h.recorder.Refusals()
	if r := refusals[len(refusals)-1]; r.Policy != "minute" || r.Customer != "cus_1" || r.Key != h.key.ID || r.Service != "ner" {
		t.Errorf("the refusal is counted as %+v", r)
	}
}

func TestABurstWhoseReadingsComeOutOfOrderPassesWhole(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range 10 {
		ask := h.ask()
		ask.Now = noon.Add(-time.Duration(i) * time.Microsecond) // the later it is decided, the earlier it was read
		if d := h.Admit(&ask, &h.pass); d != gate.Admitted {
			t.Fatalf("call %d of ten at once: %v (%s)", i+1, d, h.pass.Reason)
		}
		if !h.pass.Decided.Equal(noon) {
			t.Errorf("call %d was decided for %s, and the one before for %s", i+1, h.pass.Decided, noon)
		}
		h.pass.Done().Delivered(false)
	}
	ask := h.ask()
	ask.Now = noon.Add(-10 * time.Microsecond)
	if d := h.Admit(&ask, &h.pass); d != gate.Refused {
		t.Errorf("the eleventh: %v", d)
	}
	ask.Now = noon.Add(-time.Hour) // a clock that was stepped back is no disorder: limit knows what to do
	if d := h.Admit(&ask, &h.pass); d == gate.Admitted {
		t.Errorf("an hour back: %v", d)
	}
}

func TestUsedQuotaOutlivesAChangeOfPlan(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	big := free()
	big.ID, big.Plan.Name = "big@1", "big"
	big.Plan.Policies = []toll.Policy{{Name: "a year's worth", Kind: toll.Quota, Unit: toll.UnitRequests, Count: 100, Every: toll.Monthly}}
	if err := h.Switch(gate.Rules{Services: services(), Plans: []toll.PlanVersion{free(), big}}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		h.call(t, gate.Outcome{Status: 200, Answered: true})
	}
	c := h.customer
	c.Subscription.Plan, c.Version = "big", 2
	h.PutCustomer(c)
	states := h.LimitStates("cus_1", noon)
	if len(states) != 1 || states[0].Used != 3 || states[0].Limit != 100 {
		t.Errorf("after the change: %+v", states)
	}
}

func TestTestKeysAreCountedApart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	k, text := newKey(t, "cus_1", toll.Test)
	h.PutKey(k)
	h.text = text
	if d := h.call(t, gate.Outcome{Status: 200, Answered: true}); d != gate.Admitted {
		t.Fatalf("%v (%s)", d, h.pass.Reason)
	}
	if e := h.recorder.Events()[0]; e.Class != toll.TestUsage {
		t.Errorf("class %s, want %s", e.Class, toll.TestUsage)
	}
	for _, s := range h.LimitStates("cus_1", noon) {
		if s.Used != 0 {
			t.Errorf("a test call used %d of the customer's %s", s.Used, s.Policy.Name)
		}
	}
}

func TestManyTestKeysAreOneSmallLimit(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	admitted := 0
	for range 30 {
		k, text := newKey(t, "cus_1", toll.Test)
		h.PutKey(k)
		h.text = text
		if h.call(t, gate.Outcome{Status: 200, Answered: true}) == gate.Admitted {
			admitted++
		}
	}
	if admitted != 10 {
		t.Errorf("30 test keys of one customer made %d calls at once for nothing; want the burst of 10", admitted)
	}
}

func TestPublicServicesLimitByAddress(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ask := h.ask()
	ask.Host, ask.RawPath, ask.Authorization = "site.example", "/", ""
	if d := h.Admit(&ask, &h.pass); d != gate.Admitted {
		t.Fatalf("%v (%s)", d, h.pass.Reason)
	}
	if _, err := h.pass.Record(&gate.Outcome{Status: 200, Answered: true}); err != nil {
		t.Fatal(err)
	}
	h.pass.Done().Delivered(true)
	if e := h.recorder.Events()[0]; e.Customer != "" || e.Class != toll.NotBillable {
		t.Errorf("the event is %+v", e)
	}
	if d := h.Admit(&ask, &h.pass); d != gate.Refused {
		t.Errorf("the second call from one address: %v", d)
	}
	ask.Client = netip.MustParseAddr("198.51.100.2")
	if d := h.Admit(&ask, &h.pass); d != gate.Admitted {
		t.Errorf("another address: %v (%s)", d, h.pass.Reason)
	}
	h.pass.Done().Delivered(true)
}

func TestRestoredUsageCountsAgainstTheQuota(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	start, _ := toll.Monthly.PeriodAt(noon, time.UTC)
	h.Restore("cus_1", toll.UnitRequests, toll.Monthly, start, 5)
	if d := h.call(t, gate.Outcome{}); d != gate.Refused || h.pass.Reason != toll.RefusedLimit {
		t.Errorf("%v (%s), want a refusal by the quota", d, h.pass.Reason)
	}
}

func TestABurstFromOneAddressPassesWholeInWhateverOrder(t *testing.T) {
	t.Parallel()
	svc := toll.Service{
		Name: "site", Host: "site.example", Access: toll.AccessPublic, MaxBody: 1000,
		Policies: []toll.Policy{{Name: "ip", Kind: toll.RateLimit, Partition: toll.PerIP, Count: 5, Window: time.Minute}},
	}
	keyed := svc
	keyed.Name, keyed.Host, keyed.Access = "ner", "api.example", toll.AccessKey
	for _, service := range []toll.Service{svc, keyed} {
		h := newHouse(t)
		if err := h.Switch(gate.Rules{Services: []toll.Service{service}, Plans: []toll.PlanVersion{{ID: "free@1", Plan: toll.Plan{Name: "free", Includes: []string{"ner"}}}}}); err != nil {
			t.Fatal(err)
		}
		customers := []string{h.text}
		for i := range 4 { // several customers behind one address
			id := fmt.Sprintf("cus_x%d", i)
			h.PutCustomer(toll.Customer{ID: id, Status: toll.CustomerActive, Version: 1, Subscription: toll.Subscription{Plan: "free", PlanVersion: "free@1"}})
			key, text := newKey(t, id, toll.Live)
			h.PutKey(key)
			customers = append(customers, text)
		}
		for i, text := range customers {
			ask := h.ask()
			ask.Host, ask.RawPath, ask.Authorization = service.Host, "/", "Bearer "+text
			ask.Now = noon.Add(-time.Duration(i) * time.Microsecond)
			if d := h.Admit(&ask, &h.pass); d != gate.Admitted {
				t.Fatalf("%s: call %d of five at once: %v (%s)", service.Name, i+1, d, h.pass.Reason)
			}
			h.pass.Done().Delivered(false)
		}
		ask := h.ask()
		ask.Host, ask.RawPath = service.Host, "/"
		if d := h.Admit(&ask, &h.pass); d != gate.Refused {
			t.Errorf("%s: the sixth: %v", service.Name, d)
		}
	}
}

func TestTrimmingForgetsNoQuotaAndNoLimitThatIsInUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 3 {
		if d := h.call(t, gate.Outcome{Status: 200, Answered: true}); d != gate.Admitted {
			t.Fatal(d)
		}
	}
	before := h.LimitStates("cus_1", noon)
	h.Trim(noon)
	if after := h.LimitStates("cus_1", noon); !reflect.DeepEqual(before, after) {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	later := noon.Add(24 * time.Hour)
	before = h.LimitStates("cus_1", later)
	h.Trim(later)
	if after := h.LimitStates("cus_1", later); !reflect.DeepEqual(before, after) {
		t.Errorf("a day later, before %+v\nafter %+v", before, after)
	}
}
