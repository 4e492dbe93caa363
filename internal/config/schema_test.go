package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// validate is as much of JSON Schema as Schema uses; an unknown keyword fails
// the test, so that nothing is taken for granted.
func validate(t *testing.T, schema map[string]any, v any, at string) []string {
	t.Helper()
	var wrong []string
	fail := func(format string, args ...any) { wrong = append(wrong, at+": "+fmt.Sprintf(format, args...)) }
	for keyword, rule := range schema {
		switch keyword {
		case "$schema", "title", "description", "default", "examples":
		case "type":
			names, ok := rule.([]any)
			if !ok {
				names = []any{rule}
			}
			if !slices.ContainsFunc(names, func(n any) bool { return isType(v, n.(string)) }) {
				fail("is no %v", names)
			}
		case "enum":
			if n, ok := number(v); ok {
				v = n
			}
			if !slices.Contains(rule.([]any), v) {
				fail("is none of %v", rule)
			}
		case "anyOf":
			good := slices.ContainsFunc(rule.([]any), func(s any) bool { return len(validate(t, s.(map[string]any), v, at)) == 0 })
			if !good {
				fail("fits none of %v", rule)
			}
		case "pattern":
			if s, ok := v.(string); ok && !regexp.MustCompile(rule.(string)).MatchString(s) {
				fail("%q does not match %s", s, rule)
			}
		case "minimum":
			if n, ok := number(v); ok && n < rule.(float64) {
				fail("is below %v", rule)
			}
		case "maximum":
			if n, ok := number(v); ok && n > rule.(float64) {
				fail("is above %v", rule)
			}
		case "required":
			if m, ok := v.(map[string]any); ok {
				for _, name := range rule.([]any) {
					if _, have := m[name.(string)]; !have {
						fail("lacks %s", name)
					}
				}
			}
		case "items":
			if list, ok := v.([]any); ok {
				for i, item := range list {
					wrong = append(wrong, validate(t, rule.(map[string]any), item, fmt.Sprintf("%s[%d]", at, i))...)
				}
			}
		case "uniqueItems":
			if list, ok := v.([]any); ok {
				for i, item := range list {
					if slices.Contains(list[:i], item) {
						fail("has %v twice", item)
					}
				}
			}
		case "propertyNames":
			if m, ok := v.(map[string]any); ok {
				for name := range m {
					wrong = append(wrong, validate(t, rule.(map[string]any), name, at+" "+name)...)
				}
			}
		case "properties", "additionalProperties":
			if keyword == "additionalProperties" && schema["properties"] != nil {
				continue // judged together with the properties
			}
			m, ok := v.(map[string]any)
			if !ok {
				continue
			}
			known, _ := schema["properties"].(map[string]any)
			for name, value := range m {
				s, ok := known[name].(map[string]any)
				if !ok {
					s, ok = schema["additionalProperties"].(map[string]any)
				}
				if !ok {
					fail("unknown field %s", name)
					continue
				}
				wrong = append(wrong, validate(t, s, value, at+"."+name)...)
			}
		default:
			t.Fatalf("the test does not know the keyword %s", keyword)
		}
	}
	return wrong
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case uint64:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func isType(v any, name string) bool {
	n, numeric := number(v)
	switch name {
	case "null":
		return v == nil
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "string":
		_, ok := v.(string)
		return ok
	case "number":
		return numeric
	case "integer":
		return numeric && n == float64(int64(n))
	case "array":
		_, ok := v.([]any)
		return ok
	case "object":
		_, ok := v.(map[string]any)
		return ok
	}
	panic("unknown type " + name)
}

func schemaOf(t *testing.T) map[string]any {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func byYAML(t *testing.T, src []byte) any {
	t.Helper()
	var v any
	if err := yaml.UnmarshalWithOptions(src, &v, yaml.AllowDuplicateMapKey()); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemaTakesWhatTheDecoderTakes(t *testing.T) {
	t.Parallel()
	s := schemaOf(t)
	for name, src := range map[string][]byte{
		"contract":     fileBytes(t, "testdata/contract.yml"),
		"contract-all": fileBytes(t, "testdata/contract-all.yml"),
		"starter":      Starter(""),
		"protection":   []byte(protection),
		"references":   []byte("services: { a: { strip_path: \"${S}\", max_in_flight: \"${M}\", balance: \"${B}\", upstreams: [\"${U}\", { url: \"${V}\", weight: 3 }], retry: { on: [503], budget: 10% }, timeouts: { idle: \"${I}\" } } }"),
	} {
		if wrong := validate(t, s, byYAML(t, src), name); len(wrong) > 0 {
			t.Errorf("%s", strings.Join(wrong, "\n"))
		}
	}
}

// What the schema cannot know, only Parse finds: the files here break rules
// about form alone.
func TestSchemaRefusesWhatTheDecoderRefuses(t *testing.T) {
	t.Parallel()
	s := schemaOf(t)
	for _, name := range []string{
		"unknown-field", "unknown-field-in-a-service", "wrong-shapes", "list-expected", "booleans", "numbers",
		"durations", "sizes", "rates", "negative-limits", "unknown-words", "unknown-language", "bad-names",
		"health-without-path", "currencies", "no-upstreams", "many-mistakes", "databases", "addresses-of-acme",
		"addresses-and-origins",
	} {
		src := fileBytes(t, filepath.Join("testdata/broken", name+".yml"))
		if len(validate(t, s, byYAML(t, src), name)) == 0 {
			t.Errorf("%s fits the schema", name)
		}
	}
}

func listOf(v any) []any {
	out, _ := v.([]any)
	return out
}

func TestSchemaKnowsExactlyTheFieldsOfTheDecoder(t *testing.T) {
	t.Parallel()
	paths := map[string]bool{}
	var walk func(s map[string]any, at string)
	walk = func(s map[string]any, at string) {
		if items, ok := s["items"].(map[string]any); ok {
			walk(items, at+"[]")
		}
		for _, one := range listOf(s["anyOf"]) {
			walk(one.(map[string]any), at)
		}
		if each, ok := s["additionalProperties"].(map[string]any); ok {
			walk(each, at+".*")
		}
		known, _ := s["properties"].(map[string]any)
		for name, one := range known {
			p := join(at, name)
			paths[p] = true
			if description, _ := one.(map[string]any)["description"].(string); description == "" {
				t.Errorf("%s has no description", p)
			}
			walk(one.(map[string]any), p)
		}
	}
	walk(schemaOf(t), "")
	eachSpec(func(path string, _ spec) {
		if !paths[path] {
			t.Errorf("%s is not in the schema", path)
		}
		delete(paths, path)
	})
	for path := range paths {
		t.Errorf("%s is in the schema alone", path)
	}
}

// The tags of file.go are read as text; a mistake in them must fail here, not
// in front of a user.
func TestTagsOfTheFormatAreSound(t *testing.T) {
	t.Parallel()
	eachSpec(func(path string, s spec) {
		if s.name == "" || s.doc == "" || !strings.HasSuffix(s.doc, ".") {
			t.Errorf("%s: name and a sentence are needed", path)
		}
		elem := s.typ
		if shapeOf(elem) == sequence {
			elem = elemOf(elem)
		}
		if shapeOf(elem) != single {
			return
		}
		one := s
		one.typ = elem
		texts := []string{one.sampleText()}
		if s.fallback != "" {
			texts = append(texts, strings.Split(s.fallback, ", ")...)
		}
		for _, text := range texts {
			if strings.HasPrefix(text, "${") {
				continue
			}
			if err := read(reflect.New(elem).Interface().(value), text, one); err != nil {
				t.Errorf("%s: its own example or default %q %v", path, text, err)
			}
		}
		if (elem.Name() == "choice") != (len(s.oneOf) > 0) {
			t.Errorf("%s: a choice has words, and nothing else has", path)
		}
		f := reflect.New(elem).Interface().(value).form()
		if f.what == "" || (f.example == "" && len(s.oneOf) == 0) {
			t.Errorf("%s: its type describes itself incompletely", path)
		}
		if f.pattern != "" && len(s.oneOf) == 0 && !regexp.MustCompile(f.pattern).MatchString(f.example) {
			t.Errorf("%s: the example %q does not match %s", path, f.example, f.pattern)
		}
	})
}

func TestSchemaIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	if !bytes.Equal(Schema(), Schema()) {
		t.Error("two schemas differ")
	}
}

func fileBytes(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
