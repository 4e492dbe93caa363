package account_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func (h *house) signIn(t *testing.T, p account.Person) (account.Token, account.Person) {
	t.Helper()
	token, p, err := h.sessions.SignIn(t.Context(), p.Email, h.password, home, "")
	must(t, err)
	return token, p
}

// inBubble runs a test on fake time: sessions read the bubble's own clock.
func inBubble(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.sessions = h.newSessions(t, account.SessionOptions{Clock: toll.SystemClock})
		test(t, h)
	})
}

func TestARevokedSessionStopsWithinASecond(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		token, p := h.signIn(t, h.owner)
		text := token.Text.Reveal()
		_, _, err := h.sessions.Authenticate(ctx, text)
		must(t, err)
		must(t, h.store.RevokeSession(ctx, p.SessionID, time.Now(), tolltest.Entry())) // by another replica
		until := time.Now().Add(time.Second)
		for {
			_, _, err = h.sessions.Authenticate(ctx, text)
			if err != nil {
				break
			}
			if !time.Now().Before(until) {
				t.Fatal("a revoked session still holds after a second")
			}
			time.Sleep(100 * time.Millisecond)
		}
		wantCode(t, err, toll.Unauthorized)
		if time.Now().After(until) {
			t.Errorf("it took until %s after the second", time.Since(until))
		}
	})
}

func TestAnotherRoleHoldsWithinASecondForATokenMadeBefore(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		token, p := h.signIn(t, h.owner)
		text := token.Text.Reveal()
		must(t, account.Can(p, account.CreateKey, h.acme.ID))
		h.store.ForceMemberRole(h.owner.ID, toll.MemberViewer)
		time.Sleep(time.Second)
		p, _, err := h.sessions.Authenticate(ctx, text)
		must(t, err)
		wantCode(t, account.Can(p, account.CreateKey, h.acme.ID), toll.Forbidden)
		h.store.RemoveMember(h.owner.ID)
		time.Sleep(time.Second)
		_, _, err = h.sessions.Authenticate(ctx, text)
		wantCode(t, err, toll.Unauthorized)
	})
}

func TestASessionInUseIsRenewedHourlyForThirtyDaysAtMost(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		ctx := t.Context()
		token, p := h.signIn(t, h.owner)
		start := time.Now()
		end := start.Add(30 * 24 * time.Hour)
		renewals := 0
		for time.Now().Before(end) {
			_, renewed, err := h.sessions.Authenticate(ctx, token.Text.Reveal())
			if err != nil {
				t.Fatalf("after %s: %v", time.Since(start), err)
			}
			if renewed != nil {
				renewals++
				token = *renewed
				if want := time.Now().Add(48 * time.Hour); token.ExpiresAt.After(want) || token.ExpiresAt.After(end) {
					t.Fatalf("renewed until %s at %s", token.ExpiresAt, time.Now())
				}
				row, err := h.store.Session(ctx, p.SessionID)
				must(t, err)
				if !row.SeenAt.Equal(time.Now().UTC().Truncate(time.Microsecond)) {
					t.Fatalf("renewed, but seen at %s", row.SeenAt)
				}
			}
			time.Sleep(20 * time.Minute)
		}
		if renewals != 30*24-1 {
			t.Errorf("renewed %d times in thirty days", renewals)
		}
		_, _, err := h.sessions.Authenticate(ctx, token.Text.Reveal())
		wantCode(t, err, toll.Unauthorized)
	})
}

func TestASessionThatIsNotUsedForTwoDaysEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		token, _ := h.signIn(t, h.owner)
		time.Sleep(48*time.Hour - time.Second)
		_, renewed, err := h.sessions.Authenticate(t.Context(), token.Text.Reveal())
		must(t, err)
		if renewed == nil {
			t.Fatal("not renewed")
		}
		time.Sleep(time.Second)
		_, _, err = h.sessions.Authenticate(t.Context(), token.Text.Reveal())
		wantCode(t, err, toll.Unauthorized)
		time.Sleep(48*time.Hour - time.Second)
		_, _, err = h.sessions.Authenticate(t.Context(), renewed.Text.Reveal())
		wantCode(t, err, toll.Unauthorized)
	})
}

func TestARowIsReadOnceASecondHoweverManyFragmentsAPageHas(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	counted := &countingStore{Store: h.store}
	s, err := account.NewSessions(counted, account.SessionOptions{
		Secrets: []toll.Secret{accounttest.Secret}, Passwords: h.passwordsOfAHouse, Clock: h.clock.now,
	})
	must(t, err)
	token, _, err := s.SignIn(t.Context(), h.owner.Email, h.password, home, "")
	must(t, err)
	for second := range 3 {
		for range 10 {
			_, _, err := s.Authenticate(t.Context(), token.Text.Reveal())
			must(t, err)
		}
		if got := counted.sessions.Load(); got != int64(second+1) {
			t.Errorf("%d reads in %d seconds", got, second+1)
		}
		h.clock.pass(time.Second)
	}
	h.clock.pass(-time.Hour) // a clock that was set back must not make a row young for ever
	_, _, err = s.Authenticate(t.Context(), token.Text.Reveal())
	wantCode(t, err, toll.Unauthorized) // issued an hour in the future
	h.clock.pass(time.Hour - 30*time.Second)
	_, _, err = s.Authenticate(t.Context(), token.Text.Reveal())
	must(t, err)
	if got := counted.sessions.Load(); got != 4 {
		t.Errorf("%d reads, want 4: a row from the future was believed", got)
	}
}

type countingStore struct {
	*accounttest.Store
	sessions atomic.Int64
}

func (s *countingStore) Session(ctx context.Context, id string) (toll.Session, error) {
	s.sessions.Add(1)
	return s.Store.Session(ctx, id)
}

func TestSigningOutHoldsAtOnceHereAndEndsOnlyThatSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	first, p := h.signIn(t, h.owner)
	second, _ := h.signIn(t, h.owner)
	_, _, err := h.sessions.Authenticate(ctx, first.Text.Reveal())
	must(t, err)
	must(t, h.sessions.SignOut(ctx, p))
	must(t, h.sessions.SignOut(ctx, p)) // a second click
	_, _, err = h.sessions.Authenticate(ctx, first.Text.Reveal())
	wantCode(t, err, toll.Unauthorized)
	_, _, err = h.sessions.Authenticate(ctx, second.Text.Reveal())
	must(t, err)
	wantCode(t, h.sessions.SignOut(ctx, account.System), toll.Unauthorized)
}

func TestAStoreThatIsAwayEndsNoSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	token, _ := h.signIn(t, h.owner)
	away := errors.New("connection refused")
	h.store.Break(away)
	_, _, err := h.sessions.Authenticate(t.Context(), token.Text.Reveal())
	if !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
	wantCode(t, err, toll.Internal)
	h.store.Break(nil)
	_, _, err = h.sessions.Authenticate(t.Context(), token.Text.Reveal())
	must(t, err)
}

func TestManySessionsAtOnceKeepApart(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	people := []account.Person{h.owner, h.rival, h.chief}
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			want := people[i%len(people)]
			token, p, err := h.sessions.SignIn(t.Context(), want.Email, h.password, home, fmt.Sprint(i))
			if err != nil {
				t.Error(err)
				return
			}
			for range 50 {
				got, _, err := h.sessions.Authenticate(t.Context(), token.Text.Reveal())
				if err != nil || got != p || got.ID != want.ID {
					t.Errorf("got %+v and %v, want %+v", got, err, p)
				}
			}
			if err := h.sessions.SignOut(t.Context(), p); err != nil {
				t.Error(err)
			}
			if _, _, err := h.sessions.Authenticate(t.Context(), token.Text.Reveal()); toll.CodeOf(err) != toll.Unauthorized {
				t.Errorf("after signing out: %v", err)
			}
		})
	}
	wg.Wait()
}

func BenchmarkAuthenticate(b *testing.B) {
	store := accounttest.NewStore()
	office, err := account.NewOffice(store, account.OfficeOptions{Plans: accounttest.ThreePlans, Mint: accounttest.Mint, Passwords: accounttest.QuickPasswords(b)})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := office.CreateOperator(b.Context(), account.System, account.NewOperator{Email: "o@example.com", Name: "O", Role: toll.OperatorAdmin, Password: "a good password"}); err != nil {
		b.Fatal(err)
	}
	s, err := account.NewSessions(store, account.SessionOptions{Secrets: []toll.Secret{accounttest.Secret}, Passwords: accounttest.QuickPasswords(b)})
	if err != nil {
		b.Fatal(err)
	}
	token, _, err := s.SignIn(b.Context(), "o@example.com", "a good password", home, "")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Authenticate(b.Context(), token.Text.Reveal()); err != nil {
			b.Fatal(err)
		}
	}
}

// ending is a store whose sessions end sooner than their tokens say.
type ending struct {
	*accounttest.Store
	at time.Time
}

func (s *ending) Session(ctx context.Context, id string) (toll.Session, error) {
	row, err := s.Store.Session(ctx, id)
	row.ExpiresAt = s.at
	return row, err
}

func TestASessionEndsWhenItsRowSaysSoWhateverTheTokenSays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s, err := account.NewSessions(&ending{h.store, h.clock.now().Add(time.Hour)}, account.SessionOptions{
		Secrets: []toll.Secret{accounttest.Secret}, Passwords: h.passwordsOfAHouse, Clock: h.clock.now,
	})
	must(t, err)
	token, _, err := s.SignIn(t.Context(), h.owner.Email, h.password, home, "")
	must(t, err)
	h.clock.pass(time.Hour - 1)
	_, _, err = s.Authenticate(t.Context(), token.Text.Reveal())
	must(t, err)
	h.clock.pass(1)
	_, _, err = s.Authenticate(t.Context(), token.Text.Reveal())
	wantCode(t, err, toll.Unauthorized)
}
