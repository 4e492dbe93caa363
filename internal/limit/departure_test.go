package limit

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestCountersAreTranslatedByWhatTheyMean(t *testing.T) {
	t.Parallel()
	here := identity{kind: toll.RateLimit, name: "translated", count: 7, window: int64(time.Minute)}
	id := known.id(here)
	// In the other process that is its third, and its first is none of ours yet.
	names := []Name{{}, {Kind: toll.ConcurrencyLimit, Service: "only over there"}, {}, nameOf(here)}
	got := NewTranslate(names).Counters([]Carried{{Name: 3, Extra: 5, Value: 9}, {Name: 1, Value: 2}, {Name: 0, Value: 1}, {Name: 4, Value: 1}})
	want := []Carried{{Name: uint32(id), Extra: 5, Value: 9}, {Name: uint32(known.id(names[1].identity())), Value: 2}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if all := Names(); nameOf(here) != all[id] {
		t.Errorf("number %d is %+v", id, all[id])
	}
}

func TestAStateThatDepartedDecidesAndKeepsNothingUntilItComesBack(t *testing.T) {
	t.Parallel()
	set, err := Compile([]toll.Policy{
		{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: 5},
		{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Count: 5, Every: toll.Monthly},
		{Name: "words", Kind: toll.Quota, Unit: "words", Count: 100, Every: toll.Monthly},
		{Name: "daily", Kind: toll.Quota, Unit: toll.UnitRequests, Count: 50, Every: toll.Daily},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	var s State
	var a, b Admission
	if !a.Admit(now, Partitions{Customer: &s}, "ner", "", set) || a.Departed() {
		t.Fatal("refused")
	}
	counters := s.Depart(nil)
	if len(counters) != 4 || len(s.Depart(nil)) != 0 {
		t.Fatalf("%v departed", counters)
	}
	if b.Admit(now, Partitions{Customer: &s}, "ner", "", set) || !b.Departed() || len(b.Results()) != 0 {
		t.Error("it decides")
	}
	s.Restore("words", toll.Monthly, now, 7)
	if s.Trim(now) {
		t.Error("it is taken for idle")
	}
	a.Settle(true, []toll.Amount{{Unit: "words", Count: 30}})
	a.Release()
	owed := a.Owed()
	if len(owed) != 2 || owed[0].Add != 30 || owed[0].Name.Unit != "words" || owed[1].Add != -1 || owed[1].Name.Kind != toll.ConcurrencyLimit {
		t.Fatalf("owed %+v", owed)
	}
	if s.Adjust(owed[0]) {
		t.Error("it counts")
	}
	s.Arrive(counters)
	for _, o := range owed {
		if !s.Adjust(o) {
			t.Error("it does not count")
		}
	}
	used := map[string]int64{}
	for _, l := range set.LimitStates(now, Partitions{Customer: &s}) {
		used[l.Policy.Name] = l.Used
	}
	if used["parallel"] != 0 || used["monthly"] != 1 || used["words"] != 30 || used["daily"] != 1 {
		t.Errorf("used %v", used)
	}
}

func TestAddressesDepartAndComeBackOrArriveElsewhere(t *testing.T) {
	t.Parallel()
	set, err := Compile([]toll.Policy{{Name: "once", Kind: toll.RateLimit, Count: 1, Window: time.Hour, Partition: toll.PerIP}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	clients := []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1"), {}}
	admits := func(of *Addresses, client netip.Addr) (yes, departed bool) {
		var a Admission
		defer a.Release()
		return a.Admit(now, Partitions{Address: of.State(client, now)}, "", "", set), a.Departed()
	}
	old, next := NewAddresses(1000), NewAddresses(1000)
	for _, c := range clients {
		if yes, _ := admits(old, c); !yes {
			t.Fatal(c, "is refused")
		}
	}
	stranger := netip.MustParseAddr("203.0.113.9")
	if old.Find(stranger) != nil || old.Find(clients[0]) == nil {
		t.Error("who is kept is not found, or who is not is")
	}
	all := old.Depart()
	if len(all) != len(clients) {
		t.Fatalf("%d addresses departed", len(all))
	}
	for _, c := range append(clients, stranger) {
		if yes, departed := admits(old, c); yes || !departed || !old.Find(c).hasDeparted() {
			t.Errorf("%v: %v %v", c, yes, departed)
		}
	}
	for _, c := range all {
		next.Arrive(c)
		old.Arrive(c)
	}
	old.Stay()
	for _, of := range []*Addresses{old, next} {
		for _, c := range clients {
			if yes, departed := admits(of, c); yes || departed {
				t.Errorf("%v: %v %v, want it refused by its limit", c, yes, departed)
			}
		}
		if yes, _ := admits(of, stranger); !yes {
			t.Error("a newcomer is refused")
		}
	}
}
