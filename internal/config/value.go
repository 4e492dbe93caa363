package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// value is a type of single value: how its text is read and how it is
// described to people and editors. Pointers implement it.
type value interface {
	// parse reads the text. Its error goes on where the value was shown ("…
	// is no duration; add a unit") and never repeats the value, which may be a
	// secret.
	parse(text string) error
	form() form
}

// form describes a type of value.
type form struct {
	what    string // "a duration", after "expected"
	example string // a text that parses
	pattern string // regular expression of the JSON Schema, "" for none
	json    string // JSON type beside string: "integer", "number", "boolean", or ""
}

// text is what people read: one line of up to 200 characters.
type text string

func (t *text) parse(s string) error {
	if s == "" {
		return errors.New("is empty; write a text or delete the line")
	}
	if utf8.RuneCountInString(s) > 200 {
		return errors.New("has more than 200 characters; shorten it")
	}
	if strings.IndexFunc(s, func(r rune) bool { return !printable(r) }) >= 0 {
		return errors.New("has a line break or another character that cannot be shown; write one line")
	}
	*t = text(s)
	return nil
}

func (t *text) form() form { return form{what: "a text", example: "Acme API"} }

// label is a name that stands in addresses, headers and databases.
type label string

func (l *label) parse(s string) error {
	if err := checkLabel(s); err != nil {
		return err
	}
	*l = label(s)
	return nil
}

func (l *label) form() form {
	return form{what: "a name", example: "ner", pattern: `^[a-z0-9][a-z0-9_-]{0,62}$`}
}

// checkLabel tells what is wrong with a name that programs use.
func checkLabel(s string) error {
	bad := strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
	if s == "" || len(s) > 63 || bad >= 0 || s[0] == '-' || s[0] == '_' {
		return errors.New("is no name; it takes 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit")
	}
	return nil
}

// choice is one of the words in its field's oneof tag.
type choice string

func (c *choice) parse(s string) error { *c = choice(s); return nil }
func (c *choice) form() form           { return form{what: "one word"} }

// parseChoice reads a choice out of its words.
func (c *choice) parseChoice(s string, words []string) error {
	for _, w := range words {
		if s == w {
			*c = choice(s)
			return nil
		}
	}
	if guess := nearest(s, words); guess != "" {
		return fmt.Errorf("is not known here; did you mean `%s`? (%s)", guess, orList(words))
	}
	return fmt.Errorf("is not known here; write %s", orList(words))
}

// orList joins words to "a, b or c".
func orList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// toggle is true or false.
type toggle bool

func (t *toggle) parse(s string) error {
	switch s {
	case "true":
		*t = true
	case "false":
		*t = false
	case "yes", "on", "Yes", "On", "YES", "ON", "True", "TRUE", "1":
		return errors.New("is not true or false; did you mean `true`?")
	case "no", "off", "No", "Off", "NO", "OFF", "False", "FALSE", "0":
		return errors.New("is not true or false; did you mean `false`?")
	default:
		return errors.New("is not true or false; write `true` or `false`")
	}
	return nil
}

func (t *toggle) form() form { return form{what: "true or false", example: "true", json: "boolean"} }

// amounts is so much of each of some units, written as services report it:
// "words=500, characters=3000".
type amounts struct{ list []toll.Amount }

func (a *amounts) parse(s string) error {
	const how = "write each unit with its number, for example words=500 or \"words=500, characters=3000\""
	var list []toll.Amount
	for _, one := range strings.Split(s, ",") {
		unit, number, ok := strings.Cut(one, "=")
		unit = strings.TrimSpace(unit)
		if !ok || checkLabel(unit) != nil {
			return errors.New("says no amounts; " + how)
		}
		var n count
		if err := n.parse(strings.TrimSpace(number)); err != nil {
			return fmt.Errorf("has an amount of %s that %w", unit, err)
		}
		switch {
		case n < 1:
			return fmt.Errorf("has an amount of %s below 1; write 1 or more, or leave it out", unit)
		case n > toll.MaxCount:
			return fmt.Errorf("has an amount of %s above %d, which is the most that one call can use", unit, int64(toll.MaxCount))
		case unit == toll.UnitRequests:
			return errors.New("names `requests`, and every call is one; leave it out")
		case slices.ContainsFunc(list, func(b toll.Amount) bool { return b.Unit == unit }):
			return fmt.Errorf("names %s twice; keep one", unit)
		}
		list = append(list, toll.Amount{Unit: unit, Count: int64(n)})
	}
	a.list = list
	return nil
}

func (a *amounts) form() form {
	return form{what: "amounts of units", example: "words=500", pattern: `^ *[a-z0-9][a-z0-9_-]* *= *[0-9_]+ *(, *[a-z0-9][a-z0-9_-]* *= *[0-9_]+ *)*$`}
}

// count is a whole number; its field's min and max tags bound it.
type count int64

func (c *count) parse(s string) error {
	plain := strings.ReplaceAll(s, "_", "")
	n, err := strconv.ParseInt(plain, 10, 64)
	if err != nil {
		switch {
		case errors.Is(err, strconv.ErrRange):
			return errors.New("is too large a number; at most 9223372036854775807 can be counted")
		case strings.ContainsAny(s, ".,"):
			return errors.New("is no whole number; write only digits, for example 1000")
		}
		return errors.New("is no number; write a whole number, for example 1000")
	}
	*c = count(n)
	return nil
}

func (c *count) form() form { return form{what: "a whole number", example: "1000", json: "integer"} }
