package app_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/examples/daybook/app"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

// TestTwoProcessesKeepOneDaybookInPostgreSQL is what stands behind a balancer,
// and what a deployment does: the new release starts beside the old one.
func TestTwoProcessesKeepOneDaybookInPostgreSQL(t *testing.T) {
	t.Parallel()
	at, clock := pgserver.Database(t), newClock()
	start := func() *app.App {
		a, err := app.New(app.Options{DatabaseURL: at, Clock: clock.Now, AuthTokenKey: bytes.Repeat([]byte("k"), 32), Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
		return a
	}
	old, next := start(), start()
	session := sessionOf(signUp(old))
	if w := post(next, "/", url.Values{"date": {"2026-11-20"}, "version": {"0"}, "note": {"kept\x00 and \xff"}}, session); w.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := post(old, "/", url.Values{"date": {"2026-11-20"}, "version": {"0"}, "note": {"from the old one"}}, session); w.Code != http.StatusConflict {
		t.Errorf("saved over the other: %d", w.Code)
	}
	for _, a := range []*app.App{old, next} {
		r := httptest.NewRequest(http.MethodGet, "/history", nil)
		r.AddCookie(session)
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "kept\uFFFD and \uFFFD") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if w := signUp(next); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "already") {
		t.Errorf("the same person twice: %d", w.Code)
	}
}

func TestNeedsAKeyThatAllProcessesShare(t *testing.T) {
	t.Parallel()
	a, err := app.New(app.Options{DatabaseURL: "postgres://nobody@127.0.0.1:1/nothing"})
	if err == nil {
		_ = a.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "AUTH_TOKEN_KEY") {
		t.Errorf("got %v", err)
	}
}
