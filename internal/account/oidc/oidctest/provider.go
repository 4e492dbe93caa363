// Package oidctest is an OpenID provider that holds its clients to the protocol
// (OpenID Connect Core 1.0, RFC 6749, RFC 7636), and can be told to break it,
// one way at a time, to show that a client notices.
package oidctest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// What the one client is registered with.
const (
	ClientID     = "tollhouse"
	ClientSecret = "a secret of the client's own, of thirty-two bytes and more"
)

// Hostile is a way to break the protocol.
type Hostile string

// The ways.
const (
	Honest        Hostile = ""
	WrongNonce    Hostile = "another nonce"
	NoNonce       Hostile = "no nonce"
	WrongAudience Hostile = "another audience"
	TwoAudiences  Hostile = "two audiences and no azp"
	WrongParty    Hostile = "another azp"
	Expired       Hostile = "expired"
	Future        Hostile = "issued in the future"
	AlgNone       Hostile = "alg none"
	AlgHMAC       Hostile = "signed with the client's secret"
	WrongIssuer   Hostile = "another issuer"
	WrongKey      Hostile = "a key that is not published"
	NoSubject     Hostile = "no subject"
	NoIDToken     Hostile = "no ID token"
	WrongAtHash   Hostile = "another at_hash"
	Huge          Hostile = "an endless answer"
	Elsewhere     Hostile = "the token endpoint redirects"
	Broken        Hostile = "500"
)

// Hostiles lists all ways but Honest.
func Hostiles() []Hostile {
	return []Hostile{WrongNonce, NoNonce, WrongAudience, TwoAudiences, WrongParty, Expired, Future, AlgNone, AlgHMAC, WrongIssuer, WrongKey, NoSubject, NoIDToken, WrongAtHash, Huge, Elsewhere, Broken}
}

// Somebody is who signs in at the provider.
type Somebody struct {
	Subject  string
	Email    string
	Verified any // true, false, "true", or what a provider may send instead
	Name     string
	Groups   []string
}

// Provider is the stand-in. Its fields may be changed between requests.
type Provider struct {
	t           testing.TB
	server      *httptest.Server
	RedirectURL string
	Clock       func() time.Time
	key, other  *ecdsa.PrivateKey

	mu      sync.Mutex
	who     Somebody
	hostile Hostile
	codes   map[string]grant
	redeems int
}

// grant is what a code stands for.
type grant struct {
	challenge, nonce, redirect string
	who                        Somebody
}

// Start starts a provider until the test ends. redirectURL is the one that is
// registered.
func Start(t testing.TB, redirectURL string) *Provider {
	t.Helper()
	p := &Provider{t: t, RedirectURL: redirectURL, Clock: time.Now, codes: map[string]grant{}}
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if p.other, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	p.server = httptest.NewServer(mux)
	t.Cleanup(p.server.Close)
	return p
}

// Issuer is the provider's name.
func (p *Provider) Issuer() string { return p.server.URL }

// SignsIn says who is signed in at the provider from now on, and how it breaks
// the protocol.
func (p *Provider) SignsIn(who Somebody, how Hostile) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.who, p.hostile = who, how
}

// Redeemed counts codes that were redeemed rightly.
func (p *Provider) Redeemed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.redeems
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever hung up does not want it
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, map[string]any{
		"issuer": p.Issuer(), "authorization_endpoint": p.Issuer() + "/authorize", "token_endpoint": p.Issuer() + "/token", "jwks_uri": p.Issuer() + "/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		// A client that believed this list would let alg none in.
		"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		"code_challenge_methods_supported":      []string{"S256"},
	})
}

func (p *Provider) keys(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}})
}

// authorize holds the request to RFC 6749 §4.1.1 and RFC 7636 §4.3, as a
// provider that signs the person in at once.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name, wrong := range map[string]bool{
		"client_id":             q.Get("client_id") != ClientID,
		"redirect_uri":          q.Get("redirect_uri") != p.RedirectURL,
		"response_type":         q.Get("response_type") != "code",
		"scope":                 !slices.Contains(strings.Fields(q.Get("scope")), "openid"),
		"state":                 len(q.Get("state")) < 20,
		"nonce":                 len(q.Get("nonce")) < 20,
		"code_challenge":        len(q.Get("code_challenge")) != 43,
		"code_challenge_method": q.Get("code_challenge_method") != "S256",
	} {
		if wrong {
			p.t.Errorf("the authorization request has a wrong %s: %q", name, q.Get(name))
			http.Error(w, "wrong "+name, http.StatusBadRequest)
			return
		}
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = grant{challenge: q.Get("code_challenge"), nonce: q.Get("nonce"), redirect: q.Get("redirect_uri"), who: p.who}
	p.mu.Unlock()
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.Issuer()}}
	http.Redirect(w, r, p.RedirectURL+"?"+back.Encode(), http.StatusFound)
}

// token holds the redemption to RFC 6749 §4.1.3 and RFC 7636 §4.6. A code is
// gone with the first try, right or wrong.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		write(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	} else {
		id, _ = url.QueryUnescape(id) // RFC 6749 §2.3.1
		secret, _ = url.QueryUnescape(secret)
	}
	if id != ClientID || secret != ClientSecret {
		write(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	code := r.PostForm.Get("code")
	g, ok := p.codes[code]
	delete(p.codes, code)
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	switch {
	case !ok, r.PostForm.Get("grant_type") != "authorization_code", r.PostForm.Get("redirect_uri") != g.redirect,
		base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge:
		write(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	switch p.hostile {
	case Broken:
		http.Error(w, "broken", http.StatusInternalServerError)
		return
	case Elsewhere:
		http.Redirect(w, r, "https://evil.example/token", http.StatusTemporaryRedirect)
		return
	case Huge:
		w.Header().Set("Content-Type", "application/json")
		for range 3 << 10 { // 3 MiB of one string
			if _, err := fmt.Fprintf(w, "%s", `{"access_token":"`+string(make([]byte, 1000))); err != nil {
				return
			}
		}
		return
	}
	p.redeems++
	access := rand.Text()
	answer := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": p.idToken(g, access)}
	if p.hostile == NoIDToken {
		delete(answer, "id_token")
	}
	w.Header().Set("Cache-Control", "no-store")
	write(w, http.StatusOK, answer)
}

func (p *Provider) idToken(g grant, access string) string {
	now := p.Clock()
	half := sha256.Sum256([]byte(access))
	claims := map[string]any{
		"iss": p.Issuer(), "aud": ClientID, "sub": g.who.Subject, "nonce": g.nonce, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"email": g.who.Email, "email_verified": g.who.Verified, "name": g.who.Name, "groups": g.who.Groups,
		"at_hash": base64.RawURLEncoding.EncodeToString(half[:16]),
	}
	alg, key, kid := jose.ES256, any(p.key), "one"
	switch p.hostile {
	case WrongNonce:
		claims["nonce"] = rand.Text()
	case NoNonce:
		delete(claims, "nonce")
	case WrongAudience:
		claims["aud"] = "somebody else"
	case TwoAudiences:
		claims["aud"] = []string{ClientID, "somebody else"}
	case WrongParty:
		claims["azp"] = "somebody else"
	case Expired:
		claims["iat"], claims["exp"] = now.Add(-2*time.Hour).Unix(), now.Add(-time.Hour).Unix()
	case Future:
		claims["iat"] = now.Add(time.Hour).Unix()
		claims["exp"] = now.Add(2 * time.Hour).Unix()
	case WrongIssuer:
		claims["iss"] = "https://evil.example"
	case WrongKey:
		key, kid = p.other, "one"
	case NoSubject:
		claims["sub"] = ""
	case WrongAtHash:
		claims["at_hash"] = base64.RawURLEncoding.EncodeToString(make([]byte, 16))
	case AlgHMAC:
		alg, key = jose.HS256, []byte(ClientSecret)
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		p.t.Errorf("coding claims: %v", err)
		return ""
	}
	if p.hostile == AlgNone {
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
		return head + "." + base64.RawURLEncoding.EncodeToString(raw) + "."
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		p.t.Errorf("making a signer: %v", err)
		return ""
	}
	signed, err := signer.Sign(raw)
	if err != nil {
		p.t.Errorf("signing: %v", err)
		return ""
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		p.t.Errorf("writing a token: %v", err)
	}
	return text
}
