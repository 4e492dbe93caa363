package hx

import (
	"net/http"
	"strings"
)

// Form is one of the two forms that an answer has.
type Form int

// The forms.
const (
	PageForm     Form = iota // a whole document
	FragmentForm             // what is put into a page that is there already
)

// String is "page" or "fragment".
func (f Form) String() string {
	if f == FragmentForm {
		return "fragment"
	}
	return "page"
}

// Form decides in which form a request is answered:
//
//   - a browser's own navigation gets the page;
//   - so does a restore for Back or Forward, whatever else it says;
//   - htmx 4 says itself whether it takes a document (HX-Request-Type);
//   - htmx 2 takes a document for a boosted link whose target has no id, which
//     is the body, and after SetLocation;
//   - all else gets the fragment.
//
// With htmx 2 a body that has an id cannot be told from a part of the page; see
// Options.BodyID.
func (q Request) Form() Form {
	switch {
	case q.Version == NoHTMX, q.Restore, q.Full:
		return PageForm
	case q.Version == HTMX2 && q.Boosted && q.Target.ID == "":
		return PageForm
	}
	return FragmentForm
}

// varyOn are the request headers that Form and Answer.Parts depend on.
var varyOn = []string{headerRequest, headerType, headerBoosted, headerTarget, headerRestore}

// Vary adds to the Vary header of an answer what its form depends on (RFC 9110
// section 12.5.5), so that no cache gives a fragment to whoever asks for the
// page. Site does it by itself; call it where a form is chosen by hand. What
// Vary names already is kept, and nothing is named twice.
func Vary(h http.Header) {
	if len(h["Vary"]) == 0 {
		h["Vary"] = []string{varyOnAll}
		return
	}
	addVary(h, varyOn...)
}

var varyOnAll = strings.Join(varyOn, ", ")

func addVary(h http.Header, names ...string) {
	have := strings.Join(h.Values("Vary"), ", ")
	for _, name := range names {
		if !listed(have, name) {
			if have != "" {
				have += ", "
			}
			have += name
		}
	}
	h.Set("Vary", have)
}

// listed tells whether a comma-separated list holds a name, or "*".
func listed(list, name string) bool {
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if item == "*" || strings.EqualFold(item, name) {
			return true
		}
	}
	return false
}
