package edge

import (
	"fmt"
	"testing"
	"time"
)

func TestNewNamesBelowAWildcardHostHaveABound(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	n := &newNames{clock: func() time.Time { return now }}
	taken := func() (count int) {
		for n.take() == nil {
			count++
		}
		return count
	}
	if got := taken(); got != newNamesAtOnce {
		t.Errorf("%d at once, want %d", got, newNamesAtOnce)
	}
	now = now.Add(newNameEvery - time.Second)
	if got := taken(); got != 0 {
		t.Errorf("%d a second too early", got)
	}
	now = now.Add(time.Second)
	if got := taken(); got != 1 {
		t.Errorf("%d after the first interval, want 1", got)
	}
	now = now.Add(48 * time.Hour)
	if got := taken(); got != newNamesAtOnce {
		t.Errorf("%d after two days, want %d: what was not used is not saved up", got, newNamesAtOnce)
	}
}

func TestARefusedNameRestsAndIsForgotten(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	n := &newNames{clock: func() time.Time { return now }}
	n.failed("a.example")
	if n.patient("a.example") == nil || n.patient("b.example") != nil {
		t.Error("the wrong name rests")
	}
	now = now.Add(failedNameRests)
	if err := n.patient("a.example"); err != nil || len(n.resting) != 0 {
		t.Errorf("%v; %d names are remembered", err, len(n.resting))
	}
	for i := range 3 * maxFailedNames {
		n.failed(fmt.Sprint(i))
		if len(n.resting) > maxFailedNames {
			t.Fatalf("%d names are remembered", len(n.resting))
		}
	}
}
