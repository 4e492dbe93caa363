package apikey

import (
	"errors"
	"strings"
	"testing"
)

func TestCredentialIsFoundWhereItMayBe(t *testing.T) {
	t.Parallel()
	const k = "th_live_0123456789abcdef"
	long := strings.Repeat("k", maxText)
	for _, c := range []struct {
		authorization, xAPIKey string
		text                   string
		err                    error
	}{
		{"Bearer " + k, "", k, nil},
		{"bearer " + k, "", k, nil},
		{"BEARER   " + k + " ", "", k, nil},
		{"Token " + k, "", k, nil},
		{"tOKEN " + k, "", k, nil},
		{"", k, k, nil},
		{"", " \t" + k + "\t", k, nil},
		{"Bearer " + k, k, k, nil},
		{"Basic dXNlcjpwYXNz", k, k, nil}, // somebody else's credential, for the service
		{"Bearer " + long, "", long, nil},

		{"", "", "", ErrMissing},
		{"   ", " ", "", ErrMissing},
		{"Basic dXNlcjpwYXNz", "", "", ErrMissing},
		{"Bearertoken", "", "", ErrMissing},
		{k, "", "", ErrMissing}, // no scheme
		{"Digest username=\"x\", realm=\"y\"", "", "", ErrMissing},

		{"Bearer", "", "", ErrMalformed},
		{"Bearer ", "", "", ErrMalformed},
		{"Bearer", k, "", ErrMalformed},
		{"Token  \t ", "", "", ErrMalformed},
		{"Bearer " + k, "th_live_other", "", ErrMalformed},
		{"Bearer a b", "", "", ErrMalformed},
		{"Bearer a,b", "", "", ErrMalformed},
		{"Bearer " + k + ", Bearer " + k, "", "", ErrMalformed},
		{"", k + ", " + k, "", ErrMalformed},
		{"", k + "," + k, "", ErrMalformed},
		{"Bearer " + k, "a b", "", ErrMalformed},
		{"Bearer \x00", "", "", ErrMalformed},
		{"Bearer caf\u00e9", "", "", ErrMalformed},
		{"Bearer \"" + k + "\"", "", "", ErrMalformed},
		{"Bearer " + long + "k", "", "", ErrMalformed},
		{"", long + "k", "", ErrMalformed},
		{"Bearer " + strings.Repeat(" ", 1<<20), "", "", ErrMalformed},
		{"Bearer " + strings.Repeat("k", 1<<20), "", "", ErrMalformed},
	} {
		text, err := Credential(c.authorization, c.xAPIKey)
		if text != c.text || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("Authorization %.60q, X-API-Key %.60q: got %q, %v; want %q, %v", c.authorization, c.xAPIKey, text, err, c.text, c.err)
		}
	}
}

func TestCredentialAllocatesNothing(t *testing.T) {
	huge := "Bearer " + strings.Repeat("k", 1<<20)
	for name, run := range map[string]func(){
		"a key":     func() { Credential("Bearer th_live_0123456789abcdef", "") },
		"two":       func() { Credential("Bearer th_live_0123456789abcdef", "th_live_0123456789abcdef") },
		"none":      func() { Credential("", "") },
		"malformed": func() { Credential(huge, "") },
		"a check":   func() { Check("th_live_0123456789abcdef0123456789abcdef0123") },
		"a hash":    func() { Hash("th_live_0123456789abcdef0123456789abcdef0123") },
	} {
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzCredential(f *testing.F) {
	for _, s := range [][2]string{{"Bearer abc", ""}, {"token  abc ", "abc"}, {"", "x"}, {"Basic abc", "k"}, {"Bearer", ""}, {"Bearer a,b", "\x00"}, {"  Bearer\ta", ""}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, authorization, xAPIKey string) {
		text, err := Credential(authorization, xAPIKey)
		switch {
		case err == nil:
			if text == "" || len(text) > maxText || strings.ContainsAny(text, " \t,\r\n\x00\"") {
				t.Errorf("let %q through", text)
			}
			if !strings.Contains(authorization, text) && !strings.Contains(xAPIKey, text) {
				t.Errorf("%q was in neither field", text)
			}
			// The key alone, in either field, is the same key.
			if a, err := Credential("Bearer "+text, ""); err != nil || a != text {
				t.Errorf("as a bearer %q becomes %q, %v", text, a, err)
			}
			if a, err := Credential("", text); err != nil || a != text {
				t.Errorf("as X-API-Key %q becomes %q, %v", text, a, err)
			}
		case err != ErrMissing && err != ErrMalformed:
			t.Errorf("an error of its own: %v", err)
		case text != "":
			t.Errorf("%q beside %v", text, err)
		}
	})
}

func BenchmarkCredential(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Credential("Bearer th_live_0123456789abcdef0123456789abcdef0123", ""); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCredentialOfAMebibyte shows that the cost does not follow the size.
func BenchmarkCredentialOfAMebibyte(b *testing.B) {
	huge := "Bearer " + strings.Repeat("k", 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Credential(huge, ""); err == nil {
			b.Fatal()
		}
	}
}
