package limit

import (
	"testing"
	"time"

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
