package account_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// kid reads which key a token names.
func kid(t *testing.T, token account.Token) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token.Text.Reveal(), jwt.MapClaims{})
	must(t, err)
	id, _ := parsed.Header["kid"].(string)
	return id
}

func (h *house) holds(t *testing.T, s *account.Sessions, token account.Token) bool {
	t.Helper()
	_, _, err := s.Authenticate(t.Context(), token.Text.Reveal())
	if err != nil && toll.CodeOf(err) != toll.Unauthorized {
		t.Fatal(err)
	}
	return err == nil
}

func TestTheKeyOfSessionsIsReplacedByItselfWithAnOverlap(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	here := h.newSessions(t, account.SessionOptions{Vault: vault(t), RotateKey: 24 * time.Hour})
	there := h.newSessions(t, account.SessionOptions{Vault: vault(t), RotateKey: 24 * time.Hour})
	h.sessions = here
	first, _ := h.signIn(t, h.owner)
	if !h.holds(t, there, first) {
		t.Fatal("another replica does not know the key")
	}
	h.clock.pass(24 * time.Hour)
	second, _ := h.signIn(t, h.owner)
	if kid(t, first) == kid(t, second) {
		t.Error("after its time the key is the same")
	}
	if !h.holds(t, here, first) || !h.holds(t, there, first) || !h.holds(t, there, second) {
		t.Error("the overlap does not hold")
	}
	h.clock.pass(24 * time.Hour)
	third, _ := h.signIn(t, h.owner)
	if h.holds(t, here, first) {
		t.Error("a token outlives its 48 hours")
	}
	if kid(t, third) == kid(t, second) || !h.holds(t, there, third) {
		t.Error("the third key is not there")
	}
	keys, err := h.store.SessionKeys(t.Context())
	must(t, err)
	for _, k := range keys {
		if strings.Contains(string(k.Sealed), string(accounttest.Secret)) {
			t.Error("a key is kept as it is")
		}
	}
}

func TestAnOldKeyEndsThoughItsTokensSayOtherwise(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	long := h.newSessions(t, account.SessionOptions{Vault: vault(t), TokenLife: 20 * 24 * time.Hour})
	token, _, err := long.SignIn(ctx, h.owner.Email, h.password, home, "")
	must(t, err)
	short := h.newSessions(t, account.SessionOptions{Vault: vault(t), TokenLife: 2 * time.Hour})
	_, err = short.RotateKey(ctx, false)
	must(t, err)
	if !h.holds(t, short, token) {
		t.Error("the overlap does not hold")
	}
	h.clock.pass(2*time.Hour + time.Minute)
	if h.holds(t, short, token) {
		t.Error("the key of before still verifies after its overlap")
	}
}

func TestRotatingWithEndLetsNoTokenOfBeforeIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	here := h.newSessions(t, account.SessionOptions{Vault: vault(t)})
	there := h.newSessions(t, account.SessionOptions{Vault: vault(t)})
	h.sessions = here
	before, _ := h.signIn(t, h.owner)
	if !h.holds(t, there, before) {
		t.Fatal("it never held")
	}
	done, err := here.RotateKey(ctx, true)
	must(t, err)
	if done.Ended != 1 || done.Overlap != 0 {
		t.Errorf("rotating says %+v", done)
	}
	if h.holds(t, here, before) {
		t.Error("it still holds here")
	}
	h.clock.pass(time.Second)
	if h.holds(t, there, before) {
		t.Error("it still holds on the other replica after a second")
	}
	after, _ := h.signIn(t, h.owner)
	if !h.holds(t, there, after) {
		t.Error("the new key is not known there")
	}
	if _, err := h.newSessions(t, account.SessionOptions{}).RotateKey(ctx, false); toll.CodeOf(err) != toll.Unavailable {
		t.Errorf("fixed keys: %v", err)
	}
}

func TestTokensOfBeforeThereWereKeysInTheStoreGoOn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	before, _ := h.signIn(t, h.owner) // signed with the secret itself
	h.sessions = h.newSessions(t, account.SessionOptions{Vault: vault(t)})
	if !h.holds(t, h.sessions, before) {
		t.Error("an upgrade signs everybody out")
	}
	after, _ := h.signIn(t, h.owner)
	if kid(t, after) == kid(t, before) {
		t.Error("new tokens are signed with the secret itself")
	}
	h.clock.pass(48*time.Hour + 2*time.Minute)
	forged := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"aud": "tollhouse-session", "iat": h.clock.now().Unix(), "exp": h.clock.now().Add(time.Hour).Unix(), "sid": "ses_x",
	})
	forged.Header["kid"] = kid(t, before)
	text, err := forged.SignedString([]byte(accounttest.Secret))
	must(t, err)
	if _, _, err := h.sessions.Authenticate(t.Context(), text); toll.CodeOf(err) != toll.Unauthorized {
		t.Errorf("the secret still signs after the overlap: %v", err)
	}
}

func TestAHeaderThatAsksForMoreIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	good, p := h.signIn(t, h.owner)
	for name, header := range map[string]map[string]any{
		"crit":       {"crit": []string{"b64"}, "b64": false},
		"empty crit": {"crit": []string{}},
	} {
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"aud": "tollhouse-session", "iat": h.clock.now().Unix(), "exp": h.clock.now().Add(time.Hour).Unix(), "sid": p.SessionID,
		})
		token.Header["kid"] = kid(t, good)
		text, err := token.SignedString([]byte(accounttest.Secret))
		must(t, err)
		_, _, err = h.sessions.Authenticate(t.Context(), text)
		must(t, err) // the control: without the header it holds
		for k, v := range header {
			token.Header[k] = v
		}
		text, err = token.SignedString([]byte(accounttest.Secret))
		must(t, err)
		_, _, err = h.sessions.Authenticate(t.Context(), text)
		if toll.CodeOf(err) != toll.Unauthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, id := range []string{"../../etc/passwd", "' or 1=1 --", "", strings.Repeat("k", 500), "\x00"} {
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"aud": "tollhouse-session", "iat": h.clock.now().Unix(), "exp": h.clock.now().Add(time.Hour).Unix(), "sid": p.SessionID,
		})
		token.Header["kid"] = id
		token.Header["jwk"] = map[string]string{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString([]byte("mine"))}
		token.Header["jku"] = "https://evil.example/keys"
		text, err := token.SignedString([]byte("mine"))
		must(t, err)
		if _, _, err := h.sessions.Authenticate(t.Context(), text); toll.CodeOf(err) != toll.Unauthorized {
			t.Errorf("kid %q: %v", id, err)
		}
	}
}
