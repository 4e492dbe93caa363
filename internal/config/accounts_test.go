package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestReadsHowPeopleSignIn(t *testing.T) {
	t.Parallel()
	c := mustParse(t, `accounts:
  operators: { second_factor: required }
  oidc:
    - name: acme
      title: Acme SSO
      issuer: https://id.acme.example/realms/a
      client_id: tollhouse
      client_secret: a-secret-that-was-given
      domains: [Acme.example]
      second_factor: true
      operators: { allow: true, group: ops, role: support }
    - { name: local, issuer: "http://localhost:8081", client_id: x }
`)
	want := Accounts{TwoFactors: true, OIDC: []OpenID{
		{Name: "acme", Title: "Acme SSO", Issuer: "https://id.acme.example/realms/a", ClientID: "tollhouse", ClientSecret: "a-secret-that-was-given", Domains: []string{"acme.example"},
			Strong: true, Operators: true, Claim: "groups", Group: "ops", Role: toll.OperatorSupport},
		{Name: "local", Title: "local", Issuer: "http://localhost:8081", ClientID: "x", Claim: "groups", Role: toll.OperatorViewer},
	}}
	if !reflect.DeepEqual(c.Accounts, want) {
		t.Errorf("got %+v\nwant %+v", c.Accounts, want)
	}
}

func TestRefusesWaysToSignInThatAreNotSafe(t *testing.T) {
	t.Parallel()
	for yaml, want := range map[string]string{
		`{ name: a, issuer: "http://id.example.com", client_id: x }`:                                                                          "write it with https://",
		`{ name: a, issuer: "https://id.example.com", client_id: x, operators: { group: ops } }`:                                              "without `allow: true`",
		`{ name: a, issuer: "https://id.example.com", client_id: x, operators: { allow: true, role: owner } }`:                                "owner",
		`{ name: a, issuer: "https://id.example.com" }`:                                                                                       "client_id",
		`{ name: "a b", issuer: "https://id.example.com", client_id: x }`:                                                                     "a b",
		"{ name: a, issuer: \"https://id.example.com\", client_id: x }\n    - { name: a, issuer: \"https://id2.example.com\", client_id: x }": "two providers",
	} {
		_, err := parseWith("tollhouse.yml", []byte("accounts:\n  oidc:\n    - "+yaml+"\n"), testEnvironment())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", yaml, err, want)
		}
	}
}
