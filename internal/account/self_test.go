package account_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func TestANewPasswordEndsThePersonsOtherSessions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	other, _ := h.signIn(t, h.owner)
	rival, _ := h.signIn(t, h.rival)
	mine, p := h.signIn(t, h.owner)
	if !h.holds(t, h.sessions, other) {
		t.Fatal("it never held")
	}
	wantField(t, h.sessions.ChangePassword(ctx, p, "not the password", "another good one"), "current")
	wantField(t, h.sessions.ChangePassword(ctx, p, h.password, "short"), "password")
	if !h.holds(t, h.sessions, other) {
		t.Error("a refused change ended a session")
	}
	must(t, h.sessions.ChangePassword(ctx, p, h.password, "another good one"))
	if h.holds(t, h.sessions, other) || !h.holds(t, h.sessions, mine) || !h.holds(t, h.sessions, rival) {
		t.Error("not just the person's other sessions were ended")
	}
	_, _, err := h.sessions.SignIn(ctx, h.owner.Email, h.password, home, "")
	wantCode(t, err, toll.Unauthorized)
	_, _, err = h.sessions.SignIn(ctx, h.owner.Email, "another good one", home, "")
	must(t, err)
}

func TestAPersonSeesAndEndsTheirOwnSessionsOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	for _, from := range []string{"192.0.2.200", "2001:db8:1:2:3::4", "::ffff:198.51.100.7"} {
		_, _, err := h.sessions.SignIn(ctx, h.owner.Email, h.password, netip.MustParseAddr(from), "Browser/1")
		must(t, err)
		h.clock.pass(time.Second)
	}
	_, _, err := h.sessions.SignIn(ctx, h.owner.Email, h.password, netip.Addr{}, "")
	must(t, err)
	h.clock.pass(time.Second)
	_, p := h.signIn(t, h.owner)
	theirs, rival := h.signIn(t, h.rival)
	rows, err := h.sessions.SessionsOf(ctx, p)
	must(t, err)
	var networks []string
	for _, row := range rows {
		networks = append(networks, row.Network)
	}
	if len(rows) != 5 || rows[0].ID != p.SessionID || networks[1] != "" || networks[2] != "198.51.100.0/24" || networks[3] != "2001:db8:1::/48" || networks[4] != "192.0.2.0/24" {
		t.Errorf("the sessions are from %q", networks)
	}
	wantCode(t, h.sessions.EndSession(ctx, p, rival.SessionID), toll.NotFound)
	wantCode(t, h.sessions.EndSession(ctx, p, "ses_none"), toll.NotFound)
	if !h.holds(t, h.sessions, theirs) {
		t.Error("another person's session was ended")
	}
	must(t, h.sessions.EndSession(ctx, p, rows[1].ID))
	n, err := h.sessions.EndSessions(ctx, p, true)
	must(t, err)
	rows, err = h.sessions.SessionsOf(ctx, p)
	must(t, err)
	if n != 3 || len(rows) != 1 || rows[0].ID != p.SessionID {
		t.Errorf("ended %d, and there are %v", n, rows)
	}
	if n, err = h.sessions.EndSessions(ctx, p, false); err != nil || n != 1 {
		t.Errorf("ended %d, %v", n, err)
	}
}

func TestASessionThatNobodyUsesIsNotListed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.signIn(t, h.owner)
	h.clock.pass(50 * time.Hour)
	_, p := h.signIn(t, h.owner)
	rows, err := h.sessions.SessionsOf(t.Context(), p)
	must(t, err)
	if len(rows) != 1 {
		t.Errorf("listed %d sessions, want the one whose cookie can still hold", len(rows))
	}
}

func TestAProfileIsCheckedAndChanged(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	token, p := h.signIn(t, h.owner)
	wantField(t, h.sessions.ChangeProfile(ctx, p, toll.Profile{Name: " "}), "name")
	wantField(t, h.sessions.ChangeProfile(ctx, p, toll.Profile{Name: "Zoë", Language: "no language"}), "language")
	for _, zone := range []string{"Mars/Olympus", "Local", "../etc/passwd"} {
		wantField(t, h.sessions.ChangeProfile(ctx, p, toll.Profile{Name: "Zoë", TimeZone: zone}), "time_zone")
	}
	must(t, h.sessions.ChangeProfile(ctx, p, toll.Profile{Name: " Zoë ", Language: "fr-ca", TimeZone: "Europe/Berlin"}))
	got, _, err := h.sessions.Authenticate(ctx, token.Text.Reveal())
	must(t, err)
	if got.Name != "Zoë" || got.Language != "fr-CA" || got.TimeZone != "Europe/Berlin" {
		t.Errorf("the person is now %+v", got)
	}
}

func TestWithoutAPasswordOnlyAFreshSignInProves(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	_, p := h.signIn(t, h.owner)
	must(t, h.store.SetMemberPassword(ctx, h.owner.ID, "", tolltest.Entry()))
	must(t, h.sessions.Prove(ctx, p, ""))
	h.clock.pass(15*time.Minute + time.Second)
	wantCode(t, h.sessions.Prove(ctx, p, ""), toll.Forbidden)
}
