package extract_test

import (
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/examples/ner/extract"
)

func newExtractor(t testing.TB) *extract.Extractor {
	t.Helper()
	x, err := extract.Default()
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// check fails the test when an answer breaks what Extract promises.
func check(t *testing.T, text string, got []extract.Extraction) {
	t.Helper()
	// Positions count what a range loop counts: a stray byte is one.
	var starts []int
	for i := range text {
		starts = append(starts, i)
	}
	starts = append(starts, len(text))
	end := 0
	for _, e := range got {
		if e.Start < end || e.End <= e.Start || e.End >= len(starts) {
			t.Fatalf("%q: %+v is out of range, empty, or overlaps the one before, which ends at %d", text, e, end)
		}
		if want := text[starts[e.Start]:starts[e.End]]; e.Text != want {
			t.Fatalf("%q: %+v: the text between its positions is %q", text, e, want)
		}
		if !isType(string(e.Type)) {
			t.Fatalf("%q: %+v has an unknown type", text, e)
		}
		end = e.End
	}
}

func TestPositionsCountCodePointsOfTheTextAsSent(t *testing.T) {
	t.Parallel()
	x := newExtractor(t)
	google := func(start int) extract.Extraction {
		return extract.Extraction{Start: start, End: start + 6, Type: extract.Organisation, Text: "Google"}
	}
	for name, c := range map[string]struct {
		text string
		want []extract.Extraction
	}{
		"plain":                  {"at Google", []extract.Extraction{google(3)}},
		"emoji before":           {"👋 at Google", []extract.Extraction{google(5)}},
		"family emoji before":    {"👨‍👩‍👧 at Google", []extract.Extraction{google(9)}},
		"flag before":            {"🇰🇪 at Google", []extract.Extraction{google(6)}},
		"Chinese before":         {"他在 at Google", []extract.Extraction{google(6)}},
		"Arabic before":          {"يعمل at Google", []extract.Extraction{google(8)}},
		"bidi marks around":      {"\u202eat\u202c Google", []extract.Extraction{google(5)}},
		"composed accent":        {"José García at Google", []extract.Extraction{{Start: 0, End: 11, Type: extract.Person, Text: "José García"}, google(15)}},
		"decomposed accent":      {"Jose\u0301 Garci\u0301a at Google", []extract.Extraction{{Start: 0, End: 13, Type: extract.Person, Text: "Jose\u0301 Garci\u0301a"}, google(17)}},
		"many marks":             {"Zu\u0308\u0323rich, at Google", []extract.Extraction{{Start: 0, End: 8, Type: extract.Place, Text: "Zu\u0308\u0323rich"}, google(13)}},
		"full width":             {"Ｇｏｏｇｌｅ", []extract.Extraction{{Start: 0, End: 6, Type: extract.Organisation, Text: "Ｇｏｏｇｌｅ"}}},
		"Japanese without space": {"私は東京に住む", []extract.Extraction{{Start: 2, End: 4, Type: extract.Place, Text: "東京"}}},
		"Hebrew":                 {"אני גר בתל אביב, תל אביב", []extract.Extraction{{Start: 17, End: 24, Type: extract.Place, Text: "תל אביב"}}},
		"not UTF-8":              {"\xff\xfe at Google", []extract.Extraction{google(6)}},
		"line breaks":            {"at\r\n\r\nGoogle", []extract.Extraction{google(6)}},
		"typographic apostrophe": {"at L’Oréal", []extract.Extraction{{Start: 3, End: 10, Type: extract.Organisation, Text: "L’Oréal"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := x.Extract(c.text)
			check(t, c.text, got)
			if len(got) != len(c.want) {
				t.Fatalf("%q: got %+v, want %+v", c.text, got, c.want)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("%q: got %+v, want %+v", c.text, got[i], c.want[i])
				}
			}
		})
	}
}

func TestFindsTheSameInAnyWrappingOfASentence(t *testing.T) {
	t.Parallel()
	x := newExtractor(t)
	// The names are not the point: the same words must be found whatever stands
	// before the sentence, moved by exactly as many code points.
	for _, s := range readGold(t, "tune.txt") {
		got := x.Extract(s.text)
		for _, prefix := range []string{"\n", "🙂\n", "اختبار.\n", "— \n"} {
			moved := x.Extract(prefix + s.text)
			if len(moved) != len(got) {
				t.Errorf("%q before %q: found %d, without it %d", prefix, s.text, len(moved), len(got))
				continue
			}
			shift := utf8.RuneCountInString(prefix)
			for i := range got {
				want := got[i]
				want.Start, want.End = want.Start+shift, want.End+shift
				if moved[i] != want {
					t.Errorf("%q before %q: got %+v, want %+v", prefix, s.text, moved[i], want)
				}
			}
		}
	}
}

func TestFindsNothingWhereNothingIsNamed(t *testing.T) {
	t.Parallel()
	x := newExtractor(t)
	for _, text := range []string{
		"", " ", "\n\t", "!!!", "12345", "🙂🙂", "the quick brown fox jumps over the lazy dog",
		"Will you come in May or in June?", "Apple pie, please.", "Mark my words.", "THIS IS A LOUD SENTENCE ABOUT NOTHING.",
		"We meet on Monday at noon.", "\u0301\u0301", "\u200d", "' - ’", "'s",
	} {
		if got := x.Extract(text); len(got) != 0 {
			t.Errorf("%q: found %+v, want nothing", text, got)
		}
	}
}

func TestReadsAmbiguousNamesByTheWordsBesideThem(t *testing.T) {
	t.Parallel()
	x := newExtractor(t)
	for _, c := range []struct {
		text, entity string
		want         extract.Type // "" when it must not be found
	}{
		{"Georgia Taylor lives here.", "Georgia Taylor", extract.Person},
		{"She flew to Georgia.", "Georgia", extract.Place},
		{"Apple opened a shop.", "Apple", extract.Organisation},
		{"Apple cake is sweet.", "Apple", ""},
		{"She works at Shell.", "Shell", extract.Organisation},
		{"He met Will Turner.", "Will Turner", extract.Person},
		{"Will he come?", "Will", ""},
		{"They stayed in Nice.", "Nice", extract.Place},
		{"Nice work!", "Nice", ""},
		{"Dr. Baker called.", "Dr. Baker", extract.Person},
		{"She is a baker and a nurse.", "nurse", extract.Position},
		{"An officer came.", "officer", ""},
		{"A police officer came.", "police officer", extract.Position},
	} {
		var found extract.Type
		for _, e := range x.Extract(c.text) {
			if e.Text == c.entity {
				found = e.Type
			}
		}
		if found != c.want {
			t.Errorf("%q: %s is %q, want %q", c.text, c.entity, found, c.want)
		}
	}
}

func TestIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	x := newExtractor(t)
	sentences := readGold(t, "tune.txt")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, s := range sentences {
				check(t, s.text, x.Extract(s.text))
			}
		})
	}
	wg.Wait()
}

func FuzzExtract(f *testing.F) {
	for _, seed := range []string{
		"John Doe is a Go Developer at Google", "Dr. J. R. R. Tolkien's", "U.S.A. a.b.c.d.e.f.g.h.i.jk", "Miller & Sons Ltd. & Co., Inc.", "L’Oréal S.A., 東京",
		"van der von de la", "Head of of Marketing", "C++ C# F## +", "a\xffb\xc3", "e\u0301\u0301'\u0301s", "Ms. Ms. Mr.", "of of of", "Bank of the and of", ", Inc", "@the X",
	} {
		f.Add(seed)
	}
	x := newExtractor(f)
	f.Fuzz(func(t *testing.T, text string) { check(t, text, x.Extract(text)) })
}

func BenchmarkExtractSentence(b *testing.B) {
	x := newExtractor(b)
	text := "Yesterday Angela Merkel met Emmanuel Macron in Paris, said the head of marketing of Deutsche Bank AG."
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		x.Extract(text)
	}
}

// BenchmarkExtractWorstTexts shows that no text of the largest size that the
// API takes costs more than its length.
func BenchmarkExtractWorstTexts(b *testing.B) {
	x := newExtractor(b)
	for name, unit := range map[string]string{
		"points": "a.", "capitals": "Xq ", "titles": "senior engineer ", "suffixes": "Inc Ltd ", "particles": "Ann van der ", "marks": "a\u0301", "ampersands": "A & ", "one word": "a", "institutions": "Bank of ",
	} {
		text := strings.Repeat(unit, 100_000/utf8.RuneCountInString(unit))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				x.Extract(text)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := extract.New(); err != nil {
			b.Fatal(err)
		}
	}
}
