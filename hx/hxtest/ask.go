package hxtest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/tollhouse/tollhouse/hx"
)

// ask is one way of asking for a route.
type ask struct {
	name    string
	headers map[string]string
	whole   bool // a whole page is wanted
	partial bool
	restore bool
	version hx.Version // that asks so
}

// asks are the ways, as the sources of htmx 2.0.11 and 4.0.1 have them.
func asks(target, host string) []ask {
	at := "http://" + host + "/where"
	target4 := "div"
	if target != "" {
		target4 = "div#" + url.PathEscape(target)
	}
	two := func(more ...string) map[string]string {
		return headers(append([]string{"HX-Request", "true", "HX-Current-URL", at}, more...)...)
	}
	four := func(more ...string) map[string]string {
		return headers(append([]string{"HX-Request", "true", "HX-Source", "a", "HX-Current-URL", at, "Accept", "text/html"}, more...)...)
	}
	return []ask{
		{name: "plain", whole: true},
		{name: "partial htmx 2", version: hx.HTMX2, headers: two("HX-Target", target), partial: true},
		{name: "partial htmx 4", version: hx.HTMX4, headers: four("HX-Target", target4, "HX-Request-Type", "partial"), partial: true},
		{name: "boosted htmx 2", version: hx.HTMX2, headers: two("HX-Boosted", "true"), whole: true},
		{name: "boosted htmx 4", version: hx.HTMX4, headers: four("HX-Boosted", "true", "HX-Target", "body", "HX-Request-Type", "full"), whole: true},
		{name: "restore htmx 2", version: hx.HTMX2, headers: two("HX-History-Restore-Request", "true"), whole: true, restore: true},
		{name: "restore htmx 2, not as HX-Request", version: hx.HTMX2, headers: headers("HX-History-Restore-Request", "true", "HX-Current-URL", at), whole: true, restore: true},
		// htmx 4 leaves all else out.
		{name: "restore htmx 4", version: hx.HTMX4, headers: headers("HX-History-Restore-Request", "true", "HX-Request-Type", "full"), whole: true, restore: true},
	}
}

// headers makes a set of pairs; a pair without value is left out.
func headers(pairs ...string) map[string]string {
	all := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			all[pairs[i]] = pairs[i+1]
		}
	}
	return all
}

// who is asking.
type who int

const (
	signedIn who = iota
	expired
	nobody
)

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
	panic  any
}

// request makes the request of an ask. values are the form's fields, nil for
// new ones.
func (e *examination) request(a ask, w who, values url.Values) *http.Request {
	method, body := e.route.method(), ""
	if e.route.Form != nil {
		if values == nil {
			values = e.route.Form()
		}
		body = values.Encode()
	}
	r := httptest.NewRequestWithContext(context.Background(), method, e.route.Path, strings.NewReader(body))
	r.Host = e.app.Host
	if e.route.Form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://"+e.app.Host)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for k, v := range a.headers {
		r.Header.Set(k, v)
	}
	switch {
	case w == signedIn && e.app.SignIn != nil:
		e.app.SignIn(r)
	case w == expired && e.app.Expire != nil:
		e.app.Expire(r)
	}
	return r
}

// send asks. A panic that leaves the handler is what a server would cut the
// connection for.
func (e *examination) send(r *http.Request) (got reply) {
	rec := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			got = reply{panic: p, header: http.Header{}}
		}
	}()
	e.app.Handler.ServeHTTP(rec, r)
	res := rec.Result()
	_ = res.Body.Close() // a recorder's
	return reply{status: res.StatusCode, header: res.Header, body: rec.Body.String()}
}

func (g reply) page() bool {
	body := strings.ToLower(g.body)
	return strings.Contains(body, "<html") && strings.Contains(body, "</html>")
}

// pieceOfPage tells that a fragment holds what only a document has.
func (g reply) pieceOfPage() string {
	body := strings.ToLower(g.body)
	for _, tag := range []string{"<!doctype", "<html", "<head>", "<body"} {
		if strings.Contains(body, tag) {
			return tag
		}
	}
	return ""
}

// led is where htmx is led by a header.
func (g reply) led() string {
	for _, name := range []string{"HX-Redirect", "HX-Location"} {
		if to := g.header.Get(name); to != "" {
			return to
		}
	}
	return ""
}

func (g reply) redirects() bool { return g.status >= 300 && g.status < 400 && g.status != 304 }

func (g reply) kept() bool {
	rule := strings.ToLower(strings.Join(g.header.Values("Cache-Control"), ","))
	return !strings.Contains(rule, "no-store")
}

func (g reply) varies(name string) bool {
	for item := range strings.SplitSeq(strings.Join(g.header.Values("Vary"), ","), ",") {
		item = strings.TrimSpace(item)
		if item == "*" || strings.EqualFold(item, name) {
			return true
		}
	}
	return false
}

func (g reply) String() string {
	if g.panic != nil {
		return fmt.Sprintf("a panic: %v", g.panic)
	}
	start := g.body
	if len(start) > 80 {
		start = start[:80] + "…"
	}
	return fmt.Sprintf("%d %q", g.status, start)
}
