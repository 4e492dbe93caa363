package billing_test

import (
	"math"
	"testing"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestSplitsChargeableIntoIncludedAndBilled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		plan       toll.Plan
		unit       string
		chargeable int64
		want       int64
	}{
		{payg(), "requests", 0, 0},
		{payg(), "requests", 999, 999},
		{payg(), "requests", 1000, 1000},
		{payg(), "requests", 1001, 1000},
		{payg(), "requests", math.MaxInt64, 1000},
		{payg(), "words", 5, 0},
		{payg(), "tokens", 5, 5}, // has no price
		{pro(), "requests", math.MaxInt64, math.MaxInt64},
	} {
		if got := billing.Included(c.plan, c.unit, c.chargeable); got != c.want {
			t.Errorf("%s, %d %s: got %d, want %d", c.plan.Name, c.chargeable, c.unit, got, c.want)
		}
	}
}
