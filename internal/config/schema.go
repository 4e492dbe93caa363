package config

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// SchemaDialect is the version of JSON Schema that Schema speaks: the newest
// that the YAML servers of common editors all know.
const SchemaDialect = "http://json-schema.org/draft-07/schema#"

// Schema gives the JSON Schema of tollhouse.yml, for completion and checking
// in editors. It is made from the same Go types and texts that the decoder
// uses. It knows the form of each field; what fields say together (an unknown
// service in a plan, two services on one path) only Parse finds.
func Schema() []byte {
	root := object(reflect.TypeFor[file](), "")
	root.Schema = SchemaDialect
	root.Title = "tollhouse.yml"
	root.Description = "The configuration of Tollhouse."
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		panic("config: the schema has no JSON: " + err.Error()) // it is made of texts, numbers and lists
	}
	return b.Bytes()
}

// schema is the part of JSON Schema that we use.
type schema struct {
	Schema      string     `json:"$schema,omitempty"`
	Title       string     `json:"title,omitempty"`
	Description string     `json:"description,omitempty"`
	Type        any        `json:"type,omitempty"` // a name or a list of names
	Default     any        `json:"default,omitempty"`
	Examples    []any      `json:"examples,omitempty"`
	AnyOf       []*schema  `json:"anyOf,omitempty"`
	Enum        []any      `json:"enum,omitempty"`
	Pattern     string     `json:"pattern,omitempty"`
	Minimum     *int64     `json:"minimum,omitempty"`
	Maximum     *int64     `json:"maximum,omitempty"`
	Items       *schema    `json:"items,omitempty"`
	UniqueItems bool       `json:"uniqueItems,omitempty"`
	Properties  properties `json:"properties,omitempty"`
	Required    []string   `json:"required,omitempty"`
	Names       *schema    `json:"propertyNames,omitempty"`
	Additional  any        `json:"additionalProperties,omitempty"` // false, or the schema of each
}

// properties keeps the order of file.go, which is the order people know.
type properties []property

type property struct {
	name   string
	schema *schema
}

// MarshalJSON writes the properties as one object, in their order.
func (p properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, one := range p {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(one.name)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		var value bytes.Buffer
		enc := json.NewEncoder(&value)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(one.schema); err != nil {
			return nil, err
		}
		b.Write(value.Bytes())
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// environmentReference is the pattern of a value that the environment fills.
const environmentReference = `\$\{[^}]+\}`

// object gives the schema of a mapping of known names.
func object(t reflect.Type, path string) *schema {
	out := &schema{Type: []string{"object", "null"}, Additional: false}
	for _, s := range specs(t) {
		out.Properties = append(out.Properties, property{s.name, described(s, join(path, s.name))})
		switch {
		case len(s.unless) > 0:
			out.AnyOf = append(out.AnyOf, &schema{Required: []string{s.name}})
			for _, name := range s.unless {
				out.AnyOf = append(out.AnyOf, &schema{Required: []string{name}})
			}
		case s.required:
			out.Required = append(out.Required, s.name)
		}
	}
	if len(out.Required)+len(out.AnyOf) > 0 {
		out.Type = "object" // one that must hold something cannot be absent
	}
	return out
}

// described gives the schema of a field, with what is said about it.
func described(s spec, path string) *schema {
	out := plain(s, s.typ, path)
	out.Description = s.doc
	if says := notYet(path); says != "" {
		out.Description += " " + says
	}
	switch {
	case s.fallback == "":
	case shapeOf(s.typ) == sequence:
		out.Default = strings.Split(s.fallback, ", ")
	default:
		out.Default = jsonValue(s, s.fallback)
	}
	if s.example != "" && shapeOf(s.typ) == single {
		out.Examples = []any{jsonValue(s, s.example)}
	}
	return out
}

// plain gives the schema of a field's type alone.
func plain(s spec, t reflect.Type, path string) *schema {
	switch shapeOf(t) {
	case entries:
		inner := object(elemOf(t), path+".*")
		pattern := new(label).form().pattern
		return &schema{Type: []string{"object", "null"}, Names: &schema{Pattern: pattern}, Additional: inner}
	case sequence:
		elem := elemOf(t)
		if shapeOf(elem) == single {
			return &schema{Type: []string{"array", "null"}, Items: plain(s, elem, path+"[]"), UniqueItems: true}
		}
		items := object(elem, path+"[]")
		if alone, ok := aloneOf(elem); ok {
			items = &schema{AnyOf: []*schema{plain(alone, alone.typ, path+"[]"), items}}
		}
		return &schema{Type: []string{"array", "null"}, Items: items}
	case fields:
		inner := object(t, path)
		if len(inner.Required) > 0 {
			inner.Type = []string{"object", "null"} // the section itself may be left empty
		}
		if alone, ok := aloneOf(t); ok {
			return &schema{AnyOf: []*schema{plain(alone, alone.typ, path), inner}}
		}
		return inner
	}
	return singleSchema(s, t)
}

// singleSchema gives the schema of one value. Whatever its type, a text with a
// ${…} in it may stand in its place.
func singleSchema(s spec, t reflect.Type) *schema {
	f := reflect.New(t).Interface().(value).form()
	reference := &schema{Type: "string", Pattern: environmentReference}
	switch {
	case len(s.oneOf) > 0:
		return &schema{AnyOf: []*schema{{Enum: words(s.oneOf)}, reference}}
	case f.json == "boolean":
		return &schema{AnyOf: []*schema{{Type: "boolean"}, reference}}
	case f.json == "integer":
		number := &schema{Type: "integer"}
		if s.min != "" {
			n := bound(t, s.min)
			number.Minimum = &n
		}
		if s.max != "" {
			n := bound(t, s.max)
			number.Maximum = &n
		}
		return &schema{AnyOf: []*schema{number, reference}}
	case f.json == "number":
		return &schema{AnyOf: []*schema{{Type: "string", Pattern: f.pattern}, {Type: "number"}, reference}}
	case f.pattern != "":
		return &schema{AnyOf: []*schema{{Type: "string", Pattern: f.pattern}, reference}}
	}
	return &schema{Type: []string{"string", "number", "boolean"}}
}

// words gives the words of a choice, and those that YAML takes for numbers
// without quotes as numbers too.
func words(list []string) []any {
	var out []any
	for _, w := range list {
		out = append(out, w)
		if n, err := strconv.ParseInt(w, 10, 64); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// jsonValue writes a default or an example as editors should insert it.
func jsonValue(s spec, text string) any {
	v, ok := reflect.New(s.typ).Interface().(value)
	if !ok {
		return text
	}
	switch v.form().json {
	case "boolean":
		return text == "true"
	case "integer":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	}
	return text
}
