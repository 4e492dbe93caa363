package limit

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestACorrectionAddsToWhatWasCountedAndNeverBelowNothing(t *testing.T) {
	t.Parallel()
	set, state := compiled(t, quota("monthly", toll.UnitRequests, toll.Monthly, 10)), new(State)
	start, _ := toll.Monthly.PeriodAt(noon, time.UTC)
	used := func() int64 { return set.LimitStates(noon, Partitions{Customer: state})[0].Used }
	state.Restore(toll.UnitRequests, toll.Monthly, start, 4)
	var a Admission
	if !a.Admit(noon, Partitions{Customer: state}, "ner", "GET /", set) {
		t.Fatal("refused")
	}
	state.Correct(toll.UnitRequests, toll.Monthly, start, 3)
	a.Settle(true, nil)
	a.Release()
	if used() != 8 {
		t.Errorf("%d are used, want 4 and 1 and 3", used())
	}
	state.Correct(toll.UnitRequests, toll.Monthly, start, -9)
	if used() != 0 {
		t.Errorf("%d are used", used())
	}
}
