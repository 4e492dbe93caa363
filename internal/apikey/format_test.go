package apikey

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// seeded is a repeatable source of randomness.
func seeded(n byte) io.Reader { return rand.NewChaCha8([32]byte{n}) }

func mint(t testing.TB, random io.Reader) (text string, hash [32]byte) {
	t.Helper()
	secret, hash, _, err := New(toll.Live, random)
	if err != nil {
		t.Fatal(err)
	}
	return secret.Reveal(), hash
}

func TestNewKeyHasTheFormatOfItsMode(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^th_(live|test)_[0-9A-Za-z]{36}$`)
	seen := map[string]bool{}
	for i := range 2000 {
		mode := []toll.Mode{toll.Live, toll.Test}[i%2]
		secret, hash, hint, err := New(mode, nil)
		text := secret.Reveal()
		switch {
		case err != nil:
			t.Fatal(err)
		case !form.MatchString(text) || !strings.HasPrefix(text, "th_"+string(mode)+"_"):
			t.Fatalf("a %s key is %q", mode, text)
		case Check(text) != nil:
			t.Fatalf("%q does not pass its own check", text)
		case hash != sha256.Sum256([]byte(text)) || hash != Hash(text):
			t.Fatalf("the hash of %q is not its SHA-256", text)
		case hint != text[len(text)-4:]:
			t.Fatalf("the hint of %q is %q", text, hint)
		case seen[text]:
			t.Fatalf("%q came twice", text)
		}
		seen[text] = true
	}
}

// TestChecksumIsAsScannersAreTold are keys worked out apart from this code
// (Python: zlib.crc32 and a base 62 of 0-9A-Za-z).
func TestChecksumIsAsScannersAreTold(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"th_live_0000000000000000000000000000000jOwsV",
		"th_test_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz1WpUSV",
		"th_live_0123456789ABCDEFGHIJKLMNOPQRST2wdIlq",
		"th_test_WXYZabcdefghijklmnopqrstuvwxyz1B79LK",
		"th_live_I97YLgqckAG85d5uh860i5eoXPjTZg00eEQp",
	} {
		if err := Check(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestEveryRandomCharacterIsAsLikely(t *testing.T) {
	t.Parallel()
	var count [256]int
	const keys = 6200
	random := seeded(7)
	for range keys {
		text, _ := mint(t, random)
		for _, c := range []byte(text[8:38]) {
			count[c]++
		}
	}
	for _, c := range []byte(base62) { // 3,000 expected; six standard deviations are 330
		if n := count[c]; n < 2670 || n > 3330 {
			t.Errorf("%q came %d times of %d, 3,000 expected", c, n, keys*30)
		}
	}
}

func TestNewKeyFailsWhenRandomnessDoes(t *testing.T) {
	t.Parallel()
	broken := errors.New("no entropy")
	for name, random := range map[string]io.Reader{
		"at once":  io.MultiReader(readerOf{broken}),
		"midway":   io.MultiReader(bytes.NewReader(make([]byte, 20)), readerOf{broken}),
		"too late": bytes.NewReader(bytes.Repeat([]byte{255}, 96)), // 255 is thrown away
	} {
		if text, _, _, err := New(toll.Live, random); err == nil || text != "" {
			t.Errorf("%s: got %q and %v", name, text.Reveal(), err)
		}
	}
	if _, _, _, err := New("demo", nil); toll.CodeOf(err) != toll.Invalid {
		t.Errorf("a mode that is none: %v", err)
	}
}

type readerOf struct{ err error }

func (r readerOf) Read([]byte) (int, error) { return 0, r.err }

func TestCheckRefusesEverySingleMistake(t *testing.T) {
	t.Parallel()
	text, _ := mint(t, seeded(1))
	for i := range len(text) {
		for c := range 256 {
			if byte(c) == text[i] {
				continue
			}
			wrong := text[:i] + string([]byte{byte(c)}) + text[i+1:]
			if Check(wrong) == nil {
				t.Errorf("%q passes in place of %q", wrong, text)
			}
		}
	}
	for _, wrong := range []string{"", text[1:], text[:43], text + "0", text + "\n", " " + text, strings.ToUpper(text), strings.Repeat(text, 2), "th_test_" + text[8:]} {
		if err := Check(wrong); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestErrorsRepeatNothingOfWhatWasSent(t *testing.T) {
	t.Parallel()
	_, a := Credential("Bearer sec ret", "")
	b := Check("another secret")
	if a != b || fmt.Sprint(a) != fmt.Sprint(ErrMalformed) {
		t.Errorf("two malformed keys give %v and %v", a, b)
	}
	if toll.CodeOf(a) != toll.Unauthorized || toll.CodeOf(ErrMissing) != toll.Unauthorized {
		t.Errorf("the codes are %s and %s", toll.CodeOf(a), toll.CodeOf(ErrMissing))
	}
}

func FuzzCheck(f *testing.F) {
	text, _ := mint(f, seeded(1))
	for _, s := range []string{text, text[:43], "th_live_", "", "th_test_" + text[8:], strings.Repeat("z", 44), "th_live_\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if Check(s) != nil {
			return
		}
		// What passes is a key that Credential lets through whole.
		if got, err := Credential("Bearer "+s, ""); err != nil || got != s {
			t.Errorf("%q is a key, but Credential answers %q, %v", s, got, err)
		}
	})
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, _, _, err := New(toll.Live, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	text, _ := mint(b, seeded(1))
	b.ReportAllocs()
	for b.Loop() {
		if Check(text) != nil {
			b.Fatal()
		}
	}
}
