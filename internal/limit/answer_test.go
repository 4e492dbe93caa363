package limit

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestAnswersOfTheFreePlan(t *testing.T) {
	t.Parallel()
	set := compiled(t, rate("minute", 10, time.Minute), parallel("parallel", 2), quota("monthly", toll.UnitRequests, toll.Monthly, 1000))
	p := Partitions{Customer: new(State)}
	var a Admission
	a.Admit(noon, p, "ner", "other", set)
	for _, c := range []struct{ got, want string }{
		{string(AppendRateLimitPolicy(nil, a.Results())), `"minute";q=10;w=60, "parallel";q=2;qu="concurrent-requests", "monthly";q=1000;w=2592000`},
		{string(AppendRateLimit([]byte("x: "), a.Results())), `x: "minute";r=9;t=6, "parallel";r=1, "monthly";r=999;t=907200`},
	} {
		if c.got != c.want {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
	}
	a.Settle(true, nil)
	for range 9 {
		a.Admit(noon, p, "ner", "other", set)
		a.Settle(true, nil)
	}
	a.Admit(noon.Add(time.Millisecond), p, "ner", "other", set)
	// Refused: only what refused says t, and Retry-After is not before it.
	if got, want := string(AppendRateLimit(nil, a.Results())), `"minute";r=0;t=6, "parallel";r=2, "monthly";r=990`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := RetryAfter(a.Results()); got != 6*time.Second {
		t.Errorf("RetryAfter is %s", got)
	}
}

func TestAnswersThatAreOutOfTheCommon(t *testing.T) {
	t.Parallel()
	odd := toll.Policy{Name: "a\"b\\c\r\nd€", Kind: toll.RateLimit, Count: 20, Window: 1500 * time.Millisecond, Burst: 50}
	shadow := rate("shadow", 1, time.Second)
	shadow.Shadow = true
	words, chars := quota("words", "words", toll.Daily, 1<<62), quota("bytes", "content-bytes", toll.Monthly, 7)
	results := []Result{
		{Policy: &shadow, WouldRefuse: true, Remaining: 3},
		{Policy: &odd, Remaining: -4, Reset: 1},
		{Policy: &words, Remaining: 1 << 62, Reset: 24*time.Hour + 1},
		{Policy: &chars},
	}
	for _, c := range []struct{ got, want string }{
		{string(AppendRateLimitPolicy(nil, results)), `"a\"b\\c__d___";q=20;w=2;tollhouse-burst=50, "words";q=999999999999999;qu="words";w=86400, "bytes";q=7;qu="content-bytes";w=2592000`},
		{string(AppendRateLimit(nil, results)), `"a\"b\\c__d___";r=0;t=1, "words";r=999999999999999;t=86401, "bytes";r=0`},
		{string(AppendRateLimit(nil, results[:1])), ""},
		{string(AppendRateLimitPolicy(nil, nil)), ""},
	} {
		if c.got != c.want {
			t.Errorf("got  %s\nwant %s", c.got, c.want)
		}
	}
}

func TestRetryAfterIsTheLongestRefusalInWholeSeconds(t *testing.T) {
	t.Parallel()
	refused := func(d time.Duration) Result { return Result{Refused: true, RetryAfter: d} }
	for _, c := range []struct {
		results []Result
		want    time.Duration
	}{
		{nil, 0},
		{[]Result{{RetryAfter: time.Hour, WouldRefuse: true}}, 0},
		{[]Result{refused(1)}, time.Second},
		{[]Result{refused(time.Second)}, time.Second},
		{[]Result{refused(time.Second + 1)}, 2 * time.Second},
		{[]Result{refused(3 * time.Second), {RetryAfter: time.Hour}, refused(59*time.Second + 999*time.Millisecond), refused(time.Second)}, time.Minute},
		{[]Result{refused(time.Hour), {Refused: true, Never: true}}, 0},
		{[]Result{refused(time.Hour), {WouldRefuse: true, Never: true}}, time.Hour},
	} {
		if got := RetryAfter(c.results); got != c.want {
			t.Errorf("%+v: %s, want %s", c.results, got, c.want)
		}
	}
}
