package account_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// app is an authenticator app, written from RFC 6238 apart from the office's own.
type app struct {
	key []byte
	h   *house
}

func (a app) code(steps int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(a.h.clock.now().Unix()/30+steps))
	mac := hmac.New(sha1.New, a.key)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	o := sum[19] & 15
	n := (uint32(sum[o])&127)<<24 | uint32(sum[o+1])<<16 | uint32(sum[o+2])<<8 | uint32(sum[o+3])
	return fmt.Sprintf("%06d", n%1_000_000)
}

func vault(t *testing.T) *account.Vault {
	t.Helper()
	v, err := account.NewVault(accounttest.Secret)
	must(t, err)
	return v
}

// withApp is a house whose owner has an authenticator app and recovery codes.
func withApp(t *testing.T) (*house, app, []string) {
	t.Helper()
	h := newHouse(t)
	h.sessions = h.newSessions(t, account.SessionOptions{Vault: vault(t)})
	_, p := h.signIn(t, h.owner)
	a, codes := h.setUp(t, p)
	h.clock.pass(time.Minute)
	return h, a, codes
}

func (h *house) setUp(t *testing.T, p account.Person) (app, []string) {
	t.Helper()
	begun, err := h.sessions.BeginTOTP(t.Context(), p, h.password, "Tollhouse")
	must(t, err)
	u, err := url.Parse(begun.URI)
	must(t, err)
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(u.Query().Get("secret"))
	must(t, err)
	if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Tollhouse:"+p.Email || u.Query().Get("issuer") != "Tollhouse" || len(key) != 20 || u.Query().Get("secret") != begun.Key {
		t.Errorf("the URI is %s", begun.URI)
	}
	a := app{key, h}
	codes, err := h.sessions.ConfirmTOTP(t.Context(), p, begun.Step, a.code(0))
	must(t, err)
	return a, codes
}

// half gives the right password and returns the second step.
func (h *house) half(t *testing.T) toll.Secret {
	t.Helper()
	_, _, err := h.sessions.SignIn(t.Context(), h.owner.Email, h.password, home, "")
	var needed *account.CodeNeeded
	if !errors.As(err, &needed) {
		t.Fatalf("got %v, want that a code is needed", err)
	}
	return needed.Step
}

func TestASignInWithAnAuthenticatorAppTakesBothSteps(t *testing.T) {
	t.Parallel()
	h, a, _ := withApp(t)
	ctx := t.Context()
	step := h.half(t)
	if _, _, err := h.sessions.Authenticate(ctx, step.Reveal()); toll.CodeOf(err) != toll.Unauthorized {
		t.Errorf("the first step alone is a session: %v", err)
	}
	_, _, err := h.sessions.FinishSignIn(ctx, step, "000000", home, "")
	wantField(t, err, "code")
	code := a.code(0)
	token, p, err := h.sessions.FinishSignIn(ctx, step, code[:3]+" "+code[3:], home, "Browser/1")
	must(t, err)
	if !p.Strong || p.ID != h.owner.ID {
		t.Errorf("the person is %+v", p)
	}
	again, _, err := h.sessions.Authenticate(ctx, token.Text.Reveal())
	must(t, err)
	if again != p {
		t.Errorf("authenticated as %+v, want %+v", again, p)
	}
	_, _, err = h.sessions.FinishSignIn(ctx, step, a.code(1), home, "")
	wantCode(t, err, toll.NotFound) // the step was done
}

func TestACodeIsTakenOnceAndOnlyInItsMinuteAndAHalf(t *testing.T) {
	t.Parallel()
	h, a, _ := withApp(t)
	ctx := t.Context()
	h.sessions = h.newSessions(t, account.SessionOptions{Vault: vault(t), PerEmail: account.Pace{Burst: 1000, Every: time.Minute}, PerPair: account.Pace{Burst: 1000, Every: time.Minute}})
	used := a.code(0)
	_, _, err := h.sessions.FinishSignIn(ctx, h.half(t), used, home, "")
	must(t, err)
	_, _, err = h.sessions.FinishSignIn(ctx, h.half(t), used, home, "")
	wantField(t, err, "code") // read over the shoulder
	h.clock.pass(90 * time.Second)
	for steps, ok := range map[int64]bool{-3: false, -2: false, 2: false, 3: false} {
		if _, _, err := h.sessions.FinishSignIn(ctx, h.half(t), a.code(steps), home, ""); (err == nil) != ok {
			t.Errorf("a code of %d steps off: %v", steps, err)
		}
	}
	for _, steps := range []int64{-1, 0, 1} { // each later than the one before
		if _, _, err := h.sessions.FinishSignIn(ctx, h.half(t), a.code(steps), home, ""); err != nil {
			t.Errorf("a code of %d steps off: %v", steps, err)
		}
	}
	_, _, err = h.sessions.FinishSignIn(ctx, h.half(t), a.code(0), home, "")
	wantField(t, err, "code") // an earlier one than the last
}

func TestOneOfManyWhoSendACodeAtOnceSignsIn(t *testing.T) {
	t.Parallel()
	h, a, _ := withApp(t)
	h.sessions = h.newSessions(t, account.SessionOptions{Vault: vault(t), PerEmail: account.Pace{Burst: 1000, Every: time.Minute}, PerPair: account.Pace{Burst: 1000, Every: time.Minute}})
	step, code := h.half(t), a.code(0)
	var mu sync.Mutex
	in := 0
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, _, err := h.sessions.FinishSignIn(t.Context(), step, code, home, ""); err == nil {
				mu.Lock()
				in++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if in != 1 {
		t.Errorf("%d of 50 signed in with one code, want 1", in)
	}
}

func TestARecoveryCodeSignsInOnce(t *testing.T) {
	t.Parallel()
	h, _, codes := withApp(t)
	ctx := t.Context()
	if len(codes) != 10 || len(codes[0]) != 29 {
		t.Fatalf("the codes are %q", codes)
	}
	_, p, err := h.sessions.FinishSignIn(ctx, h.half(t), strings.ToUpper(strings.ReplaceAll(codes[3], "-", " ")), home, "")
	must(t, err)
	_, _, err = h.sessions.FinishSignIn(ctx, h.half(t), codes[3], home, "")
	wantField(t, err, "code")
	in, err := h.sessions.SignInsOf(ctx, p)
	must(t, err)
	if in.CodesLeft != 9 || !in.TOTP || !in.Password {
		t.Errorf("how the person signs in: %+v", in)
	}
	renewed, err := h.sessions.RenewRecoveryCodes(ctx, p, h.password)
	must(t, err)
	_, _, err = h.sessions.FinishSignIn(ctx, h.half(t), codes[4], home, "")
	wantField(t, err, "code") // of the old ones
	_, _, err = h.sessions.FinishSignIn(ctx, h.half(t), renewed[0], home, "")
	must(t, err)
}

func TestFiveWrongCodesAskForThePasswordAgain(t *testing.T) {
	t.Parallel()
	h, a, _ := withApp(t)
	ctx := t.Context()
	step := h.half(t)
	for range 5 {
		_, _, err := h.sessions.FinishSignIn(ctx, step, "000000", home, "")
		wantField(t, err, "code")
	}
	_, _, err := h.sessions.FinishSignIn(ctx, step, a.code(0), home, "")
	wantCode(t, err, toll.NotFound)
}

func TestWrongCodesLockAnAccountAndALockedOneDoesNotTellWhetherThePasswordWasRight(t *testing.T) {
	t.Parallel()
	h, a, _ := withApp(t)
	ctx := t.Context()
	var locked *account.TooManyAttempts
	for range 20 {
		var needed *account.CodeNeeded
		_, _, err := h.sessions.SignIn(ctx, h.owner.Email, h.password, home, "")
		if errors.As(err, &locked) {
			break
		}
		if !errors.As(err, &needed) {
			t.Fatal(err)
		}
		_, _, err = h.sessions.FinishSignIn(ctx, needed.Step, "000000", home, "")
		if errors.As(err, &locked) {
			break
		}
	}
	if locked == nil {
		t.Fatal("nothing locks the account")
	}
	_, _, right := h.sessions.SignIn(ctx, h.owner.Email, h.password, home, "")
	_, _, wrong := h.sessions.SignIn(ctx, h.owner.Email, "not the password", home, "")
	if !errors.As(right, &locked) || wrong == nil || right.Error() != wrong.Error() {
		t.Errorf("the right password gives %v, a wrong one %v", right, wrong)
	}
	h.clock.pass(time.Hour)
	_, _, err := h.sessions.FinishSignIn(ctx, h.half(t), a.code(0), home, "")
	must(t, err)
}

func TestASecondStepEndsWithTimeAndWithThePassword(t *testing.T) {
	t.Parallel()
	h, a, _ := withApp(t)
	ctx := t.Context()
	step := h.half(t)
	h.clock.pass(10 * time.Minute)
	_, _, err := h.sessions.FinishSignIn(ctx, step, a.code(0), home, "")
	wantCode(t, err, toll.NotFound)
	step = h.half(t)
	hash, err := h.passwordsOfAHouse.Hash(ctx, "quite another one")
	must(t, err)
	must(t, h.store.SetMemberPassword(ctx, h.owner.ID, hash, tolltest.Entry()))
	_, _, err = h.sessions.FinishSignIn(ctx, step, a.code(0), home, "")
	wantCode(t, err, toll.NotFound)
	_, _, err = h.sessions.FinishSignIn(ctx, "no such step", a.code(0), home, "")
	wantCode(t, err, toll.NotFound)
}

func TestAnAuthenticatorAppIsOnOnlyAfterItsFirstCode(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.sessions = h.newSessions(t, account.SessionOptions{Vault: vault(t)})
	ctx := t.Context()
	_, p := h.signIn(t, h.owner)
	_, err := h.sessions.BeginTOTP(ctx, p, "not the password", "Tollhouse")
	wantField(t, err, "current")
	begun, err := h.sessions.BeginTOTP(ctx, p, h.password, "Tollhouse")
	must(t, err)
	_, err = h.sessions.ConfirmTOTP(ctx, p, begun.Step, "123456")
	wantField(t, err, "code")
	h.signIn(t, h.owner) // no code is asked for yet
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(begun.Key)
	must(t, err)
	a := app{key, h}
	_, rival := h.signIn(t, h.rival)
	_, err = h.sessions.ConfirmTOTP(ctx, rival, begun.Step, a.code(0))
	wantCode(t, err, toll.NotFound) // another person's step, which is gone with that
	_, err = h.sessions.ConfirmTOTP(ctx, p, begun.Step, a.code(0))
	wantCode(t, err, toll.NotFound)
	h.setUp(t, p)
	row, err := h.store.Session(ctx, p.SessionID)
	must(t, err)
	if !row.Strong {
		t.Error("the session that proved both is not strong")
	}
	kept, err := h.store.TOTP(ctx, p.ID)
	must(t, err)
	if strings.Contains(string(kept.Sealed), begun.Key) || len(kept.Sealed) < 40 {
		t.Error("the key is not sealed")
	}
	h.clock.pass(time.Minute)
	h.half(t)
	must(t, h.sessions.RemoveTOTP(ctx, p, h.password))
	must(t, h.sessions.RemoveTOTP(ctx, p, h.password)) // a second click
	h.signIn(t, h.owner)
}

func TestAKeyThatAnotherSecretSealedStopsNobodyWithARecoveryCode(t *testing.T) {
	t.Parallel()
	h, a, codes := withApp(t)
	ctx := t.Context()
	const next = toll.Secret("another secret for tests, of thirty-two bytes")
	lost, err := account.NewVault(next)
	must(t, err)
	kept, err := account.NewVault(next, accounttest.Secret)
	must(t, err)
	h.sessions = h.newSessions(t, account.SessionOptions{Secrets: []toll.Secret{next}, Vault: lost})
	step := h.half(t)
	_, _, err = h.sessions.FinishSignIn(ctx, step, a.code(0), home, "")
	wantCode(t, err, toll.Unavailable)
	_, _, err = h.sessions.FinishSignIn(ctx, h.half(t), codes[0], home, "")
	must(t, err)
	h.sessions = h.newSessions(t, account.SessionOptions{Secrets: []toll.Secret{next}, Vault: kept})
	_, _, err = h.sessions.FinishSignIn(ctx, h.half(t), a.code(0), home, "")
	must(t, err)
}
