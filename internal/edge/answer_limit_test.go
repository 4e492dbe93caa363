package edge

import (
	"slices"
	"testing"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestALimitThatCannotBeAskedIsNotSaidToBeReached(t *testing.T) {
	t.Parallel()
	names, said := reached([]limit.Result{
		{Policy: &toll.Policy{Name: "minute", Kind: toll.RateLimit}, Refused: true, WouldRefuse: true},
		{Policy: &toll.Policy{Name: "monthly", Kind: toll.Quota}, Refused: true, WouldRefuse: true, Away: true},
		{Policy: &toll.Policy{Name: "watched", Kind: toll.Quota}, WouldRefuse: true},
	})
	if !slices.Equal(names, []string{"minute"}) || len(said) != 1 {
		t.Errorf("said to be reached: %q (%q), want minute alone", names, said)
	}
}
