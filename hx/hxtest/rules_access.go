package hxtest

import (
	"net/http"
	"net/url"
	"strings"
)

// redirect checks how an answer leads elsewhere.
func (e *examination) redirect(a ask, got reply) {
	location := got.header.Get("Location")
	boosted := !a.partial && !a.restore && len(a.headers) > 0
	switch {
	case a.partial && got.redirects() && e.route.Followed:
		e.follow(a, got)
	case a.partial && got.redirects():
		e.find(Redirect, a.name, "a %d is followed unseen, and its page put into a fragment's place; use HX-Redirect or HX-Location", got.status)
	case a.partial && got.led() == "":
		e.find(Redirect, a.name, "leads nowhere: %s", got)
	case boosted && got.led() != "": // right too: a whole new document
	case a.whole && got.status != http.StatusSeeOther && !(e.route.safe() && got.redirects()):
		e.find(Redirect, a.name, "want 303, got %s", got)
	case a.whole && !local(location):
		e.find(Redirect, a.name, "leads to %q, which is no path of this site", location)
	}
	if to := got.header.Get("HX-Redirect"); to != "" && !local(to) {
		e.find(Redirect, a.name, "leads to %q, which is no path of this site", to)
	}
}

// follow asks for what a fragment's redirect leads to, as a browser does: by
// GET and with the same headers.
func (e *examination) follow(a ask, got reply) {
	to := got.header.Get("Location")
	if got.status != http.StatusSeeOther || !local(to) {
		e.find(Redirect, a.name, "want 303 to a path of this site, got %d to %q", got.status, to)
		return
	}
	there := *e
	there.route = Route{Path: to}
	after := there.send(there.request(a, signedIn, nil))
	if after.panic != nil || after.redirects() || after.pieceOfPage() != "" || after.status != http.StatusOK {
		e.find(Redirect, a.name, "the 303 leads to %s, which answers a fragment request by %s", to, after)
	}
}

// local is stricter than a browser needs it.
func local(to string) bool {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\t\r\n ") {
		return false
	}
	u, err := url.Parse(to)
	return err == nil && u.Host == "" && !strings.HasPrefix(u.Path, "//")
}

// expired: whoever has no session any more is led to sign-in as a whole.
func (e *examination) expired() {
	for _, a := range e.asks() {
		seen := e.send(e.request(a, signedIn, nil))
		for _, w := range []who{expired, nobody} {
			got := e.send(e.request(a, w, nil))
			name := a.name + ", session expired"
			if w == nobody {
				name = a.name + ", no session"
			}
			switch {
			case got.panic != nil:
				e.find(Panic, name, "%s", got)
			case got.status < 300 && got.led() == "":
				e.find(Expired, name, "answered all the same: %s", got)
			case strings.TrimSpace(got.body) != "" && got.body == seen.body && got.status == seen.status && e.route.status() < 400:
				e.find(Expired, name, "sees what only a session should see")
			case a.partial && got.redirects():
				e.find(Expired, name, "a %d puts the sign-in page into a fragment's place; use HX-Redirect", got.status)
			case a.partial && e.app.SignInPath != "" && !strings.HasPrefix(got.led(), e.app.SignInPath):
				e.find(Expired, name, "is not led to %s: %s", e.app.SignInPath, got)
			case a.restore && got.led() != "" && !got.redirects() && !got.page():
				e.find(Expired, name, "htmx 2 does not read HX-Redirect when it restores, and shows nothing; use 303")
			case !a.partial && e.app.SignInPath != "" && !strings.HasPrefix(got.header.Get("Location")+got.led(), e.app.SignInPath):
				e.find(Expired, name, "is not led to %s: %s", e.app.SignInPath, got)
			}
		}
	}
}

// forged: what a client may write into headers.
func (e *examination) forged() {
	const script = `"><script>hxtest()</script>`
	evil := "https://evil.example/hxtest"
	forgery := ask{name: "forged headers", partial: true, headers: map[string]string{
		"HX-Request": "true", "HX-Target": script, "HX-Trigger": script, "HX-Trigger-Name": script, "HX-Prompt": script,
		"HX-Current-URL": evil, "HX-Source": "div#" + url.PathEscape(script), "HX-Request-Type": "partial", "HX-Boosted": script,
		"X-Release": script,
	}}
	for _, w := range []who{signedIn, nobody} {
		got := e.send(e.request(forgery, w, nil))
		if got.panic != nil {
			e.find(Panic, forgery.name, "%s", got)
			continue
		}
		if strings.Contains(got.body, script) {
			e.find(Forged, forgery.name, "a header of the request is in the answer as HTML")
		}
		for name, values := range got.header {
			if all := strings.Join(values, "\n"); strings.Contains(all, "evil.example") || strings.Contains(all, "<script>") {
				e.find(Forged, forgery.name, "%s repeats what was forged: %q", name, all)
			}
		}
	}
	if e.route.Public || e.app.SignIn == nil {
		return
	}
	plain := e.send(e.request(ask{name: "plain"}, nobody, nil))
	for _, a := range append(e.asks(), forgery) {
		got := e.send(e.request(a, nobody, nil))
		if got.panic == nil && (plain.status >= 300) && got.status < 300 && got.led() == "" {
			e.find(Forged, a.name+", no session", "headers of htmx turn %d into %d", plain.status, got.status)
		}
	}
}

// elsewhere are addresses of another site, as browsers read them.
var elsewhere = []string{
	"//evil.example", "///evil.example", "https://evil.example", "https:evil.example", "/\\evil.example", "\\\\evil.example",
	"/\t/evil.example", "\t//evil.example", "/%09/evil.example", "/.//evil.example", "/x/..//evil.example", "javascript:alert(1)//evil.example", "//evil.example@" + "example.com",
}

// next: nobody is led to another site by a link that somebody made.
func (e *examination) next() {
	if e.route.Next == "" {
		return
	}
	for _, to := range elsewhere {
		for _, a := range e.asks() {
			var values url.Values
			if e.route.Form != nil {
				values = e.route.Form()
				values.Set(e.route.Next, to)
			}
			r := e.request(a, signedIn, values)
			q := r.URL.Query()
			q.Set(e.route.Next, to)
			r.URL.RawQuery = q.Encode()
			got := e.send(r)
			for _, name := range []string{"Location", "HX-Redirect", "HX-Location", "HX-Push-Url", "HX-Replace-Url"} {
				if v := got.header.Get(name); leaves(v) {
					e.find(Next, a.name, "%s=%q leads there: %s: %s", e.route.Next, to, name, v)
				}
			}
		}
	}
}

// leaves tells that a browser would leave the site for an address.
func leaves(to string) bool {
	if to == "" {
		return false
	}
	clean := strings.NewReplacer("\t", "", "\r", "", "\n", "", "\\", "/").Replace(strings.TrimSpace(to))
	base := &url.URL{Scheme: "https", Host: "own.example", Path: "/"}
	u, err := url.Parse(clean)
	if err != nil {
		return true
	}
	at := base.ResolveReference(u)
	return at.Host != "own.example" || strings.HasPrefix(at.Path, "//") || (at.Scheme != "https" && at.Scheme != "http")
}
