package mail

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestEveryLanguageHasTheSameTextsAndValues(t *testing.T) {
	t.Parallel()
	for lang, words := range catalogues {
		if got, want := slices.Sorted(maps.Keys(words)), slices.Sorted(maps.Keys(english)); !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", lang, got, want)
		}
		for key, text := range words {
			holes := func(s string) []string {
				all := placeholder.FindAllString(s, -1)
				slices.Sort(all)
				return slices.Compact(all)
			}
			if got, want := holes(text), holes(english[key]); !slices.Equal(got, want) {
				t.Errorf("%s %s names %q, want %q", lang, key, got, want)
			}
		}
	}
}

func TestWritesEveryKindInEveryLanguage(t *testing.T) {
	t.Parallel()
	l, err := NewLetters("Acme", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range Kinds() {
		values := map[string]string{}
		for _, name := range Names(kind) {
			values[name] = "VALUE"
		}
		values["link"], values["role"] = "https://console.example.com/link?ticket=x&y=z", "developer"
		for _, lang := range []string{"en", "fr-CA", "es", "", "tlh"} {
			got, err := l.Write(toll.Mail{ID: "mail_1", Kind: kind, Language: lang, Values: values})
			if err != nil || got.Subject == "" || strings.ContainsAny(got.Subject+got.Text+got.HTML, "{}") || !strings.Contains(got.Text, "Acme") {
				t.Errorf("%s in %q: %+v, %v", kind, lang, got, err)
			}
			if english[kind+".action"] != "" && (!strings.Contains(got.Text, values["link"]) || !strings.Contains(got.HTML, `href="https://console.example.com/link?ticket=x&amp;y=z"`)) {
				t.Errorf("%s in %q does not hold its link", kind, lang)
			}
		}
		for name := range values {
			if !slices.Contains(Names(kind), name) {
				continue
			}
			less := maps.Clone(values)
			delete(less, name)
			if _, err := l.Write(toll.Mail{Kind: kind, Values: less}); toll.CodeOf(err) != toll.Invalid {
				t.Errorf("%s without %s: %v", kind, name, err)
			}
		}
	}
	if _, err := l.Write(toll.Mail{Kind: "nonsense"}); toll.CodeOf(err) != toll.Invalid {
		t.Errorf("an unknown kind: %v", err)
	}
	if _, err := NewLetters("Acme", []string{"tlh"}); err == nil {
		t.Error("it writes in a language that there is no text for")
	}
}

func TestWhatSomebodyTypedStaysText(t *testing.T) {
	t.Parallel()
	l, err := NewLetters("Acme", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Write(toll.Mail{Kind: "invitation", Values: map[string]string{
		"by": "<script>alert(1)</script>\r\nBcc: x@example.com", "customer": "{link}\u2028{site}", "role": "owner", "days": "7", "link": "https://a.example/",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(got.Subject, "\r\n\u2028") || strings.Contains(got.HTML, "<script>") || strings.Contains(got.Text, "https://a.example/Acme") {
		t.Errorf("%+v", got)
	}
	for _, link := range []string{"javascript:alert(1)", "//evil.example", ""} {
		if _, err := l.Write(toll.Mail{Kind: "reset", Values: map[string]string{"link": link, "hours": "2"}}); err == nil {
			t.Errorf("%q is taken for a link", link)
		}
	}
}
