package apikey

import (
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Keys that another system made keep working here: the ring finds a key by the
// SHA-256 of its text whatever form it has, and the form (Check) is asked only
// for a text that was not found, to say what is wrong with it. So a foreign key
// needs no exception at the gate; it must only be something that a request can
// carry and nobody can guess.

// shortestForeign is how many characters a foreign key has at least: what has
// fewer could be found by trying.
const shortestForeign = 20

// Foreign says whether a text that another system made can be a key here, and
// returns its hash and its hint. Otherwise the error is Invalid about the field key, and repeats
// nothing of the text: it is shorter than 20 characters or longer than 128; it
// holds characters that Credential lets through in no request; it uses too few different ones; or it has the form
// of one of our own with a checksum that is wrong, or of an API token.
func Foreign(text string) (hash [32]byte, hint string, err error) {
	switch {
	case len(text) < shortestForeign:
		return hash, "", toll.FieldError("key", "The key is shorter than %d characters, so it could be guessed. Give the customer a new one.", shortestForeign)
	case len(text) > maxText:
		return hash, "", toll.FieldError("key", "The key is longer than %d characters.", maxText)
	case strings.HasPrefix(text, apiPrefix):
		return hash, "", toll.FieldError("key", "This is an API token, and no key.")
	case (strings.HasPrefix(text, livePrefix) || strings.HasPrefix(text, testPrefix)) && Check(text) != nil:
		return hash, "", toll.FieldError("key", "This key begins as ours do, and its checksum is wrong. Was it cut, or mistyped?")
	}
	different := map[byte]bool{}
	for i := range len(text) {
		if !inKey[text[i]] {
			return hash, "", toll.FieldError("key", "The key holds a character that no request could carry in its header.")
		}
		different[text[i]] = true
	}
	if len(different) < shortestForeign/3 {
		return hash, "", toll.FieldError("key", "The key is made of so few different characters that it could be guessed. Give the customer a new one.")
	}
	return Hash(text), text[len(text)-hintLen:], nil
}
