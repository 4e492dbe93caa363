package apikey

import (
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// What a request's credential can lack. They are the same value for every
// request, whatever was sent: nothing of it is repeated.
var (
	// ErrMissing: the request carries no key.
	ErrMissing error = toll.Errorf(toll.Unauthorized,
		"No API key was sent. Send it as \"Authorization: Bearer KEY\" or \"X-API-Key: KEY\".")
	// ErrMalformed: what was sent cannot be a key, or two different ones were.
	ErrMalformed error = toll.Errorf(toll.Unauthorized,
		"The API key is malformed. Copy it whole: it starts with th_live_ or th_test_ and has 44 characters; send one key only.")
)

// maxText bounds what is looked at as a key at all. It is more than our own
// format takes, so that keys that were made elsewhere can be looked up too.
const maxText = 128

// Credential finds the key's text in the values of a request's Authorization
// and X-API-Key fields ("" where there is none; a field that came more than
// once must come joined by commas, as RFC 9110 §5.3 says).
//
// Authorization counts with the scheme Bearer or Token, in any case (RFC 9110
// §11.1, RFC 6750 §2.1); another scheme is not ours and is passed by. The same
// key in both fields is one key. The answer is ErrMissing where there is no
// key, and ErrMalformed where there is something that cannot be one: an empty
// or overlong text, characters that no key has, or two different keys. Time and
// memory do not grow with what was sent beyond a bound.
func Credential(authorization, xAPIKey string) (text string, err error) {
	fromHeader, isOurs, err := bearer(authorization)
	if err != nil {
		return "", err
	}
	other, err := token(xAPIKey)
	switch {
	case err != nil:
		return "", err
	case !isOurs && other == "":
		return "", ErrMissing
	case !isOurs:
		return other, nil
	case other != "" && other != fromHeader:
		return "", ErrMalformed
	}
	return fromHeader, nil
}

// bearer returns the token of an Authorization value, and whether its scheme is ours.
func bearer(value string) (text string, ours bool, err error) {
	value = trimSpace(value)
	const longest = len("Bearer")
	at := strings.IndexByte(value[:min(len(value), longest+1)], ' ')
	scheme := value
	if at >= 0 {
		scheme = value[:at]
	}
	if !strings.EqualFold(scheme, "bearer") && !strings.EqualFold(scheme, "token") {
		return "", false, nil
	}
	if at < 0 {
		return "", true, ErrMalformed // the scheme alone
	}
	text, err = token(value[at+1:])
	if err == nil && text == "" {
		err = ErrMalformed
	}
	return text, true, err
}

// token trims and checks a text that should be a key; "" stays "".
func token(s string) (string, error) {
	s = trimSpace(s)
	if len(s) > maxText {
		return "", ErrMalformed
	}
	for i := 0; i < len(s); i++ {
		if !inKey[s[i]] {
			return "", ErrMalformed
		}
	}
	return s, nil
}

// inKey are the characters that a key may have: those of RFC 9110's token68
// (§11.2), and a few more that others' keys have; no comma, semicolon, quote or
// space, for those mean two values.
var inKey = func() (t [256]bool) {
	for c := '!'; c <= '~'; c++ {
		t[c] = !strings.ContainsRune(",;\"\\", c)
	}
	return t
}()

// trimSpace takes spaces and tabs off both ends, and looks at few of them only.
func trimSpace(s string) string {
	const few = 16
	for n := 0; n < few && s != "" && (s[0] == ' ' || s[0] == '\t'); n++ {
		s = s[1:]
	}
	for n := 0; n < few && s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t'); n++ {
		s = s[:len(s)-1]
	}
	return s
}
