package account_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestSignsMembersAndOperatorsIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	for _, want := range []account.Person{h.owner, h.chief} {
		token, p, err := h.sessions.SignIn(ctx, " "+strings.ToUpper(want.Email), h.password, home, "Firefox")
		must(t, err)
		if !strings.HasPrefix(p.SessionID, "ses_") {
			t.Errorf("the session is %q", p.SessionID)
		}
		row, err := h.store.Session(ctx, p.SessionID)
		must(t, err)
		now := h.clock.now().Truncate(time.Microsecond)
		if row.Kind != want.Kind || row.PersonID != want.ID || row.UserAgent != "Firefox" || !row.CreatedAt.Equal(now) ||
			!row.ExpiresAt.Equal(now.Add(30*24*time.Hour)) || !row.RevokedAt.IsZero() {
			t.Errorf("the row is %+v", row)
		}
		if !token.ExpiresAt.Equal(now.Add(48 * time.Hour).Truncate(time.Second)) {
			t.Errorf("the token ends %s", token.ExpiresAt)
		}
		want.SessionID = p.SessionID
		if p != want {
			t.Errorf("signed in as %+v, want %+v", p, want)
		}
		again, renewed, err := h.sessions.Authenticate(ctx, token.Text.Reveal())
		must(t, err)
		if again != want || renewed != nil {
			t.Errorf("the token says %+v (renewed: %v), want %+v", again, renewed, want)
		}
		if shown := fmt.Sprintf("%v %+v %#v", token, token, token); strings.Contains(shown, token.Text.Reveal()) {
			t.Error("a printed token shows its text")
		}
	}
}

func TestAWrongPasswordAndAnUnknownAddressGetOneAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	_, err := h.CreateMember(ctx, account.System, account.NewMember{CustomerID: h.acme.ID, Email: "none@example.com", Name: "N", Role: toll.MemberViewer})
	must(t, err)
	want := ""
	for name, try := range map[string]struct {
		email    string
		password toll.Secret
	}{
		"wrong":        {h.owner.Email, "correct horse batterx"},
		"another's":    {h.owner.Email, "quite another one"},
		"unknown":      {"nobody@example.com", h.password},
		"no password":  {h.owner.Email, ""},
		"none is set":  {"none@example.com", ""},
		"none was set": {"none@example.com", h.password},
		"no address":   {"", h.password},
		"no form":      {"' OR 1=1 --", h.password},
		"too long":     {h.owner.Email, toll.Secret(strings.Repeat("x", 1025))},
		"a novel":      {strings.Repeat("a", 1<<20), h.password},
		"no UTF-8":     {"a\xff@example.com", "\xff\xfe"},
	} {
		token, p, err := h.sessions.SignIn(ctx, try.email, try.password, home, "")
		wantCode(t, err, toll.Unauthorized)
		if want == "" {
			want = err.Error()
		}
		if err == nil || err.Error() != want || token != (account.Token{}) || p != (account.Person{}) {
			t.Errorf("%s: got %q, others got %q", name, err, want)
		}
	}
}

func TestWrongGuessesOfOthersDoNotLockTheOwnerOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	s := h.newSessions(t, account.SessionOptions{PerPair: account.Pace{Burst: 3, Every: time.Minute}})
	for range 20 { // who signs in rightly is never too often
		_, _, err := s.SignIn(ctx, h.owner.Email, h.password, home, "")
		must(t, err)
	}
	enemy := netip.MustParseAddr("203.0.113.9")
	for _, email := range []string{h.owner.Email, "nobody@example.com"} {
		for range 3 {
			_, _, err := s.SignIn(ctx, email, "a wrong password", enemy, "")
			wantCode(t, err, toll.Unauthorized)
		}
		_, _, err := s.SignIn(ctx, strings.ToUpper(email), h.password, enemy, "")
		var refused *account.TooManyAttempts
		if !errors.As(err, &refused) || refused.RetryAfter != time.Minute {
			t.Fatalf("%s: got %v", email, err)
		}
	}
	for _, from := range []netip.Addr{home, netip.MustParseAddr("2001:db8::1")} { // known, and never seen
		_, _, err := s.SignIn(ctx, h.owner.Email, h.password, from, "")
		must(t, err)
	}
	h.clock.pass(time.Minute)
	_, _, err := s.SignIn(ctx, h.owner.Email, h.password, enemy, "")
	must(t, err)
}

func TestGuessesFromEverywhereCloseAnAddressButNotForWhoWasHereBefore(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	s := h.newSessions(t, account.SessionOptions{PerEmail: account.Pace{Burst: 5, Every: time.Hour}})
	_, _, err := s.SignIn(ctx, h.owner.Email, h.password, home, "")
	must(t, err)
	for i := range 5 {
		_, _, err := s.SignIn(ctx, h.owner.Email, "a wrong password", netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), "")
		wantCode(t, err, toll.Unauthorized)
	}
	strange := netip.MustParseAddr("203.0.113.9")
	var refused *account.TooManyAttempts
	if _, _, err := s.SignIn(ctx, h.owner.Email, h.password, strange, ""); !errors.As(err, &refused) {
		t.Fatalf("the sixth place may guess: %v", err)
	}
	if _, _, err := s.SignIn(ctx, h.owner.Email, "a wrong password", home, ""); toll.CodeOf(err) != toll.Unauthorized {
		t.Fatalf("home is closed: %v", err)
	}
	_, _, err = s.SignIn(ctx, h.owner.Email, h.password, home, "")
	must(t, err)
	s.Reopen(h.owner.Email) // by a new password that was asked for by mail
	_, _, err = s.SignIn(ctx, h.owner.Email, h.password, strange, "")
	must(t, err)
}

func TestOneHouseMayNotTryForEver(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	s := h.newSessions(t, account.SessionOptions{PerAddress: account.Pace{Burst: 5, Every: time.Second}})
	from := func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:0:1::%x", i+1)) }
	for i := range 5 {
		_, _, err := s.SignIn(ctx, fmt.Sprintf("guess%d@example.com", i), "a wrong password", from(i), "")
		wantCode(t, err, toll.Unauthorized)
	}
	_, _, err := s.SignIn(ctx, h.owner.Email, h.password, from(99), "")
	var refused *account.TooManyAttempts
	if !errors.As(err, &refused) || refused.RetryAfter != time.Second {
		t.Errorf("got %v", err)
	}
	_, _, err = s.SignIn(ctx, h.owner.Email, h.password, netip.MustParseAddr("2001:db8:0:2::1"), "")
	must(t, err)
}

func TestAHashIsMadeAnewWhenTheCostsWereRaised(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	raised, err := account.NewPasswords(account.PasswordOptions{Costs: account.Argon2{Memory: 16, Passes: 2, Threads: 1}})
	must(t, err)
	s := h.newSessions(t, account.SessionOptions{Passwords: raised})
	_, _, err = s.SignIn(ctx, h.owner.Email, "a wrong password", home, "")
	wantCode(t, err, toll.Unauthorized)
	before, err := h.store.Member(ctx, h.owner.ID)
	must(t, err)
	if !strings.Contains(before.PasswordHash.Reveal(), "m=8,t=1") {
		t.Fatalf("the hash was %s", before.PasswordHash.Reveal())
	}
	for _, email := range []string{h.owner.Email, h.chief.Email} {
		_, _, err = s.SignIn(ctx, email, h.password, home, "")
		must(t, err)
	}
	m, err := h.store.Member(ctx, h.owner.ID)
	must(t, err)
	o, err := h.store.Operator(ctx, h.chief.ID)
	must(t, err)
	for _, hash := range []toll.Secret{m.PasswordHash, o.PasswordHash} {
		if ok, weaker, err := raised.Verify(ctx, hash, h.password); !ok || weaker || err != nil || !strings.Contains(hash.Reveal(), "m=16,t=2") {
			t.Errorf("the hash is %s now: %t, %t, %v", hash.Reveal(), ok, weaker, err)
		}
	}
}

func TestASignInSurvivesAHashThatCannotBeMadeAnew(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dry, err := account.NewPasswords(account.PasswordOptions{
		Costs: account.Argon2{Memory: 16, Passes: 2, Threads: 1}, Random: strings.NewReader(""),
	})
	must(t, err)
	var log bytes.Buffer
	s := h.newSessions(t, account.SessionOptions{Passwords: dry, Log: slog.New(slog.NewTextHandler(&log, nil))})
	_, _, err = s.SignIn(t.Context(), h.owner.Email, h.password, home, "")
	must(t, err)
	if !strings.Contains(log.String(), h.owner.ID) || strings.Contains(log.String(), "argon2id$") || strings.Contains(log.String(), h.password.Reveal()) {
		t.Errorf("the log says %s", log.String())
	}
}

func TestKeepsOnlyAShortCleanUserAgent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, agent := range []string{"a\x00b\nc\x1b[31m", strings.Repeat("ü", 150), strings.Repeat("\xff", 300), strings.Repeat("x", 1<<20), "\xe2\x82"} {
		_, p, err := h.sessions.SignIn(t.Context(), h.owner.Email, h.password, home, agent)
		must(t, err)
		row, err := h.store.Session(t.Context(), p.SessionID)
		must(t, err)
		if len(row.UserAgent) > 200 || !utf8.ValidString(row.UserAgent) || strings.ContainsAny(row.UserAgent, "\x00\n\x1b") || row.UserAgent == "" {
			t.Errorf("%.20q was kept as %q", agent, row.UserAgent)
		}
	}
}

func TestASignInWithTheStoreAwayIsNotAWrongPassword(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.store.Break(toll.Errorf(toll.Unavailable, "The database is away."))
	_, _, err := h.sessions.SignIn(t.Context(), h.owner.Email, h.password, home, "")
	wantCode(t, err, toll.Unavailable)
}

func TestSessionsRefuseSettingsThatCannotHold(t *testing.T) {
	t.Parallel()
	store := accounttest.NewStore()
	good := []toll.Secret{accounttest.Secret}
	for name, opts := range map[string]account.SessionOptions{
		"no secret":          {},
		"a short secret":     {Secrets: []toll.Secret{"thirty-one bytes are too few..."}},
		"a short old secret": {Secrets: []toll.Secret{accounttest.Secret, "short"}},
		"negative life":      {Secrets: good, TokenLife: -1},
		"renewed too late":   {Secrets: good, TokenLife: time.Hour, RenewEvery: time.Hour},
		"remembers too long": {Secrets: good, Recheck: time.Second + 1},
		"no pace":            {Secrets: good, PerEmail: account.Pace{Burst: 1}},
		"no pace of a pair":  {Secrets: good, PerPair: account.Pace{Burst: 1}},
		"no burst":           {Secrets: good, PerAddress: account.Pace{Every: time.Second}},
	} {
		if _, err := account.NewSessions(store, opts); err == nil {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), "too few") {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
	}
	if _, err := account.NewSessions(nil, account.SessionOptions{Secrets: good}); err == nil {
		t.Error("sessions without a store were started")
	}
	if _, err := account.NewSessions(store, account.SessionOptions{Secrets: good}); err != nil {
		t.Error(err)
	}
}

func TestAPasswordOverTheBoundSignsNobodyIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	long := toll.Secret(strings.Repeat("x", account.MaxPassword+1))
	hash, err := h.passwordsOfAHouse.Hash(t.Context(), long)
	must(t, err)
	must(t, h.store.SetMemberPassword(t.Context(), h.owner.ID, hash))
	_, _, err = h.sessions.SignIn(t.Context(), h.owner.Email, long, home, "")
	wantCode(t, err, toll.Unauthorized)
}

// meanwhile is a store in which somebody sets a new password just before a
// person is looked up for the at-th time.
type meanwhile struct {
	*accounttest.Store
	lookups, at int
	hash        toll.Secret
}

func (s *meanwhile) MemberByEmail(ctx context.Context, email string) (toll.Member, error) {
	if s.lookups++; s.lookups == s.at {
		m, err := s.Store.MemberByEmail(ctx, email)
		if err != nil {
			return toll.Member{}, err
		}
		if err := s.SetMemberPassword(ctx, m.ID, s.hash); err != nil {
			return toll.Member{}, err
		}
	}
	return s.Store.MemberByEmail(ctx, email)
}

func TestAHashMadeAnewNeverBringsAnOldPasswordBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	raised, err := account.NewPasswords(account.PasswordOptions{Costs: account.Argon2{Memory: 16, Passes: 2, Threads: 1}})
	must(t, err)
	hash, err := raised.Hash(ctx, "quite another one")
	must(t, err)
	busy := &meanwhile{Store: h.store, at: 3, hash: hash}
	s, err := account.NewSessions(busy, account.SessionOptions{Secrets: []toll.Secret{accounttest.Secret}, Passwords: raised, Clock: h.clock.now})
	must(t, err)
	_, _, err = s.SignIn(ctx, h.owner.Email, h.password, home, "")
	must(t, err)
	m, err := h.store.Member(ctx, h.owner.ID)
	must(t, err)
	if busy.lookups != 3 || m.PasswordHash != hash {
		t.Errorf("after %d lookups the new password is undone", busy.lookups)
	}
}

func TestASignInDuringAChangeOfPasswordLeavesNoSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	raised, err := account.NewPasswords(account.PasswordOptions{Costs: account.Argon2{Memory: 16, Passes: 2, Threads: 1}})
	must(t, err)
	hash, err := raised.Hash(ctx, "quite another one")
	must(t, err)
	busy := &meanwhile{Store: h.store, at: 2, hash: hash}
	s, err := account.NewSessions(busy, account.SessionOptions{Secrets: []toll.Secret{accounttest.Secret}, Passwords: raised, Clock: h.clock.now})
	must(t, err)
	_, _, err = s.SignIn(ctx, h.owner.Email, h.password, home, "")
	wantCode(t, err, toll.Unauthorized)
	sessions, err := h.store.SessionsOf(ctx, toll.KindMember, h.owner.ID)
	must(t, err)
	for _, session := range sessions {
		if session.RevokedAt.IsZero() {
			t.Errorf("the session %s began with the old password and outlives it", session.ID)
		}
	}
}
