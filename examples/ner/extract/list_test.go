package extract_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/examples/ner/extract"
)

func list(t *testing.T, text string) *extract.List {
	t.Helper()
	l, err := extract.ReadList(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestFindsTheTermsOfAListBeforeItsOwn(t *testing.T) {
	t.Parallel()
	x, err := extract.New()
	if err != nil {
		t.Fatal(err)
	}
	mine := list(t, "\ufeff# ours\r\nZorblax\tORGANISATION\r\n\nZorblax Prime\tPLACE\nGoogle\tPERSON\nKangaroo\tANIMAL\n")
	if mine.Terms() != 3 || mine.Skipped() != 1 {
		t.Errorf("%d terms, %d skipped; want 3 and 1", mine.Terms(), mine.Skipped())
	}
	theirs := list(t, "zorblax\tPERSON\n")
	for _, c := range []struct {
		text  string
		lists []*extract.List
		want  string
	}{
		{"he met zorblax and Google", []*extract.List{mine}, "[{7 14 ORGANISATION zorblax} {19 25 PERSON Google}]"},
		{"🙂 ZORBLAX   PRIME is far", []*extract.List{mine}, "[{2 17 PLACE ZORBLAX   PRIME}]"},
		{"he met zorblax", []*extract.List{mine, theirs}, "[{7 14 PERSON zorblax}]"},
		{"he met zorblaxes", []*extract.List{mine}, "[]"},
		{"he met zorblax", nil, "[]"},
	} {
		if got := fmt.Sprint(x.ExtractWith(c.text, c.lists...)); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

func TestRefusesAListWithTheLine(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{"A\tPERSON\nno tab\n": "line 2", "\tPERSON\n": "line 1", "caf\xe9\tPLACE\n": "line 1", strings.Repeat("x", 5000): "too long"} {
		if _, err := extract.ReadList(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.20q: %v, want %q", text, err, says)
		}
	}
}

func FuzzReadList(f *testing.F) {
	for _, seed := range []string{"Zorblax\tPERSON\n", "", "a\tb", "\t", "#", "日本\tPLACE", "...\tPLACE\n"} {
		f.Add(seed, "he met Zorblax in 日本")
	}
	x, err := extract.New()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, terms, text string) {
		l, err := extract.ReadList(strings.NewReader(terms))
		if err != nil {
			return
		}
		runes, end := []rune(text), 0
		for _, e := range x.ExtractWith(text, l) {
			if e.Start < end || e.End > len(runes) || e.End <= e.Start {
				t.Fatalf("%+v does not stand in %q", e, text)
			}
			end = e.End
		}
	})
}
