package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// binder sets a file's fields from its tree, strictly. It remembers where each
// field stands, so that the checks that follow can point at it.
type binder struct {
	*report
	places map[any]placed // by pointer to the field
	used   []use          // fields that the table of notices may ask for
}

// placed is where a field stands.
type placed struct {
	key   *node // its name
	value *node
	path  string // "services.ner.health.every"
	bad   bool   // it was reported; what the field holds means nothing
}

// use is one field that the file has.
type use struct {
	pattern string // "services.*.cache"
	placed
}

// where is the path of a value, once for people and once with * for free names.
type where struct{ path, pattern string }

func (w where) field(name string) where { return where{join(w.path, name), join(w.pattern, name)} }
func (w where) entry(name string) where { return where{join(w.path, name), w.pattern + ".*"} }
func (w where) item(i int) where {
	return where{fmt.Sprintf("%s[%d]", w.path, i), w.pattern + "[]"}
}

// bind sets the whole file.
func bind(r *report, root *node) (*file, *binder) {
	b := &binder{report: r, places: map[any]placed{}}
	f := new(file)
	b.fields(root, reflect.ValueOf(f).Elem(), where{})
	return f, b
}

// place tells where a field stands; ok is false when the file does not have it.
func (b *binder) place(field any) (p placed, ok bool) {
	p, ok = b.places[field]
	return p, ok
}

// spots are where the file's entries stand, by path.
func (b *binder) spots() map[string]spot {
	all := make(map[string]spot, len(b.places))
	for _, p := range b.places {
		all[p.path] = spot{p.key.line, p.key.column}
	}
	return all
}

// given tells whether the file has a field, with a good value.
func (b *binder) given(field any) bool {
	p, ok := b.places[field]
	return ok && !p.bad
}

// wrong tells whether the file has a field, with a bad value that was reported.
func (b *binder) wrong(field any) bool { return b.places[field].bad }

// fields sets a mapping of known names. Fields that are absent get their defaults.
func (b *binder) fields(n *node, v reflect.Value, w where) {
	b.defaults(v)
	if n.kind != mapping && n.kind != nothing {
		if !n.bad {
			b.at(n, "%sexpected fields such as `%s:`, found %s; write each on a line of its own, indented", prefixed(w.path), names(v.Type())[0], n.kind)
		}
		return
	}
	known := specs(v.Type())
	have := map[string]bool{}
	for _, f := range n.fields {
		at := slices.IndexFunc(known, func(s spec) bool { return s.name == f.name })
		if at < 0 {
			if meant := b.unknown(f, v.Type(), w); meant != "" {
				have[meant] = true
			}
			continue
		}
		s := known[at]
		have[s.name] = true
		b.field(f, s, v.FieldByIndex(s.index), w.field(s.name))
	}
	for _, s := range known {
		if s.required && !have[s.name] && !slices.ContainsFunc(s.unless, func(name string) bool { return have[name] }) {
			b.at(n, "%s`%s` is missing; add for example `%s`", prefixed(w.path), s.name, exampleLine(s))
		}
	}
}

// field sets one field of a mapping.
func (b *binder) field(f field, s spec, v reflect.Value, w where) {
	p := placed{key: f.key, value: f.value, path: w.path}
	if f.value.kind == nothing {
		if shapeOf(s.typ) == single && !f.value.bad {
			b.at(f.key, "%s: no value; write for example `%s`, or delete the line", w.path, exampleLine(s))
			p.bad = true
			b.places[v.Addr().Interface()] = p
		}
		return // a mapping or list without content is an absent one
	}
	p.bad = !b.value(f.value, s, v, w)
	b.places[v.Addr().Interface()] = p
	b.used = append(b.used, use{pattern: w.pattern, placed: p})
}

// value sets a value of any shape and tells whether it is good in itself.
func (b *binder) value(n *node, s spec, v reflect.Value, w where) bool {
	before := len(b.problems)
	switch shapeOf(v.Type()) {
	case single:
		b.single(n, s, v, w)
	case sequence:
		b.sequence(n, s, v, w)
	case entries:
		b.entries(n, s, v, w)
	case fields:
		if alone, ok := aloneOf(v.Type()); ok && n.kind == scalar {
			b.alone(n, alone, v, w)
		} else {
			b.fields(n, v, w)
		}
	}
	return len(b.problems) == before && !n.bad
}

// alone sets a mapping that is written as one of its fields.
func (b *binder) alone(n *node, s spec, v reflect.Value, w where) {
	b.defaults(v)
	field := v.FieldByIndex(s.index)
	p := placed{key: n, value: n, path: w.path}
	p.bad = !b.value(n, s, field, w)
	b.places[field.Addr().Interface()] = p
}

// sequence sets a list.
func (b *binder) sequence(n *node, s spec, v reflect.Value, w where) {
	if n.kind != list {
		if n.bad {
			return
		}
		if _, short := aloneOf(v.Type().Elem()); n.kind == scalar && (short || shapeOf(v.Type().Elem()) == single) {
			b.at(n, "%s: expected a list, found a single value; put it in brackets: `%s`", w.path, exampleLine(s))
			return
		}
		b.at(n, "%s: expected a list, found %s; write for example `%s`", w.path, n.kind, exampleLine(s))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	one := s
	one.typ = v.Type().Elem()
	seen := map[string]int{}
	for i, item := range n.items {
		element := v.Index(i)
		p := placed{key: item, value: item, path: w.item(i).path}
		p.bad = !b.value(item, one, element, w.item(i))
		b.places[element.Addr().Interface()] = p
		if shapeOf(one.typ) != single || p.bad {
			continue
		}
		b.used = append(b.used, use{pattern: w.item(i).pattern, placed: p})
		if first, twice := seen[item.text]; twice {
			b.at(item, "%s: %s stands here twice, first on line %d; delete one", w.path, item.show(), first)
		} else {
			seen[item.text] = item.line
		}
	}
}

// entries sets a mapping of free names.
func (b *binder) entries(n *node, s spec, v reflect.Value, w where) {
	if n.kind != mapping {
		if !n.bad {
			b.at(n, "%s: expected names with fields under each, found %s; write each name on a line of its own, indented, with a colon", w.path, n.kind)
		}
		return
	}
	c := v.Addr().Interface().(collection)
	c.reserve(len(n.fields))
	for i, f := range n.fields {
		element := reflect.ValueOf(c.add(i, f.name, f.key)).Elem()
		if err := checkLabel(f.name); err != nil {
			b.at(f.key, "%s: %s %v", w.path, quoted(f.name), err)
		}
		at := w.entry(shorten(f.name))
		if f.value.kind == nothing && !f.value.bad { // a plan may be empty, a service may not
			f.value.line, f.value.column, f.value.width = f.key.line, f.key.column, f.key.width
		}
		before := len(b.problems)
		b.fields(f.value, element, at)
		b.places[element.Addr().Interface()] = placed{key: f.key, value: f.value, path: at.path, bad: len(b.problems) > before}
	}
}

// single sets one value.
func (b *binder) single(n *node, s spec, v reflect.Value, w where) {
	if n.bad {
		return
	}
	into := v.Addr().Interface().(value)
	if n.kind != scalar {
		what := into.form().what
		if len(s.oneOf) > 0 {
			what = orList(s.oneOf)
		}
		b.at(n, "%s: expected %s, found %s; write for example `%s`", w.path, what, n.kind, exampleLine(s))
		return
	}
	if err := read(into, n.text, s); err != nil {
		n.bad = true
		if isSecret(into) {
			b.at(n, "%s: the value %v", w.path, err)
		} else {
			b.at(n, "%s: %s %v", w.path, n.show(), err)
		}
	}
}

// isSecret tells whether a value must not stand in messages.
func isSecret(v value) bool {
	switch v.(type) {
	case *secret, *databaseURL, *redisURL:
		return true
	}
	return false
}

// read reads a value and holds it to its field's bounds.
func read(into value, text string, s spec) error {
	if c, ok := into.(*choice); ok {
		return c.parseChoice(text, s.oneOf)
	}
	if err := into.parse(text); err != nil {
		return err
	}
	v := reflect.ValueOf(into).Elem()
	if v.Kind() != reflect.Int64 {
		return nil
	}
	if s.min != "" && v.Int() < bound(v.Type(), s.min) {
		if v.Int() < 0 {
			return fmt.Errorf("is negative; write %s or more", s.min)
		}
		return fmt.Errorf("is too small; write %s or more", s.min)
	}
	if s.max != "" && v.Int() > bound(v.Type(), s.max) {
		return fmt.Errorf("is too large; write %s or less", s.max)
	}
	return nil
}

// bound reads a min or max tag.
func bound(t reflect.Type, tag string) int64 {
	v := reflect.New(t)
	if err := v.Interface().(value).parse(tag); err != nil {
		panic("config: the bound " + tag + " of file.go " + err.Error())
	}
	return v.Elem().Int()
}

// defaults sets what holds for fields that are absent.
func (b *binder) defaults(v reflect.Value) {
	for _, s := range specs(v.Type()) {
		f := v.FieldByIndex(s.index)
		switch shape := shapeOf(s.typ); {
		case shape == fields:
			b.defaults(f)
		case s.fallback == "":
		case shape == single:
			mustRead(f, s.fallback, s)
		case shape == sequence:
			parts := strings.Split(s.fallback, ", ")
			f.Set(reflect.MakeSlice(f.Type(), len(parts), len(parts)))
			for i, part := range parts {
				mustRead(f.Index(i), part, s)
			}
		}
	}
}

// mustRead sets a default; a test reads each of them once.
func mustRead(v reflect.Value, text string, s spec) {
	if err := read(v.Addr().Interface().(value), text, s); err != nil {
		panic("config: the default " + text + " of file.go's " + s.name + " " + err.Error())
	}
}

// unknown notes a field that is not known where it stands, and gives the one
// that was most likely meant, or "".
func (b *binder) unknown(f field, t reflect.Type, w where) string {
	known := names(t)
	in := prefixed(w.path)
	if guess := nearest(f.name, known); guess != "" {
		b.at(f.key, "%sunknown field `%s`; did you mean `%s`?", in, shorten(f.name), guess)
		return guess
	}
	var home string
	eachSpec(func(path string, s spec) {
		if s.name == f.name && home == "" {
			home = strings.TrimSuffix(strings.NewReplacer(".*", ".NAME", "[]", "").Replace(path), "."+s.name)
			if home == s.name {
				home = "the top of the file"
			}
		}
	})
	if home != "" {
		b.at(f.key, "%sunknown field `%s`; it belongs to %s", in, shorten(f.name), home)
		return ""
	}
	b.at(f.key, "%sunknown field `%s`; known here: %s", in, shorten(f.name), strings.Join(known, ", "))
	return ""
}

// prefixed puts a colon behind a path, if there is one.
func prefixed(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}

// exampleLine shows how a field is written.
func exampleLine(s spec) string {
	sample := s.sampleText()
	switch shapeOf(s.typ) {
	case sequence:
		elem := elemOf(s.typ)
		_, short := aloneOf(elem)
		switch {
		case shapeOf(elem) == fields && !short:
			return s.name + ": [ { … } ]"
		case s.example != "":
			return s.name + ": [" + quoteYAML(s.example) + "]"
		default:
			return s.name + ": [" + sample + "]"
		}
	case single:
		return s.name + ": " + quoteYAML(sample)
	}
	return s.name + ":"
}

// quoteYAML puts quotes around a text that YAML would read as something else.
func quoteYAML(s string) string {
	if strings.ContainsAny(s, ":{}[]$*&#,@") || strings.Contains(s, " ") {
		return `"` + s + `"`
	}
	if decimalForm.MatchString(s) && strings.Contains(s, ".") {
		return `"` + s + `"`
	}
	return s
}
