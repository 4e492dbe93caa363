package app_test

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tollhouse/tollhouse/examples/daybook/app"
	"github.com/tollhouse/tollhouse/hx"
)

// token returns the browser's session cookie.
func (h *house) token(t *testing.T, b *browser) string {
	t.Helper()
	at, err := url.Parse(h.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(at) {
		if c.Name == "daybook_session" {
			return c.Value
		}
	}
	return ""
}

func TestRenewsASessionHourlyAndEndsItAfterTwoDays(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	b := h.browser(t)
	b.signUp("Ada")
	first := h.token(t, b)

	h.clock.pass(59 * time.Minute)
	b.follow("History")
	if h.token(t, b) != first {
		t.Error("the token was renewed within the hour")
	}
	h.clock.pass(time.Minute)
	b.follow("History")
	second := h.token(t, b)
	if second == first {
		t.Error("the token was not renewed after an hour")
	}
	for range 3 {
		h.clock.pass(47 * time.Hour)
		b.follow("Today")
		b.isAt(h.url + "/")
	}
	h.clock.pass(48*time.Hour + time.Second)
	b.follow("Today")
	b.isAt(h.url + "/sign-in")
}

func TestRefusesForgedTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	b := h.browser(t)
	b.signUp("Ada")
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(h.token(t, b), &claims); err != nil {
		t.Fatal(err)
	}
	sign := func(method jwt.SigningMethod, c jwt.RegisteredClaims, key any) string {
		text, err := jwt.NewWithClaims(method, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	unlimited := claims
	unlimited.ExpiresAt = nil
	parts := strings.Split(h.token(t, b), ".")
	other := strings.Replace(mustDecode(t, parts[1]), claims.Subject, "SOMEBODYELSE", 1)
	for name, token := range map[string]string{
		"none":         sign(jwt.SigningMethodNone, claims, jwt.UnsafeAllowNoneSignatureType),
		"own key":      sign(jwt.SigningMethodHS256, claims, []byte("0123456789abcdef0123456789abcdef")),
		"empty key":    sign(jwt.SigningMethodHS256, claims, []byte{}),
		"changed":      parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(other)) + "." + parts[2],
		"cut":          parts[0] + "." + parts[1],
		"no signature": parts[0] + "." + parts[1] + ".",
		"nothing":      "",
		"not a token":  "x",
	} {
		request := httptest.NewRequest(http.MethodGet, "/history", nil)
		request.AddCookie(&http.Cookie{Name: "daybook_session", Value: token})
		recorder := httptest.NewRecorder()
		h.app.Handler().ServeHTTP(recorder, request)
		if recorder.Code != http.StatusSeeOther || !strings.HasPrefix(recorder.Header().Get("Location"), "/sign-in?next=") {
			t.Errorf("%s: got %d", name, recorder.Code)
		}
	}
}

func TestRefusesTokensOfTheSameKeyThatAreNoSessions(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef0123456789abcdef")
	clock := newClock()
	a, err := app.New(app.Options{DataDir: t.TempDir(), Clock: clock.Now, AuthTokenKey: key, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	now := clock.Now()
	for name, c := range map[string]jwt.RegisteredClaims{
		"other issuer":   {Issuer: "console", Subject: "x", IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour))},
		"no expiry":      {Issuer: "daybook", Subject: "x", IssuedAt: jwt.NewNumericDate(now)},
		"no user":        {Issuer: "daybook", IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour))},
		"user is gone":   {Issuer: "daybook", Subject: "x", IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour))},
		"of the future":  {Issuer: "daybook", Subject: "x", IssuedAt: jwt.NewNumericDate(now.Add(time.Hour)), ExpiresAt: jwt.NewNumericDate(now.Add(2 * time.Hour))},
		"expired before": {Issuer: "daybook", Subject: "x", IssuedAt: jwt.NewNumericDate(now.Add(-time.Hour)), ExpiresAt: jwt.NewNumericDate(now.Add(-time.Second))},
	} {
		if code := visit(t, a, jwt.SigningMethodHS256, c, key); code != http.StatusSeeOther {
			t.Errorf("%s: got %d", name, code)
		}
	}
	// A real session of a real user, signed by another method than ours.
	created := signUp(a)
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(sessionOf(created).Value, &claims); err != nil {
		t.Fatal(err)
	}
	if code := visit(t, a, jwt.SigningMethodHS512, claims, key); code != http.StatusSeeOther {
		t.Errorf("another method: got %d", code)
	}
	if code := visit(t, a, jwt.SigningMethodHS256, claims, key); code != http.StatusOK {
		t.Errorf("the session itself: got %d", code)
	}
}

// visit opens today's page with a token made of these claims.
func visit(t *testing.T, a *app.App, method jwt.SigningMethod, c jwt.RegisteredClaims, key []byte) int {
	t.Helper()
	text, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.AddCookie(&http.Cookie{Name: "daybook_session", Value: text})
	recorder := httptest.NewRecorder()
	a.Handler().ServeHTTP(recorder, request)
	return recorder.Code
}

func TestNamesAndScopesItsCookieByHowItIsReached(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		prefix, proto string
		name, path    string
		secure        bool
	}{
		{"", "", "daybook_session", "/", false},
		{"/daybook", "", "daybook_session", "/daybook", false},
		{"", "https", "__Host-daybook_session", "/", true},
		{"/daybook", "https", "__Secure-daybook_session", "/daybook", true},
		{"/x;Path=/", "http", "daybook_session", "/", false},
	} {
		h := newHouse(t, "")
		recorder := signUp(h.app, "X-Forwarded-Prefix", c.prefix, "X-Forwarded-Proto", c.proto)
		got := sessionOf(recorder)
		if recorder.Code != http.StatusSeeOther || got.Name != c.name || got.Path != c.path || got.Secure != c.secure || !got.HttpOnly || got.SameSite != http.SameSiteLaxMode || got.MaxAge != 48*3600 || got.Domain != "" {
			t.Errorf("%+v: got %d, %s", c, recorder.Code, got)
		}
		if want := strings.TrimSuffix(c.path, "/") + "/"; recorder.Header().Get("Location") != want {
			t.Errorf("%+v: it redirects to %q", c, recorder.Header().Get("Location"))
		}
	}
}

func TestBelievesTheHostThatTheGatewayNames(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	for origin, want := range map[string]int{"http://daybook.localhost:8080": http.StatusUnprocessableEntity, "http://evil.example": http.StatusForbidden} {
		request := httptest.NewRequest(http.MethodPost, "/sign-in", strings.NewReader("email=a&password=b"))
		request.Host = "127.0.0.1:9003"
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("X-Forwarded-Host", "daybook.localhost:8080")
		request.Header.Set("Origin", origin)
		recorder := httptest.NewRecorder()
		h.app.Handler().ServeHTTP(recorder, request)
		if recorder.Code != want {
			t.Errorf("%s: got %d, want %d", origin, recorder.Code, want)
		}
	}
}

func TestKeepsUsersNotesAndSessionsOverARestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a folder?with#odd%20 signs")
	clock := newClock()
	var session *http.Cookie
	for start := range 2 {
		a, err := app.New(app.Options{DataDir: dir, Clock: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		if start == 0 {
			recorder := signUp(a)
			session = sessionOf(recorder)
			post(a, "/", url.Values{"date": {"2026-11-20"}, "version": {"0"}, "note": {"kept"}}, session)
		} else {
			request := httptest.NewRequest(http.MethodGet, "/history", nil)
			request.AddCookie(session)
			recorder := httptest.NewRecorder()
			a.Handler().ServeHTTP(recorder, request)
			if recorder.Code != http.StatusOK || !strings.Contains(recorder.Body.String(), "kept") {
				t.Errorf("after a restart: %d", recorder.Code)
			}
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"daybook.sqlite", "auth-token-key.txt"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

// token is the hidden field of the sign-up form.
var token = regexp.MustCompile(`name="hx-once" value="([^"]+)"`)

// signUp sends the form as its page has it.
func signUp(a *app.App, headers ...string) *httptest.ResponseRecorder {
	page := httptest.NewRecorder()
	a.Handler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/sign-up", nil))
	form := url.Values{"name": {"Ada"}, "email": {"ada@example.com"}, "password": {"a quiet Ada morning"}, hx.OnceField: {token.FindStringSubmatch(page.Body.String())[1]}}
	request := httptest.NewRequest(http.MethodPost, "/sign-up", strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	a.Handler().ServeHTTP(recorder, request)
	return recorder
}

// sessionOf is the session's cookie among those of an answer.
func sessionOf(recorder *httptest.ResponseRecorder) *http.Cookie {
	for _, c := range recorder.Result().Cookies() {
		if strings.HasSuffix(c.Name, "daybook_session") {
			return c
		}
	}
	return &http.Cookie{Name: "none"}
}

func post(a *app.App, path string, form url.Values, session *http.Cookie) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if session != nil {
		request.AddCookie(session)
	}
	recorder := httptest.NewRecorder()
	a.Handler().ServeHTTP(recorder, request)
	return recorder
}

func TestSaysWhatIsWrongWithItsDataAtTheStart(t *testing.T) {
	t.Parallel()
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "daybook.sqlite"), []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	badKey := t.TempDir()
	if err := os.WriteFile(filepath.Join(badKey, "auth-token-key.txt"), []byte("!!"), 0o600); err != nil {
		t.Fatal(err)
	}
	occupied := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(occupied, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]app.Options{
		"put a backup in its place": {DataDir: damaged},
		"remove the file":           {DataDir: badKey},
		"choose one that can":       {DataDir: occupied},
		"no data directory":         {},
		"openssl rand -base64 32":   {DataDir: t.TempDir(), AuthTokenKey: []byte("short")},
	} {
		a, err := app.New(o)
		if err == nil {
			_ = a.Close()
			t.Errorf("%s: the app started", want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestTellsWhetherItIsHealthy(t *testing.T) {
	t.Parallel()
	a, err := app.New(app.Options{DataDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{http.StatusOK, http.StatusServiceUnavailable} {
		recorder := httptest.NewRecorder()
		a.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		if recorder.Code != want {
			t.Errorf("got %d %s, want %d", recorder.Code, recorder.Body, want)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func mustDecode(t *testing.T, text string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
