package apikey

import (
	"crypto/sha256"
	"errors"
	"regexp"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestAnAPITokenHasAFormOfItsOwn(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^th_api_[0-9A-Za-z]{36}$`)
	for range 200 {
		secret, hash, hint, err := NewToken(nil)
		text := secret.Reveal()
		switch {
		case err != nil:
			t.Fatal(err)
		case !form.MatchString(text) || CheckToken(text) != nil:
			t.Fatalf("a token is %q", text)
		case Check(text) == nil:
			t.Fatalf("%q passes for a key", text)
		case hash != sha256.Sum256([]byte(text)) || hint != text[len(text)-4:]:
			t.Fatalf("hash or hint of %q are not its own", text)
		}
		for i := len(apiPrefix); i < len(text); i++ {
			other := byte('A')
			if text[i] == other {
				other = 'B'
			}
			if wrong := text[:i] + string(other) + text[i+1:]; !errors.Is(CheckToken(wrong), ErrMalformed) {
				t.Fatalf("%q passes, one character off %q", wrong, text)
			}
		}
	}
	key, _, _, err := New(toll.Live, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "th_api_", key.Reveal(), "th_api_" + key.Reveal()[8:]} {
		if CheckToken(text) == nil {
			t.Errorf("%q passes for a token", text)
		}
	}
}
