package route

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Why a path is refused. Each is an Invalid *toll.Error, the same value for
// every request: nothing of the path is repeated.
var (
	ErrPathRelative  error = refusal("The path does not start with a slash.")
	ErrPathEscape    error = refusal("The path holds a % that two hexadecimal digits do not follow; write %25 for a percent sign.")
	ErrPathSlash     error = refusal("The path holds an encoded slash (%2F) or a backslash; which segments it has depends on who reads it. Send such a value in the query or the body.")
	ErrPathControl   error = refusal("The path holds a control character, plain or encoded.")
	ErrPathDots      error = refusal("The path holds a segment . or .., plain, encoded or with parameters; send the path that is meant.")
	ErrPathTwice     error = refusal("The path is encoded twice (%25 and two hexadecimal digits); encode it once.")
	ErrPathUTF8      error = refusal("The path is not valid UTF-8.")
	ErrPathDelimiter error = refusal("The path holds a plain ? or #; encode it as %3F or %23.")
)

func refusal(why string) error { return toll.Errorf(toll.Invalid, "%s", why) }

// Canonical gives a path one reading, so that what policy sees is what the
// upstream gets. It takes the path as it stands in the request target, without
// the query, and returns it decoded once (RFC 3986 §2.4), for decisions, and
// encoded in normal form (§6.2.2), to be forwarded. Canonical(encoded) gives the
// same two again.
//
// Normal form: escapes in upper case; characters that need none are plain;
// those that may not stand plain are escaped; reserved ones (such as ; + :)
// stay as they were sent, for there it makes a difference. A run of slashes
// becomes one: most servers read it so, and clients that join a base and a path
// carelessly mean it so.
//
// What one server would read otherwise than another is refused, not
// guessed at: an encoded slash, backslashes, control characters, segments . and
// .. in every disguise (%2e, ..;x), double encoding, broken escapes, bytes that
// are not UTF-8, a plain ? or #, a path that does not start with a slash.
func Canonical(rawPath string) (decoded, encoded string, err error) {
	if rawPath == "" || rawPath[0] != '/' {
		return "", "", ErrPathRelative
	}
	if plain(rawPath) {
		return rawPath, rawPath, nil
	}
	return normalise(rawPath)
}

// plain tells whether a path is in normal form and free of everything that
// needs a second look: the common case, in one pass.
func plain(s string) bool {
	previous := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if class[c] != plainChar && class[c] != reservedChar || previous == '/' && (c == '/' || c == '.') {
			return false
		}
		previous = c
	}
	return true
}

// The classes of characters in a path (RFC 3986 §3.3).
const (
	otherChar     = iota // must be escaped
	plainChar            // unreserved, or the slash
	reservedChar         // may stand plain, and means something else then
	forbiddenChar        // must not even be escaped, or has a reading of its own
)

var class = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("-._~/", byte(c)) >= 0:
			t[c] = plainChar
		case strings.IndexByte("!$&'()*+,;=:@", byte(c)) >= 0:
			t[c] = reservedChar
		case c < 0x20 || c == 0x7f || c == '\\':
			t[c] = forbiddenChar
		}
	}
	return t
}()

const hexDigits = "0123456789ABCDEF"

func normalise(raw string) (string, string, error) {
	decoded := make([]byte, 0, len(raw))
	encoded := make([]byte, 0, len(raw)+len(raw)/2)
	for i := 0; i < len(raw); i++ {
		c, escaped := raw[i], false
		if c == '%' {
			if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
				return "", "", ErrPathEscape
			}
			c, escaped = unhex(raw[i+1])<<4|unhex(raw[i+2]), true
			i += 2
		}
		switch {
		case c == '\\' || c == '/' && escaped:
			return "", "", ErrPathSlash
		case class[c] == forbiddenChar:
			return "", "", ErrPathControl
		case c == '/' && len(decoded) > 0 && decoded[len(decoded)-1] == '/':
			continue
		case (c == '?' || c == '#') && !escaped:
			return "", "", ErrPathDelimiter
		}
		decoded = append(decoded, c)
		if class[c] == plainChar || class[c] == reservedChar && !escaped {
			encoded = append(encoded, c)
		} else {
			encoded = append(encoded, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	d := string(decoded)
	if err := inspect(d); err != nil {
		return "", "", err
	}
	return d, string(encoded), nil
}

// inspect refuses what can be seen only in the decoded path.
func inspect(d string) error {
	if !utf8.ValidString(d) {
		return ErrPathUTF8
	}
	for i, r := range d {
		switch {
		case r >= 0x80 && unicode.IsControl(r):
			return ErrPathControl
		case r == '%' && i+2 < len(d) && isHex(d[i+1]) && isHex(d[i+2]):
			return ErrPathTwice
		case r == '/' && isDots(d[i+1:]):
			return ErrPathDots
		}
	}
	return nil
}

// isDots tells whether the segment that s starts with is . or .., be it with
// path parameters: some servers take those off before they resolve the dots.
func isDots(s string) bool {
	n := 0
	for n < len(s) && s[n] == '.' {
		n++
	}
	return n >= 1 && n <= 2 && (n == len(s) || s[n] == '/' || s[n] == ';')
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
