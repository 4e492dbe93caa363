package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// cleanText returns a text of several lines as it is kept: without space around
// it, lines ending with a line feed. It refuses control characters other than
// tab, and characters that turn the direction of text.
func cleanText(field, text string, longest int) (string, error) {
	if len(text) > 2*longest*utf8.UTFMax { // no work on what is too long in any case; each line feed may come as CRLF
		return "", toll.FieldError(field, "The text is too long: it may have at most %d characters.", longest)
	}
	if !utf8.ValidString(text) {
		return "", toll.FieldError(field, "The text is not valid UTF-8. Type it again.")
	}
	text = strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text))
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || turnsText(r) && r != '\u2028' && r != '\u2029' {
			return "", toll.FieldError(field, "The text holds a control character (U+%04X). Take it out.", r)
		}
	}
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return "", toll.FieldError(field, "Write something: 1 to %d characters.", longest)
	case n > longest:
		return "", toll.FieldError(field, "The text has %d characters; it may have at most %d.", n, longest)
	}
	return text, nil
}

// cleanNote is cleanText for a text that may be empty.
func cleanNote(field, text string, longest int) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "", nil
	}
	return cleanText(field, text, longest)
}
