package hx

import "strings"

// Element names an element of the page as htmx names it in HX-Target and
// HX-Source. htmx 2 gives the id alone; htmx 4 the tag, with the id if there is
// one ("form#edit").
type Element struct {
	Tag string // lower case; "" from htmx 2
	ID  string
}

// longestID is the longest id that is believed, in bytes.
const longestID = 256

// ParseElement reads the form of htmx 4, in which the id is escaped like a URL.
// It never fails: of what is no element the zero Element is left.
func ParseElement(s string) Element {
	tag, id, _ := strings.Cut(s, "#")
	for i := range len(tag) {
		if c := tag[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' && c != ':' {
			return Element{}
		}
	}
	id = unescaped(id)
	if len(id) > longestID || len(tag) > longestID {
		return Element{}
	}
	return Element{Tag: tag, ID: id}
}

// String is the form of htmx 4, without escapes.
func (e Element) String() string {
	if e.ID == "" {
		return e.Tag
	}
	return e.Tag + "#" + e.ID
}
