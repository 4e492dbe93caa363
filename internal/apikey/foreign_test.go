package apikey

import (
	"errors"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestAForeignKeyIsFoundByItsHashAndNoOtherTextIsLetIn(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"sk-legacy-6f9d2c81a7b34e50", "eyJhbGciOiJIUzI1NiJ9.e30.abcdefgh", "550e8400-e29b-41d4-a716-446655440000", strings.Repeat("abcdefgh", 16)} {
		hash, hint, err := Foreign(text)
		if err != nil || hash != Hash(text) || hint != text[len(text)-4:] {
			t.Errorf("%q: %q, %v", text, hint, err)
		}
		ring := NewRing[int]()
		ring.Put(toll.Key{ID: "key_1", Hash: hash}, 7)
		sent, err := Credential("Bearer "+text, "")
		if err != nil || sent != text {
			t.Fatalf("no request carries %q: %v", text, err)
		}
		for range 2 { // by its hash, and then by its mark
			if e, ok := ring.Lookup(sent); !ok || e.Owner != 7 {
				t.Errorf("%q is not found", text)
			}
		}
		for _, near := range []string{text[1:], text + "x", strings.ToUpper(text), ""} {
			if _, ok := ring.Lookup(near); ok && near != text {
				t.Errorf("%q is taken for %q", near, text)
			}
		}
		if Check(text) == nil {
			t.Errorf("%q passes for one of ours", text)
		}
	}
	ours, _ := mint(t, seeded(3))
	if _, _, err := Foreign(ours); err != nil {
		t.Errorf("a key of another installation of ours: %v", err)
	}
}

func TestRefusesAForeignKeyThatCouldBeGuessedOrNeverSent(t *testing.T) {
	t.Parallel()
	ours, _ := mint(t, seeded(3))
	token, _, _, err := NewToken(seeded(4))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "sesame", strings.Repeat("ab", 9) + "c", strings.Repeat("a", 40), strings.Repeat("k9x7", 33), "with a space 0123456789ab", "with,comma-0123456789abcd", "größe-0123456789abcdefgh",
		"tab\t0123456789abcdefghij", "nul\x000123456789abcdefghij", "quote\"0123456789abcdefgh", ours[:len(ours)-1] + "_", token.Reveal(),
	} {
		_, hint, err := Foreign(text)
		var e *toll.Error
		if !errors.As(err, &e) || e.Code != toll.Invalid || e.Field != "key" || hint != "" {
			t.Errorf("%q is let in: %v", text, err)
		} else if text != "" && strings.Contains(e.Message, text) {
			t.Errorf("the error repeats %q", text)
		}
	}
}
