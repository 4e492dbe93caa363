package words_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/examples/daybook/words"
)

var verb = regexp.MustCompile(`%[^%]`)

// keys are those of a language, from its file: what is there, and not what
// happens to be asked for.
func keys(t *testing.T, file string) map[string]string {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t\t"([a-z0-9.]+)": +("(?:[^"\\]|\\.)*"),$`).FindAllStringSubmatch(string(source), -1) {
		all[m[1]] = m[2]
	}
	if len(all) < 50 {
		t.Fatalf("%s has %d keys only; this measures nothing", file, len(all))
	}
	return all
}

func TestEveryLanguageSaysEverything(t *testing.T) {
	t.Parallel()
	english := keys(t, "english.go")
	for code, file := range map[string]string{"fr": "french.go", "es": "spanish.go"} {
		other := keys(t, file)
		w, _ := words.In(code)
		for key, text := range english {
			switch {
			case other[key] == "":
				t.Errorf("%s does not say %s", code, key)
			case !slices.Equal(verb.FindAllString(text, -1), verb.FindAllString(other[key], -1)):
				t.Errorf("%s: %s takes other values: %s", code, key, other[key])
			case !w.Has(key):
				t.Errorf("%s: %s is in the file, and not in use", code, key)
			}
		}
		for key := range other {
			if english[key] == "" {
				t.Errorf("%s says %s, which English does not", code, key)
			}
		}
	}
}

// TestEveryKeyIsUsedAndEveryUsedOneIsThere reads the pages and handlers.
func TestEveryKeyIsUsedAndEveryUsedOneIsThere(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	for _, pattern := range []string{"../app/*.go", "../app/pages/*.html"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(file, "_test.go") {
				source.Write(text)
			}
		}
	}
	english := keys(t, "english.go")
	for _, m := range regexp.MustCompile(`\bT\(?\s?"([^"]+)"[ ),}]`).FindAllStringSubmatch(source.String(), -1) {
		if english[m[1]] == "" && m[1] != "wrong." {
			t.Errorf("%s is used and not there", m[1])
		}
	}
	for key := range english {
		// Keys of faults and of what is wrong are put together from their parts.
		if !strings.Contains(source.String(), `"`+key+`"`) && !strings.HasPrefix(key, "fault.") && !strings.HasPrefix(key, "wrong.") {
			t.Errorf("nobody uses %s", key)
		}
	}
}

func TestAnswersInTheLanguageThatIsAskedFor(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"": "en", "fr": "fr", "fr-CA,fr;q=0.9,en;q=0.8": "fr", "es-419": "es", "de-DE,es;q=0.5": "es", "en;q=0.3,fr;q=0.9": "fr",
		"de": "en", "tlh": "en", "*": "en", "xx-YY,;;;q=": "en", "\x00": "en", strings.Repeat("fr,", 10_000): "en",
	} {
		if got := words.Asked(accept).Lang(); got != want {
			t.Errorf("%.30q is answered in %s, want %s", accept, got, want)
		}
	}
	for code, known := range map[string]bool{"fr": true, "": false, "FR": false, "xx": false, "../fr": false} {
		if w, is := words.In(code); is != known || !is && w.Lang() != "en" {
			t.Errorf("%q: %v, %s", code, is, w.Lang())
		}
	}
}

func TestWritesDaysAndNumbersAsEachLanguageDoes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 18, 5, 0, 0, time.UTC)
	first := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	for code, want := range map[string][5]string{
		"en": {"Friday, 20 November 2026", "Saturday, 1 August 2026", "Fri 20 Nov 2026", "20,000", "18:05"},
		"fr": {"Vendredi 20 novembre 2026", "Samedi 1er août 2026", "ven. 20 nov. 2026", "20\u202f000", "18:05"},
		"es": {"Viernes, 20 de noviembre de 2026", "Sábado, 1 de agosto de 2026", "vie 20 nov 2026", "20\u202f000", "18:05"},
	} {
		w, _ := words.In(code)
		if got := [5]string{w.LongDay(at), w.LongDay(first), w.ShortDay(at), w.Number(20_000), w.Clock(at)}; got != want {
			t.Errorf("%s: %q", code, got)
		}
		if w.Number(999) != "999" || w.Number(1_048_576) != strings.ReplaceAll(w.Number(1_048), "048", "048"+strings.Trim(w.Number(1_000), "10")+"576") {
			t.Errorf("%s: %s, %s", code, w.Number(999), w.Number(1_048_576))
		}
	}
	if w, _ := words.In("en"); w.T("no.such.key") != "no.such.key" || w.T("state.saved", "18:30") != "Saved at 18:30" {
		t.Error("a key and a sentence")
	}
}
