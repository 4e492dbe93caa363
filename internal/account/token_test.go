package account

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const (
	oldSecret toll.Secret = "the secret of last year, 32 bytes at least"
	newSecret toll.Secret = "the secret of this year, 32 bytes at least"
)

var noon = time.Date(2026, time.November, 20, 12, 0, 0, 500, time.UTC)

func newTestSigner(t testing.TB, now time.Time, secrets ...toll.Secret) *signer {
	t.Helper()
	s, err := newSigner(secrets, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestATokenCarriesItsSessionAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t, noon, newSecret)
	token, err := s.sign("ses_1", noon, noon.Add(48*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	session, issued, err := s.read(token.Text.Reveal(), noon)
	if err != nil || session != "ses_1" || !issued.Equal(noon.Truncate(time.Second)) {
		t.Errorf("got %q, %s, %v", session, issued, err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token.Text.Reveal(), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var says map[string]any
	if err := json.Unmarshal(payload, &says); err != nil {
		t.Fatal(err)
	}
	for name := range says {
		if name != "sid" && name != "iat" && name != "exp" && name != "aud" {
			t.Errorf("the token says %q: %v", name, says[name])
		}
	}
	if len(token.Text) > 400 {
		t.Errorf("the token has %d bytes", len(token.Text))
	}
}

func TestSecretsRotate(t *testing.T) {
	t.Parallel()
	before := newTestSigner(t, noon, oldSecret)
	during := newTestSigner(t, noon, newSecret, oldSecret, newSecret)
	after := newTestSigner(t, noon, newSecret)
	old, err := before.sign("ses_1", noon, noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := during.sign("ses_1", noon, noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		s     *signer
		token Token
		want  bool
	}{
		"old before": {before, old, true}, "old during": {during, old, true}, "old after": {after, old, false},
		"fresh before": {before, fresh, false}, "fresh during": {during, fresh, true}, "fresh after": {after, fresh, true},
	} {
		if _, _, err := c.s.read(c.token.Text.Reveal(), noon); (err == nil) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusesEveryTokenThatIsNotOurs(t *testing.T) {
	t.Parallel()
	s := newTestSigner(t, noon, newSecret, oldSecret)
	good := func() claims {
		return claims{Session: "ses_1", RegisteredClaims: jwt.RegisteredClaims{
			Audience: jwt.ClaimStrings{audience}, IssuedAt: jwt.NewNumericDate(noon), ExpiresAt: jwt.NewNumericDate(noon.Add(time.Hour)),
		}}
	}
	forge := func(method jwt.SigningMethod, kid any, key any, change func(*claims)) string {
		c := good()
		if change != nil {
			change(&c)
		}
		token := jwt.NewWithClaims(method, c)
		if kid != nil {
			token.Header["kid"] = kid
		}
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	kid, secret := keyID(newSecret), []byte(newSecret.Reveal())
	hs := func(change func(*claims)) string { return forge(jwt.SigningMethodHS256, kid, secret, change) }
	valid := hs(nil)
	if _, _, err := s.read(valid, noon); err != nil {
		t.Fatalf("the token that all others are made from does not hold: %v", err)
	}
	part := strings.Split(valid, ".")
	recode := func(i int, change func(string) string) string {
		raw, err := base64.RawURLEncoding.DecodeString(part[i])
		if err != nil {
			t.Fatal(err)
		}
		changed := append([]string(nil), part...)
		changed[i] = base64.RawURLEncoding.EncodeToString([]byte(change(string(raw))))
		return strings.Join(changed, ".")
	}
	// The last character carries two bits that mean nothing: a lax decoder takes
	// four spellings of one signature.
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	twin := letters[strings.IndexByte(letters, valid[len(valid)-1])^1]

	for name, text := range map[string]string{
		"nothing":                     "",
		"one part":                    part[0],
		"two parts":                   part[0] + "." + part[1],
		"no signature":                part[0] + "." + part[1] + ".",
		"four parts":                  valid + ".x",
		"another session":             recode(1, func(s string) string { return strings.Replace(s, "ses_1", "ses_2", 1) }),
		"a longer life":               recode(1, func(s string) string { return strings.Replace(s, `"exp":1`, `"exp":9`, 1) }),
		"alg none":                    forge(jwt.SigningMethodNone, kid, jwt.UnsafeAllowNoneSignatureType, nil),
		"alg none, with a signature":  recode(0, func(s string) string { return strings.Replace(s, "HS256", "none", 1) }),
		"alg HS512 with our secret":   forge(jwt.SigningMethodHS512, kid, secret, nil),
		"alg HS384 with our secret":   forge(jwt.SigningMethodHS384, kid, secret, nil),
		"alg RS256 in the header":     recode(0, func(s string) string { return strings.Replace(s, "HS256", "RS256", 1) }),
		"a stranger's secret":         forge(jwt.SigningMethodHS256, kid, []byte("another secret, of 32 bytes at least"), nil),
		"an empty secret":             forge(jwt.SigningMethodHS256, kid, []byte{}, nil),
		"no key id":                   forge(jwt.SigningMethodHS256, nil, secret, nil),
		"an unknown key id":           forge(jwt.SigningMethodHS256, "nobody", secret, nil),
		"the other key's id":          forge(jwt.SigningMethodHS256, keyID(oldSecret), secret, nil),
		"a key id that is no text":    forge(jwt.SigningMethodHS256, 7, secret, nil),
		"expired":                     hs(func(c *claims) { c.ExpiresAt = jwt.NewNumericDate(noon) }),
		"expired long ago":            hs(func(c *claims) { c.ExpiresAt = jwt.NewNumericDate(time.Unix(1, 0)) }),
		"without an expiry":           hs(func(c *claims) { c.ExpiresAt = nil }),
		"without an issue":            hs(func(c *claims) { c.IssuedAt = nil }),
		"issued in the future":        hs(func(c *claims) { c.IssuedAt = jwt.NewNumericDate(noon.Add(2 * time.Minute)) }),
		"not yet valid":               hs(func(c *claims) { c.NotBefore = jwt.NewNumericDate(noon.Add(time.Minute)) }),
		"without a session":           hs(func(c *claims) { c.Session = "" }),
		"for another use":             hs(func(c *claims) { c.Audience = jwt.ClaimStrings{"e-mail confirmation"} }),
		"for no use":                  hs(func(c *claims) { c.Audience = nil }),
		"space around it":             " " + valid,
		"a line break in it":          part[0] + ".\n" + part[1] + "." + part[2],
		"padded base 64":              part[0] + "." + part[1] + "." + part[2] + "=",
		"another spelling of its end": valid[:len(valid)-1] + string(twin),
		"too long":                    hs(func(c *claims) { c.Session = strings.Repeat("s", maxToken) }),
		"much too long":               strings.Repeat("e", 10<<20),
	} {
		session, _, err := s.read(text, noon)
		if err == nil || session != "" {
			t.Errorf("%s: got %q and %v", name, session, err)
		}
	}
}

func FuzzReadToken(f *testing.F) {
	s := newTestSigner(f, noon, newSecret)
	valid, err := s.sign("ses_1", noon, noon.Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	text := valid.Text.Reveal()
	for _, seed := range []string{
		text, "", "..", "a.b.c", text + ".", strings.ToUpper(text),
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + ".e30.",
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":{}}`)) + ".bnVsbA.AAAA",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		session, _, err := s.read(typed, noon)
		if err == nil && typed != text {
			t.Fatalf("%q was taken for a token of %q", typed, session)
		}
		if err != nil && session != "" {
			t.Fatalf("refused, and still names %q", session)
		}
	})
}

func TestTheMemoryOfSessionsIsBounded(t *testing.T) {
	t.Parallel()
	r := newRecent(100, time.Second)
	now := noon
	for i := range 10_000 {
		now = now.Add(time.Millisecond)
		r.put(string(rune(i)), known{readAt: now}, 0)
		if len(r.young)+len(r.old) > 200 {
			t.Fatalf("%d sessions are remembered", len(r.young)+len(r.old))
		}
	}
	if _, ok := r.get(string(rune(9_999)), now); !ok {
		t.Error("the last one is forgotten at once")
	}
	if _, ok := r.get(string(rune(9_999)), now.Add(time.Second)); ok {
		t.Error("it is remembered for longer than a second")
	}
}
