// Package words is what the daybook says, in each language that it speaks:
// sentences by their key, dates, numbers. Pages and handlers name keys; no
// sentence for a person stands anywhere else.
package words

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// Language is a language that the daybook speaks.
type Language struct {
	Code string // en, fr, es
	Name string // in the language itself
}

// Languages are all of them; the first is for whoever asks for none of them.
var Languages = []Language{{"en", "English"}, {"fr", "Français"}, {"es", "Español"}}

// Words are those of one language. The zero value has none; see In and Asked.
type Words struct {
	code  string
	texts map[string]string
	days  [7]string  // from Sunday
	short [7]string  // the same, shortened
	month [12]string // from January
	brief [12]string // the same, shortened
	group string     // between thousands
}

var all = map[string]Words{"en": english, "fr": french, "es": spanish}

// In finds a language by its code. An unknown one is the first of Languages,
// and known is false.
func In(code string) (w Words, known bool) {
	if w, known = all[code]; known {
		return w, true
	}
	return all[Languages[0].Code], false
}

var matcher = func() language.Matcher {
	var tags []language.Tag
	for _, l := range Languages {
		tags = append(tags, language.MustParse(l.Code))
	}
	return language.NewMatcher(tags)
}()

// longestAsked is how much of an Accept-Language header is read, in bytes.
const longestAsked = 500

// Asked finds the best language for an Accept-Language header (RFC 9110 section
// 12.5.4); the first of Languages for one that cannot be read, or names others only.
func Asked(accept string) Words {
	if len(accept) > longestAsked {
		accept = ""
	}
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		tags = nil
	}
	_, at, _ := matcher.Match(tags...)
	w, _ := In(Languages[at].Code)
	return w
}

// Lang is the language's code, for lang attributes.
func (w Words) Lang() string { return w.code }

// T is the sentence of a key, with what is put into it. A key that is not there
// is shown itself; a test finds those.
func (w Words) T(key string, args ...any) string {
	text, ok := w.texts[key]
	switch {
	case !ok:
		return key
	case len(args) == 0:
		return text
	}
	return fmt.Sprintf(text, args...)
}

// Has tells whether there is such a key.
func (w Words) Has(key string) bool { return w.texts[key] != "" }

// LongDay is a day in full, as a heading: Friday, 20 November 2026.
func (w Words) LongDay(t time.Time) string {
	day := strconv.Itoa(t.Day())
	switch w.code {
	case "fr":
		if t.Day() == 1 {
			day = "1er"
		}
		return capital(fmt.Sprintf("%s %s %s %d", w.days[t.Weekday()], day, w.month[t.Month()-1], t.Year()))
	case "es":
		return capital(fmt.Sprintf("%s, %s de %s de %d", w.days[t.Weekday()], day, w.month[t.Month()-1], t.Year()))
	}
	return fmt.Sprintf("%s, %s %s %d", w.days[t.Weekday()], day, w.month[t.Month()-1], t.Year())
}

// ShortDay is a day in a list: Fri 20 Nov 2026.
func (w Words) ShortDay(t time.Time) string {
	return fmt.Sprintf("%s %d %s %d", w.short[t.Weekday()], t.Day(), w.brief[t.Month()-1], t.Year())
}

// Clock is the time of a day, in its own zone.
func (w Words) Clock(t time.Time) string { return t.Format("15:04") }

// Number groups thousands: 20,000.
func (w Words) Number(n int) string {
	digits := strconv.Itoa(n)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + w.group + digits[at:]
	}
	return digits
}

// capital begins a text with a capital letter.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

func list(text string) []string { return strings.Fields(text) }
