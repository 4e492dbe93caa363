package extract

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is one word or one mark of the text. Space is no token.
type token struct {
	from, to   int    // bytes of the text
	start, end int    // code points of the text
	text       string // text[from:to]
	key        string // the folded form, for words; the mark itself, for marks
	word       bool   // has letters or digits
	capital    bool   // starts with a capital letter
	caseless   bool   // starts with a letter of a script that has no capitals
	caps       bool   // is written in capitals only, two letters or more
	glued      bool   // nothing stands between it and the token before
	opens      bool   // first word of a sentence or of a line
}

// tokens splits a text. The rules, in short:
//
//   - letters, digits and their marks make a word; so do an apostrophe or a
//     hyphen between two letters (O'Brien, Anne-Marie, front-end);
//   - a possessive 's is a token of its own (King 's);
//   - letters with a point after each are one word (D.C., S.A.);
//   - each Han, Hiragana or Katakana character is a word of its own, because
//     these scripts put no space between words;
//   - everything else that is not space is a mark, character by character.
//
// Bytes that are not UTF-8 count as one code point each, as in a range loop.
func tokens(text string) []token {
	out := make([]token, 0, len(text)/5+1)
	opens, position := true, 0
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if unicode.IsSpace(r) {
			if r == '\n' {
				opens = true
			}
			i, position = i+size, position+1
			continue
		}
		t := token{from: i, to: i + size, start: position, end: position + 1}
		if isWordRune(r) {
			t.to, t.end = wordEnd(text, i, position)
			t.word = true
		} else if next, end := possessiveEnd(text, i, position); next > i {
			t.to, t.end = next, end
		}
		t.text = text[t.from:t.to]
		if n := len(out); n > 0 {
			t.glued = out[n-1].to == t.from
		}
		if t.word {
			t.key = fold(t.text)
			t.capital, t.caseless, t.caps = caseOf(t.text)
			t.opens, opens = opens, false
		} else {
			t.key = strings.ReplaceAll(t.text, "’", "'")
			opens = opens || endsSentence(r)
			// The point of "Dr." and of a middle initial ends no sentence.
			if r == '.' && t.glued && len(out) > 0 && isAbbreviation(out[len(out)-1]) {
				opens = false
			}
		}
		out = append(out, t)
		i, position = t.to, t.end
	}
	return out
}

// wordEnd returns the byte and the code point after the word that starts at
// byte from, which is code point position.
func wordEnd(text string, from, position int) (int, int) {
	i, start := from, position
	first, size := utf8.DecodeRuneInString(text[i:])
	i, position = i+size, position+1
	if isIdeograph(first) {
		return marksEnd(text, i, position)
	}
	if end, count := dottedEnd(text, from); count > 0 {
		return end, position - 1 + count
	}
	for i < len(text) {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case isWordRune(r) && !isIdeograph(r), unicode.Is(unicode.M, r):
			i, position = i+size, position+1
		case isJoiner(r):
			next, _ := utf8.DecodeRuneInString(text[i+size:])
			if !unicode.IsLetter(next) || isIdeograph(next) {
				return i, position
			}
			if end, _ := possessiveEnd(text, i, position); end > i {
				return i, position
			}
			i, position = i+size, position+1
		case position == start+1 && (r == '#' || strings.HasPrefix(text[i:], "++")):
			// C#, F#, C++: languages that job titles hold.
			if r == '#' {
				return i + 1, position + 1
			}
			return i + 2, position + 2
		default:
			return i, position
		}
	}
	return i, position
}

// marksEnd passes over combining marks.
func marksEnd(text string, i, position int) (int, int) {
	for i < len(text) {
		r, size := utf8.DecodeRuneInString(text[i:])
		if !unicode.Is(unicode.M, r) {
			break
		}
		i, position = i+size, position+1
	}
	return i, position
}

// dottedEnd finds "D.C." or "S.A.": two or more single letters, each followed
// by a point; at most eight, so that no text makes it look far ahead again and
// again. It returns the byte after it and its code points, or 0, 0.
func dottedEnd(text string, from int) (int, int) {
	i, letters, count := from, 0, 0
	for i < len(text) && letters < 8 {
		r, size := utf8.DecodeRuneInString(text[i:])
		if !unicode.IsLetter(r) || i+size >= len(text) || text[i+size] != '.' {
			break
		}
		i, letters, count = i+size+1, letters+1, count+2
	}
	if letters < 2 {
		return 0, 0
	}
	if r, _ := utf8.DecodeRuneInString(text[i:]); i < len(text) && isWordRune(r) {
		return 0, 0
	}
	return i, count
}

// possessiveEnd finds the 's that marks a possessive at byte i.
func possessiveEnd(text string, i, position int) (int, int) {
	r, size := utf8.DecodeRuneInString(text[i:])
	if r != '\'' && r != '’' {
		return i, position
	}
	rest := text[i+size:]
	if rest == "" || rest[0] != 's' && rest[0] != 'S' {
		return i, position
	}
	if next, _ := utf8.DecodeRuneInString(rest[1:]); len(rest) > 1 && (isWordRune(next) || isJoiner(next)) {
		return i, position
	}
	return i + size + 1, position + 2
}

func isWordRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r)
}

func isJoiner(r rune) bool {
	switch r {
	case '\'', '’', '-', '‐', '‑', '\u200c', '\u200d', '\u00ad':
		return true
	}
	return false
}

func isIdeograph(r rune) bool {
	return r >= 0x3040 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}

func endsSentence(r rune) bool {
	switch r {
	case '.', '!', '?', ':', ';', '"', '“', '”', '«', '»', '。', '！', '？', '•', '*':
		return true
	}
	return false
}

// isAbbreviation says whether the point after t may stand inside a sentence.
func isAbbreviation(t token) bool {
	return t.word && t.capital && (t.end-t.start == 1 || shortened[t.key])
}

// shortened holds the abbreviations that are followed by a point and a capital
// letter in the middle of a sentence.
var shortened = map[string]bool{
	"dr": true, "mr": true, "mrs": true, "ms": true, "prof": true, "st": true, "gen": true, "sen": true, "rev": true,
	"hon": true, "capt": true, "col": true, "lt": true, "sgt": true, "jr": true, "sr": true, "inc": true, "corp": true, "co": true, "ltd": true,
}

// caseOf says whether a word starts with a capital letter, whether it starts
// with a letter that has no case, and whether it is written in capitals only.
func caseOf(word string) (capital, caseless, caps bool) {
	letters, upper := 0, 0
	for i, r := range word {
		if !unicode.IsLetter(r) {
			continue
		}
		isUpper := unicode.IsUpper(r) || unicode.IsTitle(r)
		if i == 0 {
			capital, caseless = isUpper, !isUpper && !unicode.IsLower(r)
		}
		letters++
		if isUpper {
			upper++
		}
	}
	return capital, caseless, letters >= 2 && upper == letters
}
