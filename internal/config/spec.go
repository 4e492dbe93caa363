package config

import (
	"reflect"
	"strings"
	"sync"
)

// spec is what the tags of file.go say about one field.
type spec struct {
	name     string
	doc      string
	fallback string // the default, "" for none
	example  string
	required bool
	unless   []string // the fields that may stand for it where it is required
	min, max string
	oneOf    []string
	index    []int
	typ      reflect.Type
}

var specCache sync.Map // reflect.Type to []spec

// specs gives the fields of a type of file.go, in its order; those of an
// embedded type stand where it does.
func specs(t reflect.Type) []spec {
	if have, ok := specCache.Load(t); ok {
		return have.([]spec)
	}
	var out []spec
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			for _, s := range specs(f.Type) {
				s.index = append([]int{i}, s.index...)
				out = append(out, s)
			}
			continue
		}
		s := spec{
			name:     f.Tag.Get("yaml"),
			doc:      f.Tag.Get("doc"),
			fallback: f.Tag.Get("default"),
			example:  f.Tag.Get("example"),
			required: f.Tag.Get("required") == "true",
			min:      f.Tag.Get("min"),
			max:      f.Tag.Get("max"),
			index:    []int{i},
			typ:      f.Type,
		}
		if words := f.Tag.Get("oneof"); words != "" {
			s.oneOf = strings.Split(words, "|")
		}
		if others := f.Tag.Get("unless"); others != "" {
			s.unless = strings.Split(others, "|")
		}
		out = append(out, s)
	}
	specCache.Store(t, out)
	return out
}

// names gives the names of a type's fields.
func names(t reflect.Type) []string {
	var out []string
	for _, s := range specs(t) {
		out = append(out, s.name)
	}
	return out
}

// shape tells how a type is written in YAML.
type shape uint8

const (
	single   shape = iota + 1 // a value
	fields                    // a mapping of known names
	entries                   // a mapping of free names
	sequence                  // a list
)

var (
	valueType      = reflect.TypeFor[value]()
	collectionType = reflect.TypeFor[collection]()
	briefType      = reflect.TypeFor[brief]()
)

// brief is a mapping of known names that may be written as one of its fields alone.
type brief interface {
	alone() string // the field
}

// aloneOf gives the field that may stand for a type of file.go; ok is false
// when none may.
func aloneOf(t reflect.Type) (s spec, ok bool) {
	if !t.Implements(briefType) {
		return spec{}, false
	}
	name := reflect.New(t).Elem().Interface().(brief).alone()
	for _, s := range specs(t) {
		if s.name == name {
			return s, true
		}
	}
	panic("config: " + t.Name() + " has no field " + name)
}

// shapeOf tells how a type of file.go is written.
func shapeOf(t reflect.Type) shape {
	switch p := reflect.PointerTo(t); {
	case p.Implements(collectionType):
		return entries
	case p.Implements(valueType):
		return single
	case t.Kind() == reflect.Slice:
		return sequence
	default:
		return fields
	}
}

// elemOf gives the type of a list's or a free mapping's elements.
func elemOf(t reflect.Type) reflect.Type {
	if shapeOf(t) == entries {
		return reflect.TypeOf(reflect.New(t).Interface().(collection).sample()).Elem()
	}
	return t.Elem()
}

// sampleText gives a text that a field accepts, for messages and docs.
func (s *spec) sampleText() string {
	switch {
	case s.example != "":
		return s.example
	case len(s.oneOf) > 0:
		return s.oneOf[0]
	case s.fallback != "":
		first, _, _ := strings.Cut(s.fallback, ", ") // of a list
		return first
	}
	if v, ok := reflect.New(s.typ).Interface().(value); ok {
		return v.form().example
	}
	return ""
}

// eachSpec walks all fields of the format, parents first. The path of a field
// under free names has a * for the name ("services.*.health.every"), that of a
// list's elements has [].
func eachSpec(visit func(path string, s spec)) { walkSpecs("", reflect.TypeFor[file](), visit) }

func walkSpecs(under string, t reflect.Type, visit func(path string, s spec)) {
	for _, s := range specs(t) {
		path := join(under, s.name)
		visit(path, s)
		inner := s.typ
		switch shapeOf(inner) {
		case entries:
			walkSpecs(path+".*", elemOf(inner), visit)
		case sequence:
			if elem := elemOf(inner); shapeOf(elem) == fields {
				walkSpecs(path+"[]", elem, visit)
			}
		case fields:
			walkSpecs(path, inner, visit)
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
