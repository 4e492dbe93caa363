package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// The longest names, in characters.
const (
	maxName    = 200
	maxKeyName = 100
)

// cleanName returns a name as it is kept: in Unicode form C, without space
// around it. It refuses what cannot be shown on one line, or would be shown as
// something else than it is.
func cleanName(field, name string, longest int) (string, error) {
	if !utf8.ValidString(name) {
		return "", toll.FieldError(field, "The name is not valid UTF-8 text. Type it again.")
	}
	if len(name) > longest*utf8.UTFMax { // no work on what is too long in any case
		return "", toll.FieldError(field, "The name is too long: it may have at most %d characters.", longest)
	}
	name = strings.TrimSpace(norm.NFC.String(name))
	for _, r := range name {
		if unicode.IsControl(r) || turnsText(r) {
			return "", toll.FieldError(field, "The name holds a control character (U+%04X). Take it out.", r)
		}
	}
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		return "", toll.FieldError(field, "Give a name of 1 to %d characters.", longest)
	case n > longest:
		return "", toll.FieldError(field, "The name has %d characters; it may have at most %d.", n, longest)
	}
	return name, nil
}

// turnsText tells the characters that break a line or turn the direction of
// the text after them (Unicode UAX #9), with which a name can pose as another.
func turnsText(r rune) bool {
	return r == '\u2028' || r == '\u2029' || (r >= '\u202A' && r <= '\u202E') || (r >= '\u2066' && r <= '\u2069')
}
