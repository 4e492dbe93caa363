package oidc_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account/oidc"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// described is a provider whose description names an issuer.
func described(t *testing.T, issuer func(own string) string) *oidc.Provider {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{
			"issuer": issuer(server.URL), "authorization_endpoint": server.URL + "/authorize", "token_endpoint": server.URL + "/token", "jwks_uri": server.URL + "/keys",
		})
	}))
	t.Cleanup(server.Close)
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	p, err := oidc.NewProvider(oidc.Options{
		Name: "a", Title: "A", Issuer: server.URL, ClientID: "c", RedirectURL: "https://console.example.com/sign-in/with/a/callback", Clock: func() time.Time { return at },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestADescriptionOfAnotherIssuerIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := described(t, func(own string) string { return own }).AuthURL(t.Context(), "s", "n", oidc.NewVerifier()); err != nil {
		t.Fatalf("the control: %v", err)
	}
	for name, issuer := range map[string]func(string) string{
		"another":      func(string) string { return "https://evil.example" },
		"with a slash": func(own string) string { return own + "/" },
		"none":         func(string) string { return "" },
	} {
		if _, err := described(t, issuer).AuthURL(t.Context(), "s", "n", oidc.NewVerifier()); toll.CodeOf(err) != toll.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAProviderNeedsWhatNamesIt(t *testing.T) {
	t.Parallel()
	for _, o := range []oidc.Options{{}, {Name: "a"}, {Name: "a", Issuer: "https://id.example.com"}, {Name: "a", Issuer: "https://id.example.com", ClientID: "c"}} {
		if _, err := oidc.NewProvider(o); err == nil {
			t.Errorf("%+v makes a provider", o)
		}
	}
}
