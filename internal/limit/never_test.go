package limit

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestACallAboveTheWholeQuotaIsToldNoTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		quota  int64
		used   int64
		needs  int64
		never  bool
		admits bool
	}{
		{"all of it", 100, 0, 100, false, true},
		{"one more than all of it", 100, 0, 101, true, false},
		{"more than is left, and no more than all", 100, 1, 100, false, false},
		{"more than all, with something used", 100, 50, 101, true, false},
		{"nothing, of a quota of nothing", 0, 0, 0, true, false},
		{"nothing, of one that is used up", 100, 100, 0, false, false},
	} {
		set := compiled(t, quota("words", "words", toll.Monthly, c.quota), rate("minute", 10, time.Minute))
		p := Partitions{Customer: new(State)}
		var before, a Admission
		before.Admit(noon, p, "ner", "other", set)
		before.Settle(true, words(c.used))
		if got := a.AdmitCost(noon, p, reserves(c.needs), "ner", "other", set); got != c.admits {
			t.Errorf("%s: admitted %v", c.name, got)
		}
		r := a.Results()[0]
		if r.Never != c.never || r.Needs != c.needs || r.Refused == c.admits {
			t.Errorf("%s: %+v", c.name, r)
		}
		if told := RetryAfter(a.Results()); (told == 0) != (c.admits || c.never) || (r.RetryAfter == 0) != (told == 0) {
			t.Errorf("%s: Retry-After %s, of the quota %s", c.name, told, r.RetryAfter)
		}
		if r.Reset <= 0 { // the period ends all the same, and RateLimit says so
			t.Errorf("%s: resets after %s", c.name, r.Reset)
		}
	}
}

func TestAShadowThatNeverPassesNamesNoTimeAndKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	watched := quota("words", "words", toll.Monthly, 10)
	watched.Shadow = true
	var a Admission
	if !a.AdmitCost(noon, Partitions{Customer: new(State)}, reserves(11), "ner", "other", compiled(t, watched)) {
		t.Fatal("a shadow refused")
	}
	if r := a.Results()[0]; !r.WouldRefuse || !r.Never || r.RetryAfter != 0 {
		t.Errorf("%+v", r)
	}
}
