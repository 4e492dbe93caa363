package meter_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// thousand includes a thousand requests in the pay-as-you-go plan, and all
// requests in the free one.
func thousand(planVersion, unit string, chargeable int64) int64 {
	switch {
	case unit != toll.UnitRequests:
		return 0
	case planVersion == "free@1":
		return chargeable
	}
	return 1000
}

func TestStatesWhereEveryUnitWent(t *testing.T) {
	t.Parallel()
	got := meter.Statement([]meter.AuditRow{
		{Customer: "cus_a", PlanVersion: "payg@1", Unit: "requests", Class: toll.Chargeable, Count: 1500},
		{Customer: "cus_b", PlanVersion: "payg@1", Unit: "requests", Class: toll.Chargeable, Count: 400}, // its own thousand
		{Customer: "cus_c", PlanVersion: "free@1", Unit: "requests", Class: toll.Chargeable, Count: 70},
		{Customer: "cus_a", PlanVersion: "payg@1", Unit: "requests", Class: toll.NotBillable, Count: 5},
		{Customer: "cus_a", PlanVersion: "payg@1", Unit: "requests", Class: toll.TestUsage, Count: 6},
		{Customer: "cus_a", PlanVersion: "payg@1", Unit: "requests", Class: toll.Unknown, Count: 1},
		{Customer: "cus_a", PlanVersion: "payg@1", Unit: "words", Class: toll.Chargeable, Count: 9000},
	}, thousand)
	want := map[string]meter.Conservation{
		"requests": {Received: 1982, Billed: 500, Included: 1000 + 400 + 70, NotBillable: 5, Test: 6, Unknown: 1},
		"words":    {Received: 9000, Billed: 9000},
	}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for unit, w := range want {
		if got[unit] != w || !got[unit].Holds() {
			t.Errorf("%s: %+v, want %+v", unit, got[unit], w)
		}
	}
	text, err := json.Marshal(got["requests"])
	if err != nil || string(text) != `{"received":1982,"billed":500,"included":1470,"not_billable":5,"test":6,"unknown":1}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestTheEquationDoesNotHoldWithAClassNobodyKnows(t *testing.T) {
	t.Parallel()
	got := meter.Statement([]meter.AuditRow{{Unit: "requests", Class: "another", Count: 1}}, thousand)
	if got["requests"].Holds() || got["requests"].Received != 1 {
		t.Fatalf("%+v", got)
	}
}

func TestTheEquationHoldsWhateverIsIncluded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.Custom(func(t *rapid.T) meter.AuditRow {
			return meter.AuditRow{
				Customer: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "customer"), PlanVersion: rapid.SampledFrom([]string{"1", "2"}).Draw(t, "version"),
				Unit:  rapid.SampledFrom([]string{"requests", "words"}).Draw(t, "unit"),
				Class: rapid.SampledFrom([]toll.Class{toll.Chargeable, toll.NotBillable, toll.TestUsage, toll.Unknown}).Draw(t, "class"),
				Count: rapid.Int64Range(0, 1<<40).Draw(t, "count"),
			}
		})
		rows := rapid.SliceOf(row).Draw(t, "rows")
		free := rapid.Int64().Draw(t, "included")
		received := map[string]int64{}
		for _, r := range rows {
			received[r.Unit] += r.Count
		}
		for unit, c := range meter.Statement(rows, func(string, string, int64) int64 { return free }) {
			if !c.Holds() || c.Received != received[unit] || c.Billed < 0 || c.Included < 0 {
				t.Fatalf("%s: %+v of %d", unit, c, received[unit])
			}
		}
	})
}
