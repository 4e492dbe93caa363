package words

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var verb = regexp.MustCompile(`%(\[\d+\])?[a-z]`)

func TestEachLanguageSaysEverythingWithTheSameVerbs(t *testing.T) {
	t.Parallel()
	for _, lang := range Known() {
		w := In(lang)
		for key, text := range languages["en"].messages {
			got, ok := w.messages[key]
			switch {
			case !ok || got == "":
				t.Errorf("%s lacks %q", lang, key)
			case !slices.Equal(verb.FindAllString(got, -1), verb.FindAllString(text, -1)):
				t.Errorf("%s has other verbs in %q: %q", lang, key, got)
			}
		}
		for key := range w.messages {
			if _, ok := languages["en"].messages[key]; !ok {
				t.Errorf("%s has %q, which English does not", lang, key)
			}
		}
		for _, form := range []string{"months.short", "months.long"} {
			if n := len(strings.Split(w.T(form), " ")); n != 12 {
				t.Errorf("%s has %d months in %s", lang, n, form)
			}
		}
	}
}

// Keys that are put together from a status, a role or a reason are found by
// their beginning.
func TestEachMessageThatAPageAsksForIsThere(t *testing.T) {
	t.Parallel()
	asked := regexp.MustCompile(`\.(?:T|N)\("([a-z0-9_.-]+)"( ?\+)?`)
	seen := 0
	files, err := filepath.Glob("../*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_templ.go") || strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			continue // a folder with a dot in its name
		}
		for _, m := range asked.FindAllStringSubmatch(string(src), -1) {
			seen++
			found := false
			for key := range languages["en"].messages {
				found = found || key == m[1] || (m[2] != "" && strings.HasPrefix(key, m[1])) || key == m[1]+".other"
			}
			if !found {
				t.Errorf("%s asks for %q, which no catalogue has", filepath.Base(file), m[1])
			}
		}
	}
	if seen < 100 {
		t.Fatalf("only %d messages were found in the sources: the pattern does not fit any more", seen)
	}
}

func TestChoosesTheLanguageOfTheSettingThenOfTheBrowser(t *testing.T) {
	t.Parallel()
	c, err := NewChoice(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ setting, accept, want string }{
		{"", "", "en"},
		{"", "fr-CA,fr;q=0.9,en;q=0.8", "fr"},
		{"", "de, es;q=0.5", "es"},
		{"", "de", "en"},
		{"", "en;q=0.1, es;q=0.9", "es"},
		{"", "!!! not a list", "en"},
		{"", strings.Repeat("fr,", 1000), "en"},
		{"es-MX", "fr", "es"},
		{"fr", "en", "fr"},
		{"de", "fr", "fr"},
		{"no language", "fr", "fr"},
	} {
		if got := c.For(x.setting, x.accept).Lang(); got != x.want {
			t.Errorf("setting %q and Accept-Language %.20q give %s, want %s", x.setting, x.accept, got, x.want)
		}
	}
	only, err := NewChoice([]string{"fr"})
	if err != nil {
		t.Fatal(err)
	}
	if got := only.For("es", "en").Lang(); got != "fr" {
		t.Errorf("only French is offered, and %s was chosen", got)
	}
	if _, err := NewChoice([]string{"en", "tlh"}); err == nil {
		t.Error("an unknown language was accepted")
	}
}

func TestWritesNumbersAndMoneyByLanguage(t *testing.T) {
	t.Parallel()
	en, fr, es := In("en"), In("fr"), In("es")
	for _, x := range []struct{ got, want string }{
		{en.Number(0), "0"},
		{en.Number(999), "999"},
		{en.Number(1000), "1,000"},
		{en.Number(-1234567), "\u22121,234,567"},
		{en.Number(-9223372036854775808), "\u22129,223,372,036,854,775,808"},
		{fr.Number(1234567), "1\u202f234\u202f567"},
		{es.Number(1234), "1234"},
		{es.Number(12345), "12.345"},
		{en.Compact(950), "950"},
		{en.Compact(1500), "1.5k"},
		{fr.Compact(2_500_000), "2,5M"},
		{en.Percent(0.124), "12%"},
		{fr.Percent(0.124), "12\u202f%"},
		{en.Money("1234.50", "USD"), "$1,234.50"},
		{en.Money("-3.00", "USD"), "\u2212$3.00"},
		{fr.Money("1234.50", "EUR"), "1\u202f234,50\u00a0€"},
		{es.Money("29.00", "USD"), "29,00\u00a0$"},
		{en.Money("12", "CHF"), "12\u00a0CHF"},
		{en.Money("0", ""), "0"},
	} {
		if x.got != x.want {
			t.Errorf("got %q, want %q", x.got, x.want)
		}
	}
}

func TestSaysTimesAsPeopleDo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 5, 33, 0, time.UTC)
	en, fr, es := In("en"), In("fr"), In("es")
	for _, x := range []struct{ got, want string }{
		{en.Ago(now, now), "just now"},
		{en.Ago(now.Add(-time.Minute), now), "1 minute ago"},
		{en.Ago(now.Add(-59*time.Minute), now), "59 minutes ago"},
		{en.Ago(now.Add(-25*time.Hour), now), "1 day ago"},
		{en.Ago(now.Add(-40*24*time.Hour), now), "11 Oct 2026"},
		{en.Ago(now.Add(30*time.Second), now), "in a moment"},
		{en.Ago(now.Add(49*time.Hour), now), "in 2 days"},
		{fr.Ago(now.Add(-3*time.Hour), now), "il y a 3 heures"},
		{es.Ago(now.Add(-1*time.Hour), now), "hace 1 hora"},
		{fr.Month(now), "novembre 2026"},
		{es.Month(now), "noviembre de 2026"},
		{en.Hour(now), "20 Nov, 14:05"},
		{en.Moment(now.In(time.FixedZone("", 3600))), "20 Nov 2026, 14:05:33 UTC"},
		{en.Span(500 * time.Millisecond), "1 second"},
		{en.Span(61 * time.Second), "2 minutes"},
		{en.Span(90 * time.Minute), "2 hours"},
	} {
		if x.got != x.want {
			t.Errorf("got %q, want %q", x.got, x.want)
		}
	}
}

func TestAMissingMessageShowsItsKey(t *testing.T) {
	t.Parallel()
	if got := In("fr").T("no.such.key"); got != "no.such.key" {
		t.Errorf("got %q", got)
	}
	if got := In("xx").Lang(); got != "en" {
		t.Errorf("an unknown language is %s", got)
	}
}
