package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const docsFile = "../../docs/configuration.md"

const (
	docsBegin = "<!-- reference: made by `go test ./internal/config -update` from internal/config/file.go; do not edit -->\n"
	docsEnd   = "<!-- end of reference -->\n"
)

// The reference is made from the same types as the decoder, so a field cannot
// be missing there or say something else. It is not parallel, because with
// -update it writes what the tests below read.
func TestReferenceInDocsIsFresh(t *testing.T) {
	src := string(fileBytes(t, docsFile))
	before, rest, ok1 := strings.Cut(src, docsBegin)
	_, after, ok2 := strings.Cut(rest, docsEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has lost the marks around its reference", docsFile)
	}
	want := before + docsBegin + referenceText() + docsEnd + after
	if *update {
		if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if src != want {
		t.Errorf("%s is stale; run go test ./internal/config -update", docsFile)
	}
}

// referenceText writes a table for each mapping of the format.
func referenceText() string {
	var b strings.Builder
	var section func(title string, t reflect.Type, path, intro string)
	section = func(title string, t reflect.Type, path, intro string) {
		fmt.Fprintf(&b, "\n### %s\n\n", title)
		if intro != "" {
			fmt.Fprintf(&b, "%s\n\n", intro)
		}
		b.WriteString("| field | type | default | example | what it says |\n|---|---|---|---|---|\n")
		for _, s := range specs(t) {
			at := join(path, s.name)
			says := strings.ReplaceAll(s.doc, "*", "\\*")
			if later := notYet(at); later != "" {
				says += " *" + later + "*"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.name, typeText(s, s.typ), code(s.fallback, s.typ), code(s.example, s.typ), strings.ReplaceAll(says, "|", "\\|"))
		}
		for _, s := range specs(t) {
			at := join(path, s.name)
			inner := s.typ
			switch shapeOf(inner) {
			case fields:
				section("`"+display(at)+"`", inner, at, s.doc)
			case entries:
				section("`"+display(at)+".NAME`", elemOf(inner), at+".*", s.doc)
			case sequence:
				if elem := elemOf(inner); shapeOf(elem) == fields {
					section("`"+display(at)+"[]`", elem, at+"[]", "Each entry of the list: "+strings.ToLower(s.doc[:1])+s.doc[1:])
				}
			}
		}
	}
	section("The file", reflect.TypeFor[file](), "", "")
	b.WriteString("\n")
	return b.String()
}

func display(path string) string { return strings.ReplaceAll(path, ".*", ".NAME") }

// typeText says what a field takes.
func typeText(s spec, t reflect.Type) string {
	out := ""
	switch shapeOf(t) {
	case fields:
		if alone, ok := aloneOf(t); ok {
			return typeText(spec{}, alone.typ) + ", or fields below"
		}
		return "fields below"
	case entries:
		return "names, with fields below each"
	case sequence:
		elem := elemOf(t)
		if alone, ok := aloneOf(elem); ok {
			out = "list of: " + typeText(spec{}, alone.typ) + ", or fields below"
		} else if shapeOf(elem) == fields {
			out = "list of fields below"
		} else {
			out = "list of: " + typeText(spec{oneOf: s.oneOf}, elem)
		}
	case single:
		out = reflect.New(t).Interface().(value).form().what
		if len(s.oneOf) > 0 {
			words := make([]string, len(s.oneOf))
			for i, w := range s.oneOf {
				words[i] = "`" + w + "`"
			}
			out = orList(words)
		}
		switch {
		case s.min != "" && s.max != "":
			out += ", " + s.min + " to " + s.max
		case s.min != "":
			out += ", " + s.min + " or more"
		case s.max != "":
			out += ", at most " + s.max
		}
	}
	switch {
	case len(s.unless) > 0:
		out += "; **required**, or `" + strings.Join(s.unless, "` or `") + "`"
	case s.required:
		out += "; **required**"
	}
	return out
}

// code shows a default or an example as it stands in the file.
func code(s string, t reflect.Type) string {
	if s == "" {
		return ""
	}
	if shapeOf(t) == sequence {
		if !strings.Contains(s, ", ") {
			s = quoteYAML(s)
		}
		return "`[" + s + "]`"
	}
	return "`" + quoteYAML(s) + "`"
}

// Each complete example of the page is a file that people will paste.
func TestExamplesInDocsParse(t *testing.T) {
	t.Parallel()
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(fileBytes(t, docsFile))+string(fileBytes(t, "../../docs/https.md"))+string(fileBytes(t, "../../docs/static.md"))+string(fileBytes(t, "../../docs/quotas.md"))+string(fileBytes(t, "../../docs/forward-auth.md")), -1)
	if len(blocks) < 6 {
		t.Fatalf("only %d examples", len(blocks))
	}
	env := environment{
		lookup: func(string) (string, bool) { return "0123456789abcdef0123456789abcdef", true },
		read:   func(string) (string, error) { return "0123456789abcdef0123456789abcdef", nil },
	}
	for i, block := range blocks {
		if strings.HasPrefix(block[1], "http:\n") {
			continue // Traefik's
		}
		if _, err := parseWith(fmt.Sprintf("example %d", i+1), []byte(block[1]), env); err != nil {
			t.Errorf("%v", err)
		}
	}
}

// The problem that the page shows is one that the program gives.
func TestProblemInDocsIsReal(t *testing.T) {
	t.Parallel()
	_, err := Parse("tollhouse.yml", []byte("services:\n  ner:\n    path: /v1/ner\n    upstreams: [\"http://127.0.0.1:9001\"]\nplann:\n  free: {}\n"))
	problems, ok := err.(*Error)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(string(fileBytes(t, docsFile)), "```\n"+problems.Long()+"```") {
		t.Errorf("the page does not show\n%s", problems.Long())
	}
}
