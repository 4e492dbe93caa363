package account_test

import (
	"net/mail"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/internal/account"
)

func TestKeepsAnEmailAddressInOneForm(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"ann@example.com":                         "ann@example.com",
		"  Ann.O'Neil+toll@Mail.Example.COM\n":    "ann.o'neil+toll@mail.example.com",
		"operator@localhost":                      "operator@localhost",
		"JOSE\u0301@example.com":                  "jos\u00e9@example.com",
		"ann@m\u00fcnchen.example":                "ann@m\u00fcnchen.example",
		strings.Repeat("a", 242) + "@example.com": strings.Repeat("a", 242) + "@example.com",
		"0@0": "0@0",
		"very-long_and.odd=but{right}@example.com": "very-long_and.odd=but{right}@example.com",
	} {
		if got, err := account.CleanEmail(typed); err != nil || got != want {
			t.Errorf("%q: got %q and %v, want %q", typed, got, err, want)
		}
	}
}

func TestRefusesWhatIsNoEmailAddress(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{
		"", " ", "ann", "@", "ann@", "@example.com", "ann@@example.com", "ann@exa mple.com", "ann example@x.com",
		"Ann <ann@example.com>", "<ann@example.com>", `"ann b"@example.com`, `"ann"@example.com`, "ann@[127.0.0.1]",
		"ann@example.com, bob@example.com", "ann(comment)@example.com", "ann@example.com\nBcc: all@example.com", "ann@example.com\x00",
		"a\xffb@example.com", ".ann@example.com", "ann.@example.com", strings.Repeat("a", 243) + "@example.com", strings.Repeat("a", 1<<20),
	} {
		got, err := account.CleanEmail(typed)
		wantField(t, err, "email")
		if got != "" {
			t.Errorf("%.40q: got %q", typed, got)
		}
	}
}

func FuzzCleanEmail(f *testing.F) {
	for _, seed := range []string{"ann@example.com", "Ann <ann@example.com>", "\u212a@x", "İ@x.com", `"a"@b`, "a@[::1]", "a@b\r\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		got, err := account.CleanEmail(typed)
		if err != nil {
			return
		}
		if again, err := account.CleanEmail(got); err != nil || again != got {
			t.Fatalf("%q becomes %q, which becomes %q (%v): two people for one address", typed, got, again, err)
		}
		if a, err := mail.ParseAddress(got); err != nil || a.Address != got || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\x00 ") || len(got) > 254 {
			t.Fatalf("%q was kept as %q", typed, got)
		}
	})
}
