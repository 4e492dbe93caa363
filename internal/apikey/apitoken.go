package apikey

import (
	"io"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// The text of an API token, which opens the management API and no service, has
// the form of a key under another prefix: th_api_, 30 random characters of base
// 62, and the checksum of the 37 characters before it. 43 characters in all.
const apiPrefix = "th_api_"

// NewToken makes the text of an API token, its hash and its hint, as New does.
func NewToken(random io.Reader) (text toll.Secret, hash [32]byte, hint string, err error) {
	return textOf(apiPrefix, random)
}

// LikeToken tells whether text begins as an API token does, well formed or not:
// then whoever sends it where a key belongs took one for the other.
func LikeToken(text string) bool { return strings.HasPrefix(text, apiPrefix) }

// CheckToken tells whether text has the form of an API token and the right
// checksum: nil, or ErrMalformed. It says nothing about whether it exists.
func CheckToken(text string) error {
	if len(text) != len(apiPrefix)+randomLen+checksumLen || !strings.HasPrefix(text, apiPrefix) {
		return ErrMalformed
	}
	return checkAfter(len(apiPrefix), text)
}
