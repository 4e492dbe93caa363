package account_test

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/oidc"
	"github.com/tollhouse/tollhouse/internal/account/oidc/oidctest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

const callback = "https://console.example.com/sign-in/with/acme/callback"

// withProvider is a house with an OpenID provider that may do what change says.
func withProvider(t *testing.T, change func(*account.SignInProvider)) (*house, *oidctest.Provider) {
	t.Helper()
	h := newHouse(t)
	p := oidctest.Start(t, callback)
	p.Clock = h.clock.now
	ours, err := oidc.NewProvider(oidc.Options{
		Name: "acme", Title: "Acme", Issuer: p.Issuer(), ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret,
		RedirectURL: callback, GroupsClaim: "groups", Clock: h.clock.now,
	})
	must(t, err)
	sp := &account.SignInProvider{Provider: ours}
	if change != nil {
		change(sp)
	}
	h.sessions = h.newSessions(t, account.SessionOptions{Vault: vault(t), Providers: []*account.SignInProvider{sp}})
	return h, p
}

// visit goes to the provider as a browser does, and gives back what it brings.
func visit(t *testing.T, to string) account.Returned {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(to)
	must(t, err)
	must(t, res.Body.Close())
	u, err := url.Parse(res.Header.Get("Location"))
	must(t, err)
	if !strings.HasPrefix(u.String(), callback+"?") {
		t.Fatalf("the provider answers %s and leads to %q", res.Status, u)
	}
	q := u.Query()
	return account.Returned{State: q.Get("state"), Code: q.Get("code"), Error: q.Get("error"), Issuer: q.Get("iss")}
}

// by signs in by the provider.
func (h *house) by(t *testing.T) (account.Token, account.Person, error) {
	t.Helper()
	binding := toll.Secret(rand.Text())
	to, err := h.sessions.BeginProvider(t.Context(), "acme", binding, "/usage", home)
	must(t, err)
	token, p, next, err := h.sessions.FinishProvider(t.Context(), "acme", binding, visit(t, to), home, "Browser/1")
	if next != "/usage" {
		t.Errorf("it leads back to %q", next)
	}
	return token, p, err
}

var ann = oidctest.Somebody{Subject: "42", Email: "Ann@Example.com", Verified: true, Name: "Ann"}

func TestSomebodyWithAVerifiedAddressSignsInByAProvider(t *testing.T) {
	t.Parallel()
	h, provider := withProvider(t, nil)
	provider.SignsIn(ann, oidctest.Honest)
	token, p, err := h.by(t)
	must(t, err)
	if p.ID != h.owner.ID || p.Strong {
		t.Errorf("signed in as %+v", p)
	}
	if !h.holds(t, h.sessions, token) {
		t.Error("the session does not hold")
	}
	row, err := h.store.Session(t.Context(), p.SessionID)
	must(t, err)
	if row.Method != "oidc:acme" {
		t.Errorf("the session began by %q", row.Method)
	}
	// From now on it is the subject that counts, not the address.
	provider.SignsIn(oidctest.Somebody{Subject: "42", Email: "eve@example.com", Verified: false}, oidctest.Honest)
	_, p, err = h.by(t)
	must(t, err)
	if p.ID != h.owner.ID {
		t.Errorf("the joined identity is now %+v", p)
	}
	if provider.Redeemed() != 2 {
		t.Errorf("%d codes were redeemed", provider.Redeemed())
	}
}

func TestNobodyIsJoinedByAnAddressThatIsNotVerified(t *testing.T) {
	t.Parallel()
	h, provider := withProvider(t, nil)
	for _, verified := range []any{false, nil, "false", "yes", 1, "True "} {
		provider.SignsIn(oidctest.Somebody{Subject: "evil", Email: "ann@example.com", Verified: verified}, oidctest.Honest)
		if _, _, err := h.by(t); toll.CodeOf(err) != toll.Forbidden {
			t.Errorf("email_verified: %v: %v", verified, err)
		}
	}
	all, err := h.store.IdentitiesOf(t.Context(), toll.KindMember, h.owner.ID)
	must(t, err)
	if len(all) != 0 {
		t.Errorf("joined %v", all)
	}
	provider.SignsIn(oidctest.Somebody{Subject: "evil", Email: "ann@example.com", Verified: "true"}, oidctest.Honest)
	_, _, err = h.by(t) // the control: as a text it is verified too
	must(t, err)
}

func TestAHostileProviderSignsNobodyIn(t *testing.T) {
	t.Parallel()
	for _, how := range oidctest.Hostiles() {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			h, provider := withProvider(t, nil)
			provider.SignsIn(ann, how)
			_, _, err := h.by(t)
			want := toll.Unauthorized
			if how == oidctest.Broken || how == oidctest.Huge {
				want = toll.Unavailable
			}
			wantCode(t, err, want)
			rows, err := h.store.SessionsOf(t.Context(), toll.KindMember, h.owner.ID)
			must(t, err)
			if len(rows) != 0 {
				t.Error("there is a session")
			}
		})
	}
}

func TestAStateHoldsOnceInItsBrowserForItsProvider(t *testing.T) {
	t.Parallel()
	h, provider := withProvider(t, nil)
	provider.SignsIn(ann, oidctest.Honest)
	ctx := t.Context()
	begin := func() account.Returned {
		to, err := h.sessions.BeginProvider(ctx, "acme", "this browser", "", home)
		must(t, err)
		return visit(t, to)
	}
	back := begin()
	_, _, _, err := h.sessions.FinishProvider(ctx, "acme", "another browser", back, home, "")
	wantCode(t, err, toll.NotFound)
	back = begin()
	_, _, _, err = h.sessions.FinishProvider(ctx, "acme", "this browser", back, home, "")
	must(t, err)
	_, _, _, err = h.sessions.FinishProvider(ctx, "acme", "this browser", back, home, "")
	wantCode(t, err, toll.NotFound) // the state is used up
	used, fresh := back.Code, begin()
	fresh.Code = used
	_, _, _, err = h.sessions.FinishProvider(ctx, "acme", "this browser", fresh, home, "")
	wantCode(t, err, toll.Unauthorized) // a code that was redeemed
	one, two := begin(), begin()
	one.Code = two.Code
	_, _, _, err = h.sessions.FinishProvider(ctx, "acme", "this browser", one, home, "")
	wantCode(t, err, toll.Unauthorized) // another flow's code: the verifier does not fit
	mixed := begin()
	mixed.Issuer = "https://evil.example"
	_, _, _, err = h.sessions.FinishProvider(ctx, "acme", "this browser", mixed, home, "")
	wantCode(t, err, toll.Unauthorized)
	denied := begin()
	denied.Code, denied.Error = "", "access_denied"
	_, _, _, err = h.sessions.FinishProvider(ctx, "acme", "this browser", denied, home, "")
	wantCode(t, err, toll.Unauthorized)
	late := begin()
	h.clock.pass(10 * time.Minute)
	_, _, _, err = h.sessions.FinishProvider(ctx, "acme", "this browser", late, home, "")
	wantCode(t, err, toll.NotFound)
	_, _, _, err = h.sessions.FinishProvider(ctx, "other", "this browser", begin(), home, "")
	wantCode(t, err, toll.NotFound)
	for _, state := range []string{"", "x", strings.Repeat("x", 10_000)} {
		_, _, _, err = h.sessions.FinishProvider(ctx, "acme", "this browser", account.Returned{State: state, Code: "x"}, home, "")
		wantCode(t, err, toll.NotFound)
	}
}

func TestOnlyDomainsThatAreLetInSignIn(t *testing.T) {
	t.Parallel()
	h, provider := withProvider(t, func(p *account.SignInProvider) { p.Domains = []string{"example.com"} })
	for email, ok := range map[string]bool{
		"ann@example.com": true, "ANN@EXAMPLE.COM": true, "ann@example.com.evil.example": false,
		"ann@evil.example": false, `"ann@example.com"@evil.example`: false, "ann@sub.example.com": false,
	} {
		provider.SignsIn(oidctest.Somebody{Subject: "s " + email, Email: email, Verified: true}, oidctest.Honest)
		if _, _, err := h.by(t); (err == nil) != ok {
			t.Errorf("%s: %v", email, err)
		}
	}
}

func TestAProviderSignsOperatorsInOnlyWhereItSaysSo(t *testing.T) {
	t.Parallel()
	olga := oidctest.Somebody{Subject: "7", Email: "olga@example.com", Verified: true, Name: "Olga", Groups: []string{"staff"}}
	newcomer := oidctest.Somebody{Subject: "8", Email: "new@example.com", Verified: true, Name: "Nora", Groups: []string{"staff", "tollhouse"}}

	h, provider := withProvider(t, nil)
	provider.SignsIn(olga, oidctest.Honest)
	_, _, err := h.by(t)
	wantCode(t, err, toll.Forbidden)
	provider.SignsIn(newcomer, oidctest.Honest)
	_, _, err = h.by(t)
	wantCode(t, err, toll.Forbidden)

	h, provider = withProvider(t, func(p *account.SignInProvider) { p.Operators, p.Strong = true, true })
	provider.SignsIn(olga, oidctest.Honest)
	_, p, err := h.by(t)
	must(t, err)
	if p.ID != h.chief.ID || !p.Strong {
		t.Errorf("signed in as %+v", p)
	}
	provider.SignsIn(newcomer, oidctest.Honest)
	_, _, err = h.by(t)
	wantCode(t, err, toll.Forbidden) // no group makes operators

	h, provider = withProvider(t, func(p *account.SignInProvider) {
		p.Operators, p.Group, p.Role = true, "tollhouse", toll.OperatorSupport
	})
	provider.SignsIn(olga, oidctest.Honest)
	_, _, err = h.by(t)
	wantCode(t, err, toll.Forbidden) // not in the group
	provider.SignsIn(newcomer, oidctest.Honest)
	_, p, err = h.by(t)
	must(t, err)
	if p.Kind != toll.KindOperator || p.Role != string(toll.OperatorSupport) || p.Name != "Nora" {
		t.Errorf("made %+v", p)
	}
	newcomer.Groups = []string{"staff"}
	provider.SignsIn(newcomer, oidctest.Honest)
	_, _, err = h.by(t)
	wantCode(t, err, toll.Forbidden) // has left the group
}

func TestAProviderDoesNotStandInForAnAuthenticatorApp(t *testing.T) {
	t.Parallel()
	h, provider := withProvider(t, nil)
	_, p := h.signIn(t, h.owner)
	a, _ := h.setUp(t, p)
	h.clock.pass(time.Minute)
	provider.SignsIn(ann, oidctest.Honest)
	_, _, err := h.by(t)
	var needed *account.CodeNeeded
	if !errors.As(err, &needed) {
		t.Fatalf("got %v, want that a code is needed", err)
	}
	all, err := h.store.IdentitiesOf(t.Context(), toll.KindMember, h.owner.ID)
	must(t, err)
	if len(all) != 0 {
		t.Error("the identity is joined before the code")
	}
	_, p, err = h.sessions.FinishSignIn(t.Context(), needed.Step, a.code(0), home, "")
	must(t, err)
	all, err = h.store.IdentitiesOf(t.Context(), toll.KindMember, h.owner.ID)
	must(t, err)
	if len(all) != 1 || !p.Strong {
		t.Errorf("joined %v as %+v", all, p)
	}
}

func TestAProviderThatIsAwayIsAskedAgainLater(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	away, err := oidc.NewProvider(oidc.Options{Name: "acme", Title: "Acme", Issuer: "http://127.0.0.1:1", ClientID: "x", RedirectURL: callback, Clock: h.clock.now})
	must(t, err)
	s := h.newSessions(t, account.SessionOptions{Vault: vault(t), Providers: []*account.SignInProvider{{Provider: away}}})
	for range 2 {
		_, err = s.BeginProvider(t.Context(), "acme", "b", "", home)
		wantCode(t, err, toll.Unavailable)
		h.clock.pass(11 * time.Second)
	}
}
