package lifecycle_test

import (
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/lifecycle"
)

func TestTheTableSaysWhatIsCounted(t *testing.T) {
	t.Parallel()
	for o, want := range map[lifecycle.Outcome][2]bool{
		lifecycle.Refused:             {false, false},
		lifecycle.AnsweredSuccess:     {true, true},
		lifecycle.AnsweredClientError: {true, true},
		lifecycle.AnsweredServerError: {true, false},
		lifecycle.TimedOut:            {true, false},
		lifecycle.GatewayFailed:       {true, false},
		lifecycle.FromCache:           {true, true},
		lifecycle.TestCall:            {true, false},
		"never heard of":              {false, false},
	} {
		if rate, quota := lifecycle.Counts(o); rate != want[0] || quota != want[1] {
			t.Errorf("%s: rate %v, quota %v; want %v", o, rate, quota, want)
		}
	}
	for _, r := range lifecycle.Rows() {
		if (r.Class == toll.Chargeable) != r.Quota {
			t.Errorf("%s: class %q, but quota %v", r.Outcome, r.Class, r.Quota)
		}
		if (r.Class != "") != r.Rate {
			t.Errorf("%s: class %q, but rate %v: what is admitted has an event", r.Outcome, r.Class, r.Rate)
		}
		if lifecycle.ClassOf(r.Outcome) != r.Class {
			t.Errorf("%s: ClassOf is %q", r.Outcome, lifecycle.ClassOf(r.Outcome))
		}
	}
}

func TestAKillLeavesWhatTheLawSays(t *testing.T) {
	t.Parallel()
	var m lifecycle.Model
	event := func(n byte) toll.Event {
		return toll.Event{ID: toll.ULID{15: n}, Customer: "cus_a", Class: toll.Chargeable, Units: []toll.Amount{{Unit: "words", Count: int64(n)}}}
	}
	for n := byte(1); n <= 6; n++ {
		m.Admit(event(n))
	}
	m.Open(event(2).ID)
	m.Open(event(3).ID)
	m.Record(event(3)) // opened and recorded
	m.Record(event(4))
	m.Record(event(5))
	m.LastByte(event(5).ID) // acknowledged
	m.Record(event(6))
	m.LastByte(event(6).ID)
	m.Done(event(6).ID)
	m.Refuse()
	if used := m.Used("cus_a", toll.UnitRequests); used != 6 {
		t.Errorf("used %d requests, want 4 recorded and 2 reserved", used)
	}
	if used := m.Used("cus_a", "words"); used != 3+4+5+6 {
		t.Errorf("used %d words", used)
	}
	m.Kill()
	want := map[toll.ULID]lifecycle.Doubt{
		event(2).ID: lifecycle.NoOutcome, event(3).ID: lifecycle.Undelivered, event(4).ID: lifecycle.Undelivered,
		event(5).ID: lifecycle.Undelivered, event(6).ID: lifecycle.NoDoubt,
	}
	got := m.Stored()
	if len(got) != len(want) {
		t.Fatalf("stored %v", got)
	}
	for id, doubt := range want {
		if got[id].Doubt != doubt || (got[id].Event.Class == toll.Unknown) != (doubt == lifecycle.NoOutcome) {
			t.Errorf("%s: %+v, want doubt %q", id, got[id], doubt)
		}
	}
	if used := m.Used("cus_a", toll.UnitRequests); used != 4 {
		t.Errorf("used %d requests after the kill, want the 4 recorded", used)
	}
	if least, most := m.Refusals(); least != 0 || most != 1 {
		t.Errorf("refusals %d to %d, want 0 to 1", least, most)
	}
	m.Refuse()
	m.Close()
	if least, most := m.Refusals(); least != 1 || most != 2 {
		t.Errorf("refusals %d to %d, want 1 to 2", least, most)
	}
}

func TestACallOutOfOrderPanics(t *testing.T) {
	t.Parallel()
	e := toll.Event{ID: toll.ULID{15: 1}}
	for name, call := range map[string]func(*lifecycle.Model){
		"admitted twice":  func(m *lifecycle.Model) { m.Admit(e) },
		"done too early":  func(m *lifecycle.Model) { m.Done(e.ID) },
		"never admitted":  func(m *lifecycle.Model) { m.Open(toll.ULID{}) },
		"recorded twice":  func(m *lifecycle.Model) { m.Record(e); m.Record(e) },
		"read too early":  func(m *lifecycle.Model) { m.LastByte(e.ID) },
		"opened too late": func(m *lifecycle.Model) { m.Record(e); m.Open(e.ID) },
	} {
		var m lifecycle.Model
		m.Admit(e)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call(&m)
		}()
	}
}

func TestUnitsOfACutAnswerAreThoseThatWereReserved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ending             lifecycle.Ending
		reported, reserved int64
		want               int64
	}{
		{lifecycle.Whole, 30, 100, 30},
		{lifecycle.Whole, 130, 100, 130},
		{lifecycle.Whole, 0, 100, 0},
		{lifecycle.Whole, lifecycle.Unsaid, 100, 0},
		{lifecycle.Cut, lifecycle.Unsaid, 100, 100},
		{lifecycle.Cut, 30, 100, 30},
		{lifecycle.Cut, 0, 100, 0},
		{lifecycle.Cut, lifecycle.Unsaid, 0, 0},
		{lifecycle.BrokenOff, lifecycle.Unsaid, 100, 0},
		{lifecycle.BrokenOff, 30, 100, 0},
	} {
		if got := lifecycle.UnitsOf(c.ending, c.reported, c.reserved); got != c.want {
			t.Errorf("%s, %d reported of %d reserved: %d, want %d", c.ending, c.reported, c.reserved, got, c.want)
		}
	}
}
