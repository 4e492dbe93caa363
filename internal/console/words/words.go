// Package words speaks to people in their language: the messages of the
// console, numbers, money and times.
package words

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/text/language"
)

// Words is one language. It is not changed after it was made and safe for
// concurrent use.
type Words struct {
	lang     string
	messages map[string]string
	group    string // between groups of three digits
	least    int    // digits a number must have to be grouped
	decimal  string
	percent  string         // before the sign
	zone     *time.Location // of exact times; nil: UTC
}

// InZone returns the same words, with exact times in a zone.
func (w *Words) InZone(zone *time.Location) *Words {
	in := *w
	in.zone = zone
	return &in
}

// Has tells whether there is a message for a key.
func (w *Words) Has(key string) bool {
	_, ok := w.messages[key]
	return ok
}

// Offered lists the languages that are offered, the default first.
func (c *Choice) Offered() []string { return slices.Clone(c.offered) }

var languages = map[string]*Words{
	"en": {lang: "en", messages: together(english, englishPeople, inColumn(0, modelMessages, importMessages, supportMessages)), group: ",", least: 4, decimal: "."},
	"fr": {lang: "fr", messages: together(french, frenchPeople, inColumn(1, modelMessages, importMessages, supportMessages)), group: "\u202f", least: 4, decimal: ",", percent: "\u202f"},
	"es": {lang: "es", messages: together(spanish, spanishPeople, inColumn(2, modelMessages, importMessages, supportMessages)), group: ".", least: 5, decimal: ",", percent: "\u00a0"},
}

// together is one catalogue of several, which share no key.
func together(parts ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, part := range parts {
		for key, text := range part {
			if _, twice := all[key]; twice {
				panic("words: two catalogues have " + key)
			}
			all[key] = text
		}
	}
	return all
}

// Known lists the languages there are, the default first.
func Known() []string { return []string{"en", "fr", "es"} }

// In returns a language by its tag, English for one that is not known.
func In(tag string) *Words {
	if w, ok := languages[tag]; ok {
		return w
	}
	return languages["en"]
}

// Choice picks a language for a person among those that are offered.
type Choice struct {
	offered []string
	matcher language.Matcher
}

// NewChoice makes a choice among the offered languages, the first being the
// default. None means all that are known; one that is not known is an error.
func NewChoice(offered []string) (*Choice, error) {
	if len(offered) == 0 {
		offered = Known()
	}
	tags := make([]language.Tag, 0, len(offered))
	for _, o := range offered {
		if _, ok := languages[o]; !ok {
			return nil, fmt.Errorf("the console does not speak %q; it speaks %v", o, Known())
		}
		tags = append(tags, language.Make(o))
	}
	return &Choice{offered: offered, matcher: language.NewMatcher(tags)}, nil
}

// For returns the words for a person: in the language of their setting (BCP 47,
// "" for none), otherwise in the best of an Accept-Language field (RFC 9110
// section 12.5.4), otherwise in the default. What cannot be read is skipped.
func (c *Choice) For(setting, acceptLanguage string) *Words {
	if setting != "" {
		if tag, err := language.Parse(setting); err == nil {
			if _, i, sure := c.matcher.Match(tag); sure != language.No {
				return languages[c.offered[i]]
			}
		}
	}
	if len(acceptLanguage) <= 1000 {
		if tags, _, err := language.ParseAcceptLanguage(acceptLanguage); err == nil && len(tags) > 0 {
			if _, i, sure := c.matcher.Match(tags...); sure != language.No {
				return languages[c.offered[i]]
			}
		}
	}
	return languages[c.offered[0]]
}

// Lang returns the language's tag, for the lang attribute.
func (w *Words) Lang() string { return w.lang }

// T returns the message of a key, with its verbs filled from args. A key that
// is not there is returned itself; a test sees to it that none is missing.
func (w *Words) T(key string, args ...any) string {
	m, ok := w.messages[key]
	if !ok {
		return key
	}
	if len(args) == 0 {
		return m
	}
	return fmt.Sprintf(m, args...)
}

// Or returns the message of a key, or a text of its own when there is none:
// for names that come from a configuration.
func (w *Words) Or(key, otherwise string) string {
	if m, ok := w.messages[key]; ok {
		return m
	}
	return otherwise
}

// N returns the message of key+".one" or key+".other" with the number n, in
// the language's form, as its first argument.
func (w *Words) N(key string, n int64, args ...any) string {
	form := ".other"
	if n == 1 || (n == 0 && w.lang == "fr") {
		form = ".one"
	}
	return w.T(key+form, append([]any{w.Number(n)}, args...)...)
}
