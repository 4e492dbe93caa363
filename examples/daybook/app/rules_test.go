package app_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/examples/daybook/app"
	"github.com/tollhouse/tollhouse/examples/daybook/database"
	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/hx/hxtest"
)

// desk is an app with a person in it, whose routes are asked for in every way
// that a browser, htmx 2 and htmx 4 do.
type desk struct {
	t       *testing.T
	app     *app.App
	clock   *clock
	broken  atomic.Bool // the clock panics
	session *http.Cookie
	expired *http.Cookie // of the same person, 49 hours before
	db      *database.DB // beside the app, to count
	made    int
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, clock: newClock()}
	dir := t.TempDir()
	a, err := app.New(app.Options{DataDir: dir, Logger: slog.New(slog.DiscardHandler), Clock: func() time.Time {
		if d.broken.Load() {
			panic("s3cret of the clock")
		}
		return d.clock.Now()
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	d.app = a
	if d.db, err = database.OpenSQLite(filepath.Join(dir, "daybook.sqlite")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.db.Close() })
	d.clock.pass(-49 * time.Hour)
	d.expired = sessionOf(signUp(a))
	d.clock.pass(49 * time.Hour)
	d.session = sessionOf(post(a, "/sign-in", url.Values{"email": {"ada@example.com"}, "password": {"a quiet Ada morning"}}, nil))
	d.save("2026-11-20", "stored")
	return d
}

func (d *desk) ask(method, path string, form url.Values) string {
	d.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(d.session)
	w := httptest.NewRecorder()
	d.app.Handler().ServeHTTP(w, r)
	return w.Body.String()
}

// version is that of the stored note, as today's page has it.
func (d *desk) version() string {
	d.t.Helper()
	_, after, ok := strings.Cut(d.ask("GET", "/", nil), `name="version" value="`)
	if !ok {
		d.t.Fatal("today's page has no version")
	}
	version, _, _ := strings.Cut(after, `"`)
	return version
}

func (d *desk) save(date, text string) {
	d.t.Helper()
	d.ask("POST", "/", url.Values{"date": {date}, "version": {d.version()}, "note": {text}})
}

// hxapp is the app as hxtest asks it.
func (d *desk) hxapp() hxtest.App {
	return hxtest.App{Handler: d.app.Handler(), SignInPath: "/sign-in",
		SignIn: func(r *http.Request) { r.AddCookie(d.session) },
		Expire: func(r *http.Request) { r.AddCookie(d.expired) },
	}
}

func note(version, date, text string) func() url.Values {
	return func() url.Values { return url.Values{"version": {version}, "date": {date}, "note": {text}} }
}

func TestKeepsTheRulesOfHTMXOnEveryPage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	n := 0
	next := func() url.Values { // each saves something else, over what is there
		n++
		return url.Values{"version": {d.version()}, "date": {"2026-11-20"}, "note": {fmt.Sprint("text ", n)}}
	}
	versions := func() (n int) {
		_, err := fmt.Sscan(d.version(), &n)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	long := strings.Repeat("y", 20_001)
	hxtest.Check(t, d.hxapp(),
		hxtest.Route{Path: "/", Target: "content"},
		hxtest.Route{Path: "/", Target: "state"},
		hxtest.Route{Path: "/history", Target: "content"},
		hxtest.Route{Path: "/history?before=2026-01-01", Target: "content"},
		hxtest.Route{Path: "/history?before=x", Target: "content", Status: 404},
		hxtest.Route{Path: "/history/2026-11-20", Target: "content"},
		hxtest.Route{Path: "/history/2020-02-02", Target: "content", Status: 404},
		hxtest.Route{Path: "/history/never", Status: 404},
		hxtest.Route{Path: "/nothing", Status: 404, Public: true},
		hxtest.Route{Path: "/healthz/", Status: 404, Public: true},

		hxtest.Route{Path: "/", Target: "state", Form: next, Redirects: true, Followed: true, Once: true, Effects: versions},
		hxtest.Route{Path: "/", Target: "state", Form: note("1", "2026-11-20", long), Status: 422},
		hxtest.Route{Path: "/", Target: "state", Form: note("7777", "2026-11-20", "from elsewhere"), Status: 409},
		hxtest.Route{Path: "/", Target: "state", Form: note("1", "2026-11-01", "late"), Status: 422},
		hxtest.Route{Path: "/", Target: "state", Form: note("x", "2026-11-20", "forged"), Status: 422},
		hxtest.Route{Path: "/", Target: "state", Form: note("1", "2026-11-20", strings.Repeat("y", 2<<20)), Status: 413},
		hxtest.Route{Path: "/state", Target: "state", Form: note("1", "2026-11-20", "typing")},
		hxtest.Route{Path: "/state", Target: "state", Form: note("1", "2026-11-20", long)},
		hxtest.Route{Path: "/state", Target: "state", Form: note("1", "yesterday", "x"), Status: 422},

		hxtest.Route{Path: "/sign-in?next=/history", Redirects: true, Next: "next", Public: true}, // who is signed in already
		hxtest.Route{Path: "/sign-out", Form: func() url.Values { return url.Values{} }, Redirects: true, Public: true},
		hxtest.Route{Path: "/language", Form: func() url.Values { return url.Values{"language": {"en"}, "next": {"/history"}} }, Redirects: true, Next: "next", Public: true},
		hxtest.Route{Path: "/language", Form: func() url.Values { return url.Values{"language": {"tlh"}} }, Status: 422, Public: true},
	)
}

func TestKeepsTheRulesOfHTMXAtTheEntrance(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	once := func() string { return token.FindStringSubmatch(d.ask("GET", "/sign-up", nil))[1] }
	newcomer := func() url.Values {
		d.made++
		return url.Values{"name": {"Bob"}, "email": {fmt.Sprintf("bob%d@example.com", d.made)}, "password": {"long enough a word"}, hx.OnceField: {once()}}
	}
	form := func(pairs ...string) func() url.Values {
		return func() url.Values {
			f := url.Values{hx.OnceField: {once()}}
			for i := 0; i < len(pairs); i += 2 {
				f.Set(pairs[i], pairs[i+1])
			}
			return f
		}
	}
	hxtest.Check(t, hxtest.App{Handler: d.app.Handler()},
		hxtest.Route{Path: "/sign-in", Target: "content"},
		hxtest.Route{Path: "/sign-in?next=/history", Target: "content"},
		hxtest.Route{Path: "/sign-up", Target: "content"},
		hxtest.Route{Path: "/sign-in", Target: "content", Form: form("email", "ada@example.com", "password", "wrong"), Status: 422},
		hxtest.Route{Path: "/sign-in", Target: "content", Form: form("email", "ada@example.com", "password", "a quiet Ada morning", "next", "/history"), Redirects: true, Next: "next"},
		hxtest.Route{Path: "/sign-up", Target: "content", Form: form("name", "", "email", "x"), Status: 422},
		hxtest.Route{Path: "/sign-up", Target: "content", Form: func() url.Values { return url.Values{"name": {"Bob"}} }, Status: 422}, // without a token
		hxtest.Route{Path: "/sign-up", Target: "content", Form: newcomer, Redirects: true, Once: true, Effects: d.people},
		hxtest.Route{Path: "/sign-up/check", Target: "email-wrong", Form: form("email", "x")},
		hxtest.Route{Path: "/sign-up/check", Target: "content", Form: form("email", "x")},
	)
}

// people counts who has signed up.
func (d *desk) people() (n int) {
	if err := d.db.QueryRow(d.t.Context(), `SELECT COUNT(*) FROM {user.user}`).Scan(&n); err != nil {
		d.t.Error(err)
	}
	return n
}

func TestAnswersItsOwnFailuresInTheFormThatWasAskedFor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	form := note("1", "2026-11-20", "text")
	failing := func(status int, public bool) []hxtest.Route {
		var all []hxtest.Route
		for _, r := range []hxtest.Route{
			{Path: "/", Target: "content"}, {Path: "/", Target: "state"}, {Path: "/history", Target: "content"}, {Path: "/history/2026-11-20", Target: "content"},
			{Path: "/", Target: "state", Form: form}, {Path: "/state", Target: "state", Form: form},
		} {
			r.Status, r.Public, r.Secret = status, public, "s3cret"
			all = append(all, r)
		}
		return all
	}
	entrance := []hxtest.Route{{Path: "/sign-in", Target: "content", Form: func() url.Values { return url.Values{"email": {"ada@example.com"}, "password": {"x"}} }, Status: 500, Public: true}}

	if err := d.app.Close(); err != nil { // the database is gone
		t.Fatal(err)
	}
	hxtest.Check(t, d.hxapp(), append(failing(500, false), entrance...)...)
	d.broken.Store(true) // a panic in the depths
	hxtest.Check(t, d.hxapp(), failing(500, true)...)
}
