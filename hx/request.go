package hx

import (
	"net/http"
	"net/url"
	"strings"
)

// Version is the major version of htmx that sent a request.
type Version int

// The versions that are told apart. A request of neither is a browser's own.
const (
	NoHTMX Version = 0
	HTMX2  Version = 2
	HTMX4  Version = 4
)

// Request is what the headers of htmx say about a request. All of it comes from
// the client: use it to choose the form of an answer, never to decide what may
// be seen. The zero value is a request without htmx.
type Request struct {
	// Version is NoHTMX for a browser's own navigation.
	Version Version
	// Restore tells that htmx fetches a page of its history, for Back or
	// Forward. It must get the whole page.
	Restore bool
	// Boosted tells that the request is that of a link or form with hx-boost.
	Boosted bool
	// Full tells that htmx will take a document: the target is the body, or
	// hx-select cuts the answer. htmx 4 says so itself. htmx 2 does after
	// SetLocation only, which makes it.
	Full bool
	// Target is the element that the answer will be put into or around.
	Target Element
	// Source is the element that sent the request.
	Source Element
	// SourceName is the name attribute of the source (htmx 2 only).
	SourceName string
	// Prompt is what was typed at hx-prompt, decoded.
	Prompt string
	// CurrentPath is path and query of the page that the person is on, when it
	// is one of the same host as the request's; "" otherwise.
	CurrentPath string
}

// Headers of requests. Which of them choose the form is in varyOn.
const (
	headerRequest    = "HX-Request"
	headerType       = "HX-Request-Type"
	headerBoosted    = "HX-Boosted"
	headerRestore    = "HX-History-Restore-Request"
	headerTarget     = "HX-Target"
	headerSource     = "HX-Source"
	headerTrigger    = "HX-Trigger" // id of the source (htmx 2); events, in answers
	headerSourceName = "HX-Trigger-Name"
	headerPrompt     = "HX-Prompt"
	headerCurrentURL = "HX-Current-URL"

	autoEncoded = "-URI-AutoEncoded" // htmx 2, beside a header that XMLHttpRequest refused
)

const longestHeader = 4096 // bytes; a longer value counts as absent

// Read reads the headers of htmx. It never fails: what is malformed or too long
// counts as absent.
func Read(r *http.Request) Request {
	h := r.Header
	q := Request{
		Restore: h.Get(headerRestore) == "true",
	}
	asked := h.Get(headerRequest) == "true"
	if !asked && !q.Restore {
		return q
	}
	q.Full = h.Get(headerType) == "full"
	switch {
	// htmx 4 sends its restore without HX-Request, and without its source.
	case h.Get(headerSource) != "", q.Restore && h.Get(headerType) != "":
		q.Version = HTMX4
		q.Source = ParseElement(value(h, headerSource))
	default:
		q.Version = HTMX2
		q.Source = Element{ID: value(h, headerTrigger)}
		q.SourceName = value(h, headerSourceName)
	}
	q.Boosted = h.Get(headerBoosted) == "true"
	if q.Version == HTMX4 {
		q.Target = ParseElement(value(h, headerTarget))
		q.Prompt = unescaped(value(h, headerPrompt)) // always encoded, by its extension
	} else {
		q.Target = Element{ID: value(h, headerTarget)}
		q.Prompt = value(h, headerPrompt)
	}
	q.CurrentPath = ownPath(value(h, headerCurrentURL), r.Host)
	return q
}

// value is a header's text, with the escapes taken away that htmx 2 adds where
// a browser refuses the plain text.
func value(h http.Header, name string) string {
	v := h.Get(name)
	if len(v) > longestHeader {
		return ""
	}
	if h.Get(name+autoEncoded) == "true" {
		return unescaped(v)
	}
	return v
}

func unescaped(v string) string {
	if plain, err := url.PathUnescape(v); err == nil {
		return plain
	}
	return v
}

// ownPath is path and query of an address when that is one of this host's.
func ownPath(address, host string) string {
	if address == "" {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil || u.User != nil || !strings.EqualFold(u.Host, host) || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	path, err := LocalPath(u.RequestURI())
	if err != nil {
		return ""
	}
	return path
}
