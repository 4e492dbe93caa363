package hx

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
)

// Answer is what a handler gives back: what to show, once, in forms that Send
// chooses from.
type Answer struct {
	// Status is the HTTP status; 0 is 200. A form with messages beside its
	// fields is 422 (RFC 9110 section 15.5.21).
	Status int

	// Title is the document's title. In a fragment it stands as a <title>,
	// which htmx takes out and shows, unless the status is 400 or above.
	Title string

	// Fragment is the content: what Options.Layout puts into the page, and what
	// htmx gets alone.
	Fragment Renderer

	// Page is the whole document, where the layout is not enough. Without it the
	// page is made of Fragment.
	Page Renderer

	// Parts are smaller parts by the id of the element that they replace or
	// fill. A fragment request for such a target gets its part; for any other
	// target it gets Fragment.
	Parts map[string]Renderer

	// Beside are changes in other places of the page, sent with a fragment. A
	// page, which has them in its own places, is sent without.
	Beside []Partial

	// Cache says who may keep the answer; the zero value is Options.Cache.
	// Answers of status 400 and above are never kept.
	Cache CacheRule

	to    string    // set by Redirect and Follow
	plain bool      // set by Follow
	visit *Location // set by Visit
}

// Redirect is the answer that leads to another page of this site, after a form
// was done for example. See Site.Redirect, which it is sent by.
func Redirect(to string) Answer { return Answer{to: to} }

// Follow is a redirect by 303 for every asker, which a fragment request follows
// unseen: right where its target takes the content of any page (a menu that
// swaps "#content"), so that the other page's fragment comes to stand there.
// With hx-push-url the address follows too.
func Follow(to string) Answer { return Answer{to: to, plain: true} }

// Visit is a redirect that htmx follows without loading a new document
// (SetLocation). A browser, a restore and a boosted link get the 303 of
// Redirect.
func Visit(l Location) Answer { return Answer{visit: &l} }

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// largestKept is the largest buffer that is kept for the next answer, in bytes.
const largestKept = 1 << 20

// Send sends an answer in the form that the request asks for, with Vary, an
// ETag of that form, Cache-Control and Content-Length; to a request with the
// same ETag (If-None-Match, RFC 9110 section 13.1.2) it sends 304. Everything
// is rendered before the first byte is sent: when that fails, Fail is called
// instead and the client sees an error of the right form.
func (s *Site) Send(w http.ResponseWriter, r *http.Request, a Answer) {
	switch {
	case a.to != "":
		s.redirect(w, r, a.to, a.plain)
		return
	case a.visit != nil:
		s.visit(w, r, *a.visit)
		return
	}
	if err := s.send(w, r, a); err != nil {
		s.Fail(w, r, err)
	}
}

func (s *Site) send(w http.ResponseWriter, r *http.Request, a Answer) error {
	q := s.Read(r)
	form := q.Form()
	b := buffers.Get().(*bytes.Buffer)
	b.Reset()
	defer func() {
		if b.Cap() <= largestKept {
			buffers.Put(b)
		}
	}()
	// A caller that has gone away is noticed when writing; what is rendered
	// for others too (FragmentCache) is rendered to its end.
	ctx := context.WithoutCancel(r.Context())
	body, form, bare := s.body(r, q, form, a)
	if form == FragmentForm && a.Title != "" && !bare && a.Status < 400 { // the page that an error is shown in keeps its title
		b.WriteString("<title>")
		_ = writeEscaped(b, a.Title)
		b.WriteString("</title>")
	}
	if err := body.Render(ctx, b); err != nil {
		return fmt.Errorf("render the %s of %s: %w", form, r.Pattern, err)
	}
	if form == FragmentForm {
		for _, p := range a.Beside {
			if err := p.render(ctx, b, q.Version); err != nil {
				return fmt.Errorf("render what stands beside in %s: %w", r.Pattern, err)
			}
		}
	}
	h := w.Header()
	if form == PageForm && q.Form() == FragmentForm {
		SetRetarget(w, "body")
		SetReswap(w, InnerHTML)
		if q.Version == HTMX2 {
			h.Set("HX-Reselect", "unset")
		}
	}
	s.write(w, r, q, a, form, b.Bytes())
	return nil
}

// body chooses what is rendered. bare tells that it is a part, which has no
// title of its own.
func (s *Site) body(r *http.Request, q Request, form Form, a Answer) (body Renderer, is Form, bare bool) {
	if form == FragmentForm {
		if part := a.Parts[q.Target.ID]; part != nil && q.Target.ID != "" {
			return part, FragmentForm, true
		}
		if a.Fragment != nil {
			return a.Fragment, FragmentForm, false
		}
	}
	switch {
	case a.Page != nil:
		return a.Page, PageForm, false
	case a.Fragment == nil:
		return Text(""), form, false
	}
	return s.o.Layout(r, a.Title, a.Fragment), PageForm, false
}

// write sends the bytes and what goes with them.
func (s *Site) write(w http.ResponseWriter, r *http.Request, q Request, a Answer, form Form, body []byte) {
	h := w.Header()
	Vary(h)
	status := a.Status
	if status == 0 {
		status = http.StatusOK
	}
	rule := a.Cache
	if rule == (CacheRule{}) {
		rule = s.o.Cache
	}
	if status >= 400 {
		rule = NoStore
		if q.Version != NoHTMX && h.Get("HX-Replace-Url") == "" {
			h.Set("HX-Push-Url", "false") // the address stays that of the page that is shown
		}
	}
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", rule.String())
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "text/html; charset=utf-8")
	}
	if status == http.StatusOK && !rule.noStore && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		tag := h.Get("ETag")
		if tag == "" {
			tag = etag(form, body)
			h.Set("ETag", tag)
		}
		if matchesETag(r.Header.Get("If-None-Match"), tag) {
			h.Del("Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // who has gone away cannot be told
	}
}
