package exchange

import (
	"iter"
	"net/textproto"
)

// Fields is a Header over a map from canonical names to values: the form that
// net/http keeps its headers in, so that its front hands them over without a copy.
type Fields map[string][]string

var _ Header = Fields{}

// Get returns the first value of a field, "" when there is none.
func (f Fields) Get(name string) string {
	if v := f[textproto.CanonicalMIMEHeaderKey(name)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Values returns all values of a field. It must not be changed.
func (f Fields) Values(name string) []string { return f[textproto.CanonicalMIMEHeaderKey(name)] }

// Set replaces all values of a field by one.
func (f Fields) Set(name, value string) {
	f[textproto.CanonicalMIMEHeaderKey(name)] = []string{value}
}

// Add appends a value to a field.
func (f Fields) Add(name, value string) {
	name = textproto.CanonicalMIMEHeaderKey(name)
	f[name] = append(f[name], value)
}

// Del removes a field.
func (f Fields) Del(name string) { delete(f, textproto.CanonicalMIMEHeaderKey(name)) }

// All walks over the fields, one value at a time.
func (f Fields) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for name, values := range f {
			for _, v := range values {
				if !yield(name, v) {
					return
				}
			}
		}
	}
}
