package mail

import (
	"bytes"
	"fmt"
	"html/template"
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Letter is a mail as a person reads it.
type Letter struct {
	Subject  string // one line
	Text     string // plain text, paragraphs with an empty line between
	HTML     string // the same as a document
	Language string // BCP 47, of the text
}

// Letters writes mails in the languages of the installation. It is safe for
// concurrent use.
type Letters struct {
	site    string
	tags    []language.Tag
	matcher language.Matcher
}

var catalogues = map[string]map[string]string{"en": english, "fr": french, "es": spanish}

// NewLetters writes in the given languages, the first of which is for who asked
// for none of them; none: en, fr, es. site is what mails call the installation.
func NewLetters(site string, languages []string) (*Letters, error) {
	if len(languages) == 0 {
		languages = []string{"en", "fr", "es"}
	}
	l := &Letters{site: oneLine(site)}
	for _, name := range languages {
		if catalogues[name] == nil {
			return nil, fmt.Errorf("write mail in %q: there are texts in %s", name, strings.Join(slices.Sorted(maps.Keys(catalogues)), ", "))
		}
		l.tags = append(l.tags, language.Make(name))
	}
	l.matcher = language.NewMatcher(l.tags)
	return l, nil
}

// Kinds are the kinds of mail that there is a text for, in order.
func Kinds() []string {
	var out []string
	for key := range english {
		if kind, ok := strings.CutSuffix(key, ".subject"); ok {
			out = append(out, kind)
		}
	}
	slices.Sort(out)
	return out
}

// Names are the values that the text of a kind names, in order.
func Names(kind string) []string {
	found := map[string]bool{}
	for _, part := range []string{".subject", ".text", ".action", ".after"} {
		for _, m := range placeholder.FindAllStringSubmatch(english[kind+part], -1) {
			if m[2] != "site" {
				found[m[2]] = true
			}
		}
	}
	if english[kind+".action"] != "" {
		found["link"] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// Write makes the letter of a mail. Invalid: there is no text for its kind, or a
// value that the text names is missing. Nothing in a value can become a header,
// a link or markup: the subject is one line, and the HTML is escaped.
func (l *Letters) Write(m toll.Mail) (Letter, error) {
	tag, _ := language.Parse(m.Language)
	_, i, _ := l.matcher.Match(tag)
	lang := l.tags[i].String()
	words := catalogues[lang]
	if words[m.Kind+".subject"] == "" {
		return Letter{}, toll.Errorf(toll.Invalid, "There is no text for mails of the kind %q.", m.Kind)
	}
	var missing []string
	fill := func(part string) string {
		return placeholder.ReplaceAllStringFunc(words[m.Kind+part], func(hole string) string {
			found := placeholder.FindStringSubmatch(hole)
			name := found[2]
			if name == "site" {
				return l.site
			}
			value, ok := m.Values[name]
			if !ok {
				missing = append(missing, name)
			}
			if found[1] == "=" { // a word of ours, as a role
				if said := words[name+"."+value]; said != "" {
					return said
				}
			}
			return flat(value)
		})
	}
	link := m.Values["link"]
	page := letterPage{
		Language: lang, Subject: oneLine(fill(".subject")), Text: paragraphs(fill(".text")), Action: fill(".action"), Link: link,
		After: paragraphs(fill(".after")), Foot: strings.ReplaceAll(words["foot"], "{site}", l.site),
	}
	if page.Action != "" && !strings.HasPrefix(link, "https://") && !strings.HasPrefix(link, "http://") {
		missing = append(missing, "link")
	}
	if len(missing) > 0 {
		return Letter{}, toll.Errorf(toll.Invalid, "A mail of the kind %q lacks: %s.", m.Kind, strings.Join(missing, ", "))
	}
	var html bytes.Buffer
	if err := letterHTML.Execute(&html, page); err != nil {
		return Letter{}, fmt.Errorf("write the HTML of mail %s: %w", m.ID, err)
	}
	return Letter{Subject: page.Subject, Text: page.plain(), HTML: html.String(), Language: lang}, nil
}

// placeholder is {name}, or {=name} for a value that is a word of the catalogue.
var placeholder = regexp.MustCompile(`\{(=?)([a-z_]+)\}`)

// flat keeps the lines of a value and takes out what is no text.
func flat(value string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r >= ' ' && r != 0x7f && (r < 0x80 || r >= 0xa0) && r != '\u2028' && r != '\u2029' {
			return r
		}
		return -1
	}, value)
}

// oneLine is a text as it can stand in a header.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(flat(s), "\n", " ")), " ")
}

func paragraphs(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n\n")
}

type letterPage struct {
	Language, Subject string
	Text, After       []string
	Action, Link      string
	Foot              string
}

func (p *letterPage) plain() string {
	parts := slices.Clone(p.Text)
	if p.Action != "" {
		parts = append(parts, p.Action+":\n"+p.Link)
	}
	parts = append(append(parts, p.After...), "-- \n"+p.Foot)
	return strings.Join(parts, "\n\n") + "\n"
}

// letterHTML is a document that mail programs of all ages draw: no style sheet,
// no picture, nothing that is fetched.
var letterHTML = template.Must(template.New("letter").Parse(`<!doctype html>
<html lang="{{.Language}}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Subject}}</title></head>
<body style="margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif;color:#1b2426;background:#f4f6f6">
<div style="max-width:560px;margin:0 auto;padding:24px;background:#ffffff;border:1px solid #d9dfe0;border-radius:8px">
{{range .Text}}<p style="margin:0 0 16px;white-space:pre-line">{{.}}</p>
{{end}}{{if .Action}}<p style="margin:24px 0"><a href="{{.Link}}" style="display:inline-block;padding:10px 18px;border-radius:6px;background:#0b5f5f;color:#ffffff;text-decoration:none">{{.Action}}</a></p>
<p style="margin:0 0 16px;font-size:13px;color:#566567;word-break:break-all">{{.Link}}</p>
{{end}}{{range .After}}<p style="margin:0 0 16px;white-space:pre-line">{{.}}</p>
{{end}}<p style="margin:24px 0 0;font-size:13px;color:#566567">{{.Foot}}</p>
</div></body></html>
`))
