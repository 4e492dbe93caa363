package config

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxBytes bounds a configuration file. A thousand services and plans take a
// tenth of it.
const MaxBytes = 1 << 20

// source is the text of a configuration file, by lines.
type source struct {
	name  string
	text  string // UTF-8, lines end with \n, no byte order mark
	lines []string
}

// newSource takes the bytes of a file as people's editors save them: with or
// without a UTF-8 byte order mark, with any line ends. What no YAML parser
// should see (NUL, other encodings, tabs as indentation, endless nesting) is
// noted in the report; ok says whether parsing can go on.
func newSource(name string, raw []byte) (r *report, ok bool) {
	src := &source{name: name, lines: []string{""}}
	r = &report{src: src}
	if len(raw) > MaxBytes {
		src.lines = strings.SplitN(string(raw[:1000]), "\n", 2)[:1]
		r.addf(1, 1, 1, "the file has %d bytes; a configuration has at most %d: is this the right file?", len(raw), MaxBytes)
		return r, false
	}
	if bytes.HasPrefix(raw, []byte{0xff, 0xfe}) || bytes.HasPrefix(raw, []byte{0xfe, 0xff}) {
		r.addf(1, 1, 1, "the file is in UTF-16; save it as UTF-8")
		return r, false
	}
	text := string(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")))
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	src.text = text
	src.lines = strings.Split(text, "\n")

	for i, line := range src.lines {
		src.checkLine(r, i+1, line)
	}
	if strings.TrimSpace(text) == "" && len(r.problems) == 0 {
		r.addf(1, 1, 1, "the file is empty; `tollhouse init` writes one to start from")
	}
	return r, len(r.problems) == 0
}

// checkLine notes what no line of a configuration may hold.
func (s *source) checkLine(r *report, number int, line string) {
	column := 0
	for i, c := range line {
		column++
		switch {
		case c == 0:
			r.addf(number, column, 1, "a NUL byte; this is no text file, or it was damaged: delete the byte")
			return
		case c == utf8.RuneError && !strings.HasPrefix(line[i:], "\uFFFD"):
			r.addf(number, column, 1, "a byte that is not UTF-8; save the file as UTF-8")
			return
		case c != '\t' && (c < ' ' || c == 0x7f):
			r.addf(number, column, 1, "a control character (U+%04X); delete it", c)
			return
		}
	}
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	rest := line[len(indent):]
	if at := strings.IndexByte(indent, '\t'); at >= 0 && rest != "" && rest[0] != '#' {
		r.addf(number, at+1, 1, "a tab in the indentation; YAML takes only spaces: replace it with two spaces")
	}
}

// clamp moves a place into the file.
func (s *source) clamp(line, column int) (int, int) {
	line = min(max(line, 1), len(s.lines))
	column = min(max(column, 1), utf8.RuneCountInString(s.lines[line-1])+1)
	return line, column
}

// skipBlank moves a column to the next character that is no blank: the parser
// counts a tab before a value differently.
func (s *source) skipBlank(line, column int) int {
	runes := []rune(s.lines[line-1])
	for at := column; at <= len(runes); at++ {
		if c := runes[at-1]; c != ' ' && c != '\t' {
			return at
		}
	}
	return column
}

// excerpt gives a source line to show and the carets to stand under it. Long
// lines are clipped around the place; what a terminal would not print is
// replaced; literal secrets are blotted out.
func (s *source) excerpt(line, column, width int) (text, caret string) {
	const before, most = 50, 100
	runes := []rune(s.blot(line))
	at := min(column-1, len(runes))
	from := 0
	if len(runes) > most && at > before {
		from = at - before
	}
	to := min(len(runes), from+most)
	width = max(1, min(width, to-at))

	var out, under strings.Builder
	if from > 0 {
		out.WriteString("…")
		under.WriteString(" ")
	}
	for i := from; i < to; i++ {
		c := runes[i]
		if c == '\t' {
			out.WriteByte('\t')
		} else if printable(c) {
			out.WriteRune(c)
		} else {
			out.WriteRune(utf8.RuneError)
		}
		if i < at {
			if c == '\t' {
				under.WriteByte('\t')
			} else {
				under.WriteByte(' ')
			}
		}
	}
	if to < len(runes) {
		out.WriteString("…")
	}
	under.WriteString(strings.Repeat("^", width))
	return strings.TrimRight(out.String(), " \t"), under.String()
}

// bare is a reference that holds no secret itself: one without a default.
const bare = `\$\{(?:file:[^}]*|[A-Za-z_][A-Za-z0-9_]*(?::-)?)\}`

var (
	topLevel  = regexp.MustCompile(`^[A-Za-z_"']`)
	password  = regexp.MustCompile(`(://[^:@/\s]*:)(\S*)@`)
	variables = regexp.MustCompile(`^` + bare + `$`)
	reference = regexp.MustCompile(`^["']?` + bare + `["']?(?:[\s,}]|$)`)
)

// blot gives a line without the secrets that stand in it literally: passwords
// in addresses, and the values of the section "secrets". It works on the text
// alone, because a file that is no YAML must not show them either.
func (s *source) blot(line int) string {
	text := withoutPassword(s.lines[line-1])
	for i := line - 1; i >= 0; i-- {
		if !topLevel.MatchString(s.lines[i]) {
			continue
		}
		if strings.HasPrefix(strings.TrimLeft(s.lines[i], `"'`), "secrets") {
			return blotValues(text, i == line-1)
		}
		break
	}
	return text
}

// withoutPassword takes the password out of an address, unless it is only
// referred to.
func withoutPassword(text string) string {
	return password.ReplaceAllStringFunc(text, func(hit string) string {
		parts := password.FindStringSubmatch(hit)
		if variables.MatchString(parts[2]) {
			return hit
		}
		return parts[1] + "[redacted]@"
	})
}

// blotValues cuts a line of the section "secrets" at the first value that is
// not a reference. A line without a colon is the rest of a value, unless it is
// the section's head.
func blotValues(text string, head bool) string {
	const redacted = "[redacted]"
	body := strings.TrimLeft(text, " \t")
	if body == "" || body[0] == '#' {
		return text
	}
	if !head && !strings.Contains(text, ":") {
		return text[:len(text)-len(body)] + redacted
	}
	for i := 0; i < len(text); i++ {
		if text[i] != ':' {
			continue
		}
		rest := strings.TrimLeft(text[i+1:], " \t")
		at := len(text) - len(rest)
		switch span := reference.FindString(rest); {
		case rest == "" || rest[0] == '{' || rest[0] == '#':
		case span != "":
			i = at + len(span) - 1
		default:
			return text[:at] + redacted
		}
	}
	return text
}

// printable tells what may go to a terminal as it is.
func printable(r rune) bool {
	return r == ' ' || (unicode.IsGraphic(r) && r != utf8.RuneError && !unicode.Is(unicode.Cf, r))
}
