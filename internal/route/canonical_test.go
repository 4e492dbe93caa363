package route

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestCanonicalGivesOneReading(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ raw, decoded, encoded string }{
		{"/", "/", "/"},
		{"/v1/ner", "/v1/ner", "/v1/ner"},
		{"/v1/ner/", "/v1/ner/", "/v1/ner/"},
		{"/~user/a-b_c.d", "/~user/a-b_c.d", "/~user/a-b_c.d"},
		{"/a.b/...x/x../..x", "/a.b/...x/x../..x", "/a.b/...x/x../..x"},
		{"/.well-known/acme", "/.well-known/acme", "/.well-known/acme"},
		{"/...", "/...", "/..."},
		// Escapes of characters that need none, and in lower case.
		{"/%61%2D%7e", "/a-~", "/a-~"},
		{"/caf%c3%a9", "/café", "/caf%C3%A9"},
		{"/café", "/café", "/caf%C3%A9"},
		{"/a%20b", "/a b", "/a%20b"},
		{"/a b\"<>^`{|}", "/a b\"<>^`{|}", "/a%20b%22%3C%3E%5E%60%7B%7C%7D"},
		{"/what%3F%23", "/what?#", "/what%3F%23"},
		{"/100%25", "/100%", "/100%25"},
		{"/50%25-off", "/50%-off", "/50%25-off"},
		// Reserved characters stay as they came.
		{"/a;b=c,d+e:f@g!h$i&j'k(l)m*n", "/a;b=c,d+e:f@g!h$i&j'k(l)m*n", "/a;b=c,d+e:f@g!h$i&j'k(l)m*n"},
		{"/a%3bb%2B%3a", "/a;b+:", "/a%3Bb%2B%3A"},
		// A run of slashes is one.
		{"//", "/", "/"},
		{"//v1///ner//", "/v1/ner/", "/v1/ner/"},
		{"//evil.example/x", "/evil.example/x", "/evil.example/x"},
	} {
		decoded, encoded, err := Canonical(c.raw)
		if err != nil || decoded != c.decoded || encoded != c.encoded {
			t.Errorf("%q: got %q, %q, %v; want %q, %q", c.raw, decoded, encoded, err, c.decoded, c.encoded)
		}
	}
}

func TestCanonicalRefusesWhatHasTwoReadings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why   error
		paths []string
	}{
		{ErrPathRelative, []string{"", "v1/ner", "*", "http://x/", "%2fv1", "\\x", ";/x"}},
		{ErrPathEscape, []string{"/%", "/a%", "/%4", "/%zz", "/%4g/x", "/%u002f", "/%-1", "/%%41"}},
		{ErrPathSlash, []string{"/v1%2fner", "/v1%2Fner", "/a\\b", "/a%5cb", "/a%5C..%5Cb", "/%2f", "/..%2f..", "/%2F%2e%2e"}},
		{ErrPathControl, []string{"/a%00", "/a\x00b", "/%0a", "/a\r\nX: y", "/%0D%0A", "/\t", "/%7f", "/\x1b", "/%c2%85", "/\u009f"}},
		{ErrPathDots, []string{"/.", "/..", "/./", "/../", "/a/../b", "/a/./b", "/a/..", "/a/.", "/%2e", "/%2e%2e/x", "/.%2e/x", "/%2E./x", "/a//../b", "/..;", "/..;/x", "/a/..;x=y/b", "/.;/x", "/..%3b/x", "/%2e%2e%3B/x", "/.;"}},
		{ErrPathTwice, []string{"/%252f", "/%252F", "/%252e%252e/", "/%2500", "/%255c", "/%253b", "/a%2541", "/%25252f", "/%25%32%66"}},
		{ErrPathUTF8, []string{"/\xff", "/%ff", "/%c0%ae%c0%ae/", "/%c0%af", "/%e0%80%af", "/%ed%a0%80", "/caf%c3", "/\xc3/x"}},
		{ErrPathDelimiter, []string{"/a?b", "/a#b", "/?"}},
	} {
		for _, raw := range c.paths {
			decoded, encoded, err := Canonical(raw)
			if !errors.Is(err, c.why) || decoded != "" || encoded != "" {
				t.Errorf("%q: got %q, %q, %v; want %v", raw, decoded, encoded, err, c.why)
			}
			if err != nil && toll.CodeOf(err) != toll.Invalid {
				t.Errorf("%q: the code is %s", raw, toll.CodeOf(err))
			}
		}
	}
}

func TestCanonicalOfAPlainPathAllocatesNothing(t *testing.T) {
	for _, raw := range []string{"/v1/ner/extractions", "/", "/a;b@c:d", "/v1/%2f", "relative"} {
		want := 0.0
		if strings.Contains(raw, "%") {
			want = 2 // a refusal may allocate its buffers, and no more
		}
		if n := testing.AllocsPerRun(100, func() { Canonical(raw) }); n > want {
			t.Errorf("%q: %v allocations", raw, n)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"/", "/v1/ner", "/a/../b", "/%2e%2e/", "/a%2fb", "/%252f", "/caf%c3%a9", "//a//", "/a;b/..;/c", "/%", "/a b{}", "/%25x", "\xff", "/a?b#c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		decoded, encoded, err := Canonical(raw)
		if err != nil {
			if decoded != "" || encoded != "" {
				t.Fatalf("%q is refused and yet %q, %q", raw, decoded, encoded)
			}
			return
		}
		d, e, err := Canonical(encoded)
		if err != nil || d != decoded || e != encoded {
			t.Fatalf("%q becomes %q, and that becomes %q, %q, %v", raw, encoded, d, e, err)
		}
		// Another reader, of another make, reads the same.
		if u, err := url.ParseRequestURI(encoded); err != nil || u.Path != decoded || u.RawQuery != "" {
			t.Fatalf("net/url reads %q as %+v, %v; we read %q", encoded, u, err, decoded)
		}
		if strings.Count(decoded, "/") != strings.Count(encoded, "/") {
			t.Fatalf("%q and %q have other segments", decoded, encoded)
		}
		if !utf8.ValidString(decoded) || strings.Contains(decoded, "//") || strings.ContainsAny(decoded, "\\\x00\r\n") {
			t.Fatalf("%q was let through as %q", raw, decoded)
		}
		for segment := range strings.SplitSeq(decoded, "/") {
			name, _, _ := strings.Cut(segment, ";")
			if name == "." || name == ".." {
				t.Fatalf("%q was let through as %q", raw, decoded)
			}
		}
		for i := 0; i < len(encoded); i++ {
			if c := encoded[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}?#", c) >= 0 {
				t.Fatalf("%q is forwarded with %q in it", encoded, c)
			}
		}
	})
}

func BenchmarkCanonicalPlain(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Canonical("/v1/ner/extractions"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCanonicalEscaped(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Canonical("/v1/ner/documents/caf%c3%a9%20au%20lait"); err != nil {
			b.Fatal(err)
		}
	}
}
