package toll

import (
	"testing"
	"time"
)

func TestARevokedKeyIsRevokedWhateverTheClockSays(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		why              string
		expires, revoked time.Time
		want             KeyState
	}{
		{"neither", time.Time{}, time.Time{}, KeyValid},
		{"it ends in a nanosecond", now.Add(1), time.Time{}, KeyValid},
		{"it ends now", now, time.Time{}, KeyExpired},
		{"it was revoked before", time.Time{}, now.Add(-time.Second), KeyRevoked},
		{"a replica whose clock is an hour ahead revoked it", time.Time{}, now.Add(time.Hour), KeyRevoked},
		{"it was revoked, and has ended since", now.Add(-time.Hour), now.Add(-2 * time.Hour), KeyRevoked},
	} {
		k := Key{ExpiresAt: c.expires, RevokedAt: c.revoked}
		if got := k.StateAt(now); got != c.want {
			t.Errorf("%s: %s, want %s", c.why, got, c.want)
		}
	}
}
