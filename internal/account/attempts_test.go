package account

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// The model of GCRA is a bucket of Burst tokens that gets one back each Every.
func TestAttemptsAreCountedAsABucketOfTokensWould(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := Pace{Burst: rapid.IntRange(1, 5).Draw(t, "burst"), Every: time.Duration(rapid.IntRange(1, 10).Draw(t, "every"))}
		a := newAttempts[string](p, 100)
		now := time.Unix(1_000_000, 0)
		level := time.Duration(p.Burst) * p.Every // tokens, in time
		full := level
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			d := time.Duration(rapid.IntRange(0, 12).Draw(t, "pass"))
			now, level = now.Add(d), min(full, level+d)
			if rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
				a.giveBack("k", now)
				level = min(full, level+p.Every)
				continue
			}
			wait := a.take("k", now)
			if (wait == 0) != (level >= p.Every) {
				t.Fatalf("wait %d with %d of %d left, each %d", wait, level, full, p.Every)
			}
			if wait == 0 {
				level -= p.Every
			} else if wait != p.Every-level {
				t.Fatalf("told to wait %d, and it takes %d", wait, p.Every-level)
			}
		}
	})
}

func TestAttemptsHoldABoundedNumberOfKeysAndForgetTheLeastFirst(t *testing.T) {
	t.Parallel()
	const most = 1000
	a := newAttempts[int](Pace{Burst: 10, Every: time.Minute}, most)
	now := time.Unix(1_000_000, 0)
	for range 10 { // a victim whose tries are used up
		if a.take(-1, now) != 0 {
			t.Fatal("refused too early")
		}
	}
	for i := range 20 * most { // a crowd of strangers, each once
		a.take(i, now)
		if len(a.next) > most {
			t.Fatalf("%d keys are held", len(a.next))
		}
	}
	if a.take(-1, now) == 0 {
		t.Error("strangers made room for more tries against the victim")
	}
	now = now.Add(time.Hour) // everything is whole again: it goes first
	for i := range most {
		a.take(-2-i, now)
	}
	if len(a.next) > most {
		t.Errorf("%d keys are held", len(a.next))
	}
}

func TestOneAddressIsOneHouse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		if got := neighbourhood(netip.MustParseAddr(c.a)) == neighbourhood(netip.MustParseAddr(c.b)); got != c.same {
			t.Errorf("%s and %s: got %t", c.a, c.b, got)
		}
	}
	if neighbourhood(netip.Addr{}) != (netip.Addr{}) {
		t.Error("an unknown address is not itself")
	}
}

func TestARefusalSaysHowLongInWholeSeconds(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]time.Duration{
		1: time.Second, time.Second: time.Second, time.Second + 1: 2 * time.Second, 59*time.Second + 1: time.Minute,
	} {
		err := tooMany(wait)
		var e *TooManyAttempts
		if !errors.As(err, &e) || e.RetryAfter != want || toll.CodeOf(err) != toll.Unavailable || err.Error() != toll.SafeMessage(err) {
			t.Errorf("%s: got %#v", wait, err)
		}
	}
}
