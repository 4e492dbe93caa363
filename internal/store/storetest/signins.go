package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func dropsWhatEndedLongAgo(t *testing.T, s *store.Store) {
	must(t, s.CreateOperator(background, operator(1), tolltest.Entry()))
	for n := range 7 {
		e := session(n, toll.KindOperator, "op_0001")
		e.ExpiresAt = noon.Add(time.Duration(n) * 24 * time.Hour)
		if n == 6 {
			e.RevokedAt = noon
		}
		must(t, s.CreateSession(background, e, tolltest.Entry()))
	}
	before := noon.Add(36 * time.Hour) // 0 and 1 ended, 6 was revoked
	for round, want := range []int64{2, 1, 0} {
		n, err := s.DropSessions(background, before, 2)
		if err != nil || n != want {
			t.Errorf("round %d dropped %d sessions, %v; want %d", round, n, err, want)
		}
	}
	rows, err := s.SessionsOf(background, toll.KindOperator, "op_0001")
	must(t, err)
	if len(rows) != 4 {
		t.Errorf("%d sessions are left, want 4", len(rows))
	}

	for n := range 3 {
		must(t, s.CreateCeremony(background, toll.Ceremony{Hash: [32]byte{byte(n)}, Purpose: "code", Document: fmt.Append(nil, n), ExpiresAt: noon.Add(time.Duration(n) * time.Minute)}))
	}
	must(t, s.DropCeremonies(background, noon.Add(time.Minute)))
	_, err = s.TakeCeremony(background, [32]byte{1}, "code", noon)
	wantCode(t, "one that was dropped", err, toll.NotFound)
	_, err = s.TakeCeremony(background, [32]byte{2}, "code", noon)
	must(t, err)
}
