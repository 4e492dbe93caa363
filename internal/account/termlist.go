package account

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// What a term list may have.
const (
	mostTerms    = 200_000 // lines with a term
	longestTerm  = 200     // characters
	longestLine  = 2048    // bytes, without its end
	longestLabel = 32      // characters of a type
)

// termList checks a list of terms while it comes: UTF-8 text, in each line a
// term, a tab, and its type in capital letters (PERSON, PLACE…). Empty lines and
// lines that begin with # are passed over; lines may end with CRLF, and the first may have a
// byte order mark. It keeps one line in memory.
type termList struct {
	line  []byte // the end of what came, without a line end
	at    int    // lines that were complete
	terms int
}

func (t *termList) Write(p []byte) (int, error) {
	whole := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		t.line = append(t.line, p[:i]...)
		if err := t.check(); err != nil {
			return 0, err
		}
		t.line, p = t.line[:0], p[i+1:]
	}
	if t.line = append(t.line, p...); len(t.line) > longestLine+1 { // and a CR
		t.at++
		return 0, t.wrong("it has more than %d bytes", longestLine)
	}
	return whole, nil
}

func (t *termList) End() error {
	if len(t.line) > 0 {
		if err := t.check(); err != nil {
			return err
		}
	}
	if t.terms == 0 {
		return toll.FieldError("file", "The list has no term. Write a term, a tab and its type in each line.")
	}
	return nil
}

func (t *termList) check() error {
	t.at++
	line := string(bytes.TrimSuffix(t.line, []byte("\r")))
	if t.at == 1 {
		line = strings.TrimPrefix(line, "\ufeff")
	}
	switch {
	case len(line) > longestLine:
		return t.wrong("it has more than %d bytes", longestLine)
	case !utf8.ValidString(line):
		return t.wrong("it is not UTF-8 text")
	case line == "" || line[0] == '#':
		return nil
	}
	term, label, found := strings.Cut(line, "\t")
	switch {
	case !found:
		return t.wrong("there is no tab between the term and its type")
	case strings.TrimSpace(term) == "":
		return t.wrong("there is no term before the tab")
	case utf8.RuneCountInString(term) > longestTerm:
		return t.wrong("the term has more than %d characters", longestTerm)
	case strings.ContainsFunc(term, func(r rune) bool { return unicode.IsControl(r) || turnsText(r) }):
		return t.wrong("the term holds a control character")
	case !termLabel(label):
		return t.wrong("behind the tab stands no type; a type is 1 to %d capital letters, digits and _, such as PERSON", longestLabel)
	}
	if t.terms++; t.terms > mostTerms {
		return t.wrong("a list has at most %d terms", mostTerms)
	}
	return nil
}

func (t *termList) wrong(format string, args ...any) error {
	return toll.FieldError("file", "Line %d of the list is wrong: "+format+".", append([]any{t.at}, args...)...)
}

func termLabel(s string) bool {
	if s == "" || len(s) > longestLabel || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
