package e2e

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

var (
	mailHref  = regexp.MustCompile(`href="(/mail/[^"]+)"`)
	linkHref  = regexp.MustCompile(`href="(https://console\.example\.com/link\?ticket=[^"]+)"`)
	personRef = regexp.MustCompile(`href="/team/(mem_[^"]+)"`)
	onceValue = regexp.MustCompile(`name="hx-once" value="([^"]+)"`)
)

// linkFor waits for the newest kept mail of a kind to an address, and returns
// the path of its link.
func (v *visitor) linkFor(t *testing.T, to, subject string) (path string) {
	t.Helper()
	until(t, "a mail to "+to, func() bool {
		_, list := v.get(t, "/mail")
		for _, m := range mailHref.FindAllStringSubmatch(list, -1) {
			_, one := v.get(t, m[1])
			if link := linkHref.FindStringSubmatch(one); link != nil && strings.Contains(one, to) && strings.Contains(one, subject) {
				u, err := url.Parse(html.UnescapeString(link[1]))
				if err != nil {
					t.Fatal(err)
				}
				path = u.RequestURI()
				return true
			}
		}
		return false
	})
	return path
}

// follow posts what a link's form asks for.
func (v *visitor) follow(t *testing.T, path string, fields ...string) (int, string) {
	t.Helper()
	if status, page := v.get(t, path); status != 200 {
		t.Fatalf("the link is %d: %s", status, text(page))
	}
	u, err := url.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	return v.post(t, "/link", append(fields, "ticket", u.Query().Get("ticket"))...)
}

// Signing up, the first key, a colleague, their role and their end, over two
// replicas on one PostgreSQL, without JavaScript.
func TestPeopleComeAndGoOverTwoReplicas(t *testing.T) {
	t.Parallel()
	database, dir := pgserver.Database(t), t.TempDir()
	var urls []string
	var chief signIn
	for i := range 2 {
		s := &served{t: t, file: filepath.Join(dir, fmt.Sprintf("%d.yml", i))}
		s.write(fmt.Sprintf(`
listen: { http: "127.0.0.1:0" }
data: %q
database: %q
secrets: { session: 0123456789abcdef0123456789abcdef }
console: { url: "https://console.example.com", sign_up: free }
services:
  api: { path: /api, upstreams: ["http://127.0.0.1:9"], access: key }
plans:
  free: { includes: [api] }
`, filepath.Join(dir, fmt.Sprint(i)), database))
		if i == 0 { // before they start: a database without a server
			chief = ask[signIn](t, "operator", "create", "--config", s.file, "--email", "chief@example.com")
		}
		process := start(t, "serves at", "serve", "--config", s.file)
		urls = append(urls, strings.Fields(strings.SplitAfter(process.stdout.String(), "serves at ")[1])[0])
	}
	operator := visit(t, urls[0])
	operator.signIn(t, chief)

	stranger := visit(t, urls[0])
	evil, err := http.NewRequestWithContext(t.Context(), http.MethodPost, stranger.home+"/sign-up", strings.NewReader("email=nora%40example.com"))
	if err != nil {
		t.Fatal(err)
	}
	evil.Host = "evil.example"
	evil.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	evil.Header.Set("X-Forwarded-Host", "evil.example")
	answer, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(evil)
	if err != nil {
		t.Fatal(err)
	}
	if _, page := read(t, answer); answer.StatusCode != 303 || answer.Header.Get("Location") != "/sent" {
		t.Fatalf("signing up is %d: %s", answer.StatusCode, text(page))
	}
	link := operator.linkFor(t, "nora@example.com", "Confirm") // and it is console.example.com's, or is not found
	if status, page := stranger.follow(t, link, "organisation", "Nova", "name", "Nora", "password", "password1234"); status != 422 {
		t.Errorf("a common password is %d: %s", status, text(page))
	}
	if status, page := stranger.follow(t, link, "organisation", "Nova", "name", "Nora", "password", "a good long one"); status != 200 || !strings.Contains(text(page), "Sign in") {
		t.Fatalf("the link is %d: %s", status, text(page))
	}
	if status, _ := stranger.get(t, link); status != 404 {
		t.Errorf("a used link is %d", status)
	}
	nora := visit(t, urls[0])
	nora.signIn(t, signIn{"nora@example.com", "a good long one"})
	_, page := nora.get(t, "/keys/new")
	if status, page := nora.post(t, "/keys", "hx-once", onceValue.FindStringSubmatch(page)[1], "name", "first", "mode", "live", "expires", "never"); status != 200 || !strings.Contains(page, "th_live_") {
		t.Fatalf("the first key is %d: %s", status, text(page))
	}

	_, page = nora.get(t, "/team/invitations/new")
	if status, page := nora.post(t, "/team/invitations/new", "hx-once", onceValue.FindStringSubmatch(page)[1], "email", "dev@example.com", "role", "developer"); status != 200 || !strings.Contains(page, "dev@example.com") {
		t.Fatalf("inviting is %d: %s", status, text(page))
	}
	stranger.follow(t, operator.linkFor(t, "dev@example.com", "invites you"), "name", "Dev", "password", "another long one")
	dev := signIn{"dev@example.com", "another long one"}
	here, there := visit(t, urls[0]), visit(t, urls[1])
	here.signIn(t, dev)
	there.signIn(t, dev)
	_, page = nora.get(t, "/team")
	var id string
	for _, m := range personRef.FindAllStringSubmatch(page, -1) {
		if _, one := nora.get(t, "/team/"+m[1]); strings.Contains(one, "dev@example.com") {
			id = m[1]
		}
	}
	may := func(v *visitor) bool { status, _ := v.get(t, "/keys/new"); return status == 200 }
	if !may(here) || !may(there) {
		t.Fatal("a developer may not make keys")
	}
	changed := func(what string, gone func(v *visitor) bool) {
		t.Helper()
		began := time.Now()
		if !gone(here) {
			t.Errorf("%s does not hold for the next request here", what)
		}
		until(t, what+" holds there", func() bool { return gone(there) })
		t.Logf("%s: there after %s", what, time.Since(began).Round(time.Millisecond))
	}
	nora.post(t, "/team/"+id+"/role", "role", "viewer")
	changed("another role", func(v *visitor) bool { return !may(v) })
	nora.post(t, "/team/"+id+"/disable")
	changed("being disabled", func(v *visitor) bool {
		_, page := v.get(t, "/overview")
		return strings.Contains(page, `name="password"`)
	})

	stranger.post(t, "/reset", "email", "nora@example.com")
	stranger.follow(t, operator.linkFor(t, "nora@example.com", "Choose a new password"), "password", "quite another one")
	changed("a new password", func(*visitor) bool {
		_, page := nora.get(t, "/overview")
		return strings.Contains(page, `name="password"`)
	})
	nora.signIn(t, signIn{"nora@example.com", "quite another one"})
}
