package config

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/language"
)

// country is a country by its two letters of ISO 3166-1.
type country string

func (c *country) parse(s string) error {
	if isCountry(s) {
		*c = country(s)
		return nil
	}
	if upper := strings.ToUpper(s); isCountry(upper) {
		return fmt.Errorf("is no country; did you mean `%s`?", upper)
	}
	return errors.New("is no country; write its two letters after ISO 3166, for example DE or US")
}

// isCountry tells whether a text is a country's code: two upper-case letters,
// and the name of a country and of no group of them.
func isCountry(s string) bool {
	if len(s) != 2 || s != strings.ToUpper(s) {
		return false
	}
	region, err := language.ParseRegion(s)
	return err == nil && region.IsCountry() && region.String() == s
}

func (c *country) form() form {
	return form{what: "a country", example: "DE", pattern: `^[A-Z]{2}$`}
}
