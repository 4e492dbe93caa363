package app_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/tollhouse/tollhouse/examples/daybook/app"
)

// clock is a time that stands still until a test moves it.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	broken bool
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 11, 20, 18, 30, 0, 0, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken {
		panic("the clock is broken")
	}
	return c.now
}

// breaks makes whoever asks for the time panic.
func (c *clock) breaks(broken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broken = broken
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// house is a running daybook, reached at the root or under /daybook as a
// gateway does it.
type house struct {
	url    string // where browsers find the app, without a slash at the end
	prefix string
	clock  *clock
	app    *app.App

	mu     sync.Mutex
	before func(http.ResponseWriter, *http.Request) bool // sees each request first; true: it has answered
}

// fail puts something before the app.
func (h *house) fail(before func(http.ResponseWriter, *http.Request) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.before = before
}

// cut takes the network away, or gives it back: connections end without a word.
func (h *house) cut(away bool) {
	if !away {
		h.fail(nil)
		return
	}
	h.fail(func(w http.ResponseWriter, _ *http.Request) bool {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
		return true
	})
}

// hold keeps the next request of a kind ("POST /") from the app until release.
func (h *house) hold(kind string) (arrived <-chan struct{}, release func()) {
	came, go_ := make(chan struct{}), make(chan struct{})
	var once sync.Once
	h.fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method+" "+r.URL.Path == kind {
			once.Do(func() {
				close(came)
				select {
				case <-go_:
				case <-r.Context().Done():
				}
			})
		}
		return false
	})
	return came, func() { close(go_) }
}

func newHouse(t *testing.T, prefix string) *house {
	t.Helper()
	h := &house{clock: newClock(), prefix: prefix}
	a, err := app.New(app.Options{DataDir: t.TempDir(), Clock: h.clock.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h.app = a
	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		before := h.before
		h.mu.Unlock()
		if before == nil || !before(w, r) {
			a.Handler().ServeHTTP(w, r)
		}
	}))
	if prefix != "" {
		inner := handler
		handler = http.StripPrefix(prefix, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("X-Forwarded-Prefix", prefix)
			if r.URL.Path == "" {
				r.URL.Path = "/"
			}
			inner.ServeHTTP(w, r)
		}))
	}
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.Close()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	h.url = server.URL + prefix
	return h
}

// browser is one person's browser without JavaScript: it keeps cookies, follows
// links and redirects, and submits the forms that it is shown.
type browser struct {
	t      *testing.T
	client *http.Client
	at     *url.URL // of the page that is shown
	status int
	header http.Header
	text   string // of the page, as source
	page   *html.Node
}

func (h *house) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, client: &http.Client{Jar: jar}}
	b.open(h.url + "/")
	return b
}

func (b *browser) do(request *http.Request) {
	b.t.Helper()
	response, err := b.client.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	b.at, b.status, b.header, b.text = response.Request.URL, response.StatusCode, response.Header, string(raw)
	if b.page, err = html.Parse(strings.NewReader(b.text)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) open(address string) {
	b.t.Helper()
	request, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(request)
}

// follow clicks the link with this text.
func (b *browser) follow(text string) {
	b.t.Helper()
	for n := range b.page.Descendants() {
		if n.Type == html.ElementNode && n.Data == "a" && strings.TrimSpace(content(n)) == text {
			target, err := b.at.Parse(attribute(n, "href"))
			if err != nil {
				b.t.Fatal(err)
			}
			b.open(target.String())
			return
		}
	}
	b.t.Fatalf("%s has no link %q:\n%s", b.at, text, b.text)
}

// submit fills the form whose button has this text, keeping its other fields
// as the page has them, and presses the button.
func (b *browser) submit(button string, fields map[string]string) {
	b.t.Helper()
	form := b.form(button)
	values := url.Values{}
	for n := range form.Descendants() {
		switch {
		case n.Type != html.ElementNode || attribute(n, "name") == "":
		case n.Data == "textarea":
			// The parser has dropped the first line break, as browsers do; they
			// send line breaks as \r\n.
			values.Set(attribute(n, "name"), strings.ReplaceAll(content(n), "\n", "\r\n"))
		case n.Data == "input":
			values.Set(attribute(n, "name"), attribute(n, "value"))
		}
	}
	for name, value := range fields {
		if !values.Has(name) {
			b.t.Fatalf("the form %q has no field %q", button, name)
		}
		values.Set(name, value)
	}
	target, err := b.at.Parse(attribute(form, "action"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.post(target.String(), values, "same-origin")
}

// press sends the form of this button with the button's own name and value.
func (b *browser) press(button string) {
	b.t.Helper()
	form := b.form(button)
	values := url.Values{}
	for n := range form.Descendants() {
		if n.Type != html.ElementNode || attribute(n, "name") == "" || n.Data == "button" && strings.TrimSpace(content(n)) != button {
			continue
		}
		values.Set(attribute(n, "name"), attribute(n, "value"))
	}
	target, err := b.at.Parse(attribute(form, "action"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.post(target.String(), values, "same-origin")
}

func (b *browser) post(target string, values url.Values, site string) {
	b.t.Helper()
	request, err := http.NewRequest(http.MethodPost, target, strings.NewReader(values.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Sec-Fetch-Site", site)
	b.do(request)
}

func (b *browser) form(button string) *html.Node {
	b.t.Helper()
	for n := range b.page.Descendants() {
		if n.Type != html.ElementNode || n.Data != "button" || strings.TrimSpace(content(n)) != button {
			continue
		}
		for up := range n.Ancestors() {
			if up.Data == "form" {
				return up
			}
		}
	}
	b.t.Fatalf("%s has no form with a button %q:\n%s", b.at, button, b.text)
	return nil
}

// note is what stands in the note's field.
func (b *browser) note() string {
	b.t.Helper()
	for n := range b.page.Descendants() {
		if n.Type == html.ElementNode && n.Data == "textarea" {
			return content(n)
		}
	}
	b.t.Fatalf("%s has no note to write:\n%s", b.at, b.text)
	return ""
}

// shows fails the test unless the page has this status and these texts.
func (b *browser) shows(status int, texts ...string) {
	b.t.Helper()
	if b.status != status {
		b.t.Fatalf("%s: got %d, want %d:\n%s", b.at, b.status, status, b.text)
	}
	visible := strings.Join(strings.Fields(content(b.page)), " ")
	for _, text := range texts {
		if !strings.Contains(visible, text) {
			b.t.Fatalf("%s does not show %q, but: %s", b.at, text, visible)
		}
	}
}

func (b *browser) isAt(address string) {
	b.t.Helper()
	if b.at.String() != address {
		b.t.Fatalf("the browser is at %s, want %s", b.at, address)
	}
}

// signUp makes a user and shows today's page.
func (b *browser) signUp(name string) {
	b.t.Helper()
	b.follow("Begin one")
	b.submit("Begin", map[string]string{"name": name, "email": strings.ToLower(name) + "@example.com", "password": "a quiet " + name + " morning"})
	b.shows(http.StatusOK, name, "Not saved yet")
}

func content(n *html.Node) string {
	var text strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "style" && d.Parent.Data != "script" {
			text.WriteString(d.Data)
		}
	}
	return text.String()
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
