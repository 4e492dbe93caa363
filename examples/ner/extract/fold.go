package extract

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// fold gives the form in which words are compared: lower case, without accents
// and other marks, with one kind of apostrophe. "Zürich", its decomposed form
// and "ZURICH" fold to the same. The result is for comparing only; positions
// are never taken from it.
func fold(word string) string {
	if isPlainLower(word) {
		return word
	}
	var b strings.Builder
	b.Grow(len(word))
	for _, r := range norm.NFKD.String(word) {
		switch {
		case unicode.Is(unicode.Mn, r), r == '\u200c', r == '\u200d', r == '\u00ad':
			// An accent, a joiner or a soft hyphen tells nothing here.
		case r == '’', r == 'ʼ', r == '＇':
			b.WriteByte('\'')
		case r == '‐', r == '‑':
			b.WriteByte('-')
		default:
			r = unicode.ToLower(r)
			if plain, ok := undecomposed[r]; ok {
				b.WriteString(plain)
			} else {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// undecomposed holds letters that Unicode does not take apart into a plain
// letter and a mark, but that people type without it.
var undecomposed = map[rune]string{
	'ø': "o", 'ł': "l", 'đ': "d", 'ß': "ss", 'æ': "ae", 'œ': "oe", 'ı': "i", 'ð': "d", 'þ': "th",
}

func isPlainLower(word string) bool {
	for i := range len(word) {
		if c := word[i]; c >= 0x80 || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}
