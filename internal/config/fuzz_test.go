package config

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever the text is, Parse does not panic, and each problem has a place
// within the text and fits on one line.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/broken/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/contract.yml", "testdata/contract-all.yml") {
		f.Add(fileBytes(f, file))
	}
	f.Add(Starter(""))
	f.Add([]byte("a: &a { <<: *a }\nb: &b [*b]\n? [x]\n: y\n"))
	f.Add([]byte("services: { a: { <<: [ { path: /a }, *x ] } }\n"))
	f.Add([]byte("name: |\n  a\n  b\ndata: >-\n  x\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := parseWith("fuzz.yml", src, testEnvironment())
		if err == nil {
			if c == nil || c.TimeZone == nil || c.Listen.HTTP == "" || len(c.Console.Languages) == 0 {
				t.Fatalf("incomplete: %+v", c)
			}
			return
		}
		var problems *Error
		if !errors.As(err, &problems) || c != nil || len(problems.Problems) == 0 {
			t.Fatalf("not an Error with problems: %v", err)
		}
		text := strings.TrimPrefix(string(src), "\xef\xbb\xbf")
		lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
		for _, p := range problems.Problems {
			if p.Line < 1 || p.Line > len(lines) {
				t.Fatalf("line %d of %d: %s", p.Line, len(lines), p)
			}
			if most := utf8.RuneCountInString(lines[p.Line-1]) + 1; p.Column < 1 || p.Column > most {
				t.Fatalf("column %d of %d: %s", p.Column, most, p)
			}
			if strings.ContainsAny(p.String(), "\n\r\x1b\x00") || !utf8.ValidString(p.Long()) {
				t.Fatalf("not fit for a terminal: %q", p.Long())
			}
		}
	})
}
