package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/tollhouse/tollhouse/examples/daybook/database"
	"github.com/tollhouse/tollhouse/examples/daybook/day"
	"github.com/tollhouse/tollhouse/examples/daybook/user"
	"github.com/tollhouse/tollhouse/hx"
)

// Options are what an App needs.
type Options struct {
	// DataDir holds the SQLite database and, unless AuthTokenKey is given, the
	// key of the sessions. It is made when it is missing. With DatabaseURL it is
	// not used.
	DataDir string
	// DatabaseURL names a PostgreSQL database (postgres://user@host/name) to use
	// instead of SQLite; several processes may share it, and need one AuthTokenKey.
	DatabaseURL string
	// DatabasePassword takes the place of the one in DatabaseURL, unless it is "".
	DatabasePassword string
	// Clock tells the time; its time zone decides which day it is. Default: time.Now.
	Clock func() time.Time
	// Logger is told of what goes wrong inside. Default: slog.Default.
	Logger *slog.Logger
	// AuthTokenKey signs the sessions: 32 bytes or more. Default: one that is
	// made at the first start and kept in DataDir.
	AuthTokenKey []byte
}

// App is a running daybook. It is safe for concurrent use.
type App struct {
	db       *database.DB
	users    *user.Users
	notes    *day.Notes
	sessions *sessions
	now      func() time.Time
	log      *slog.Logger
	site     *hx.Site
	once     *hx.Once
	flashes  flashes
	release  *hx.Release
	handler  http.Handler
}

// New opens the database and returns the app. An error says what to do about
// it. Call Close at the end.
func New(o Options) (*App, error) {
	a := &App{now: o.Clock, log: cmp.Or(o.Logger, slog.Default())}
	if a.now == nil {
		a.now = time.Now
	}
	if err := dataDir(o); err != nil {
		return nil, err
	}
	key, err := authTokenKey(o)
	if err != nil {
		return nil, err
	}
	a.sessions = &sessions{key: key, now: a.now}
	if err := a.build(key); err != nil {
		return nil, err
	}
	if err := a.open(o); err != nil {
		return nil, err
	}
	return a, nil
}

// open opens the database and makes what the modules miss in it.
func (a *App) open(o Options) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if o.DatabaseURL != "" {
		if a.db, err = database.OpenPostgres(ctx, o.DatabaseURL, o.DatabasePassword); err != nil {
			return err
		}
	} else {
		file := filepath.Join(o.DataDir, "daybook.sqlite")
		if a.db, err = database.OpenSQLite(file); err != nil {
			return fmt.Errorf("opening %s: %w", file, err)
		}
		defer func() {
			if err != nil {
				err = fmt.Errorf("opening %s (if it is damaged, put a backup in its place or move it away to begin anew): %w", file, err)
			}
		}()
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.db.Close())
		}
	}()
	if a.users, err = user.Open(ctx, a.db, a.now); err != nil {
		return err
	}
	a.notes, err = day.Open(ctx, a.db, a.now)
	return err
}

// dataDir makes the data directory, when one is used.
func dataDir(o Options) error {
	switch {
	case o.DatabaseURL != "":
		return nil
	case o.DataDir == "":
		return errors.New("no data directory was given")
	}
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return fmt.Errorf("making the data directory (choose one that can be written): %w", err)
	}
	return nil
}

// Handler returns the app as a handler.
func (a *App) Handler() http.Handler { return a.handler }

// Close closes the database. End the server before.
func (a *App) Close() error { return a.db.Close() }

// build makes what does not depend on data: the site and its addresses.
func (a *App) build(key []byte) (err error) {
	if a.release, err = hx.NewRelease(version); err != nil {
		return err
	}
	if a.flashes, err = newFlashes(key, a.now); err != nil {
		return err
	}
	a.site, err = hx.New(hx.Options{
		Layout:      a.layout,
		Fault:       a.fault,
		Explain:     explain,
		FaultTarget: "#problem",
		SignIn:      "/sign-in",
		Root:        root,
		// Pages are for one person: nobody keeps them, and Back after signing out
		// shows none of them.
		Cache:  hx.NoStore,
		Logger: a.log,
	})
	if err != nil {
		return err
	}
	// What a form did is remembered by this process. Where several share the
	// work, implement hx.OnceStore over the database instead.
	a.once, err = hx.NewOnce(a.site, hx.OnceOptions{Store: hx.NewMemoryOnce(10_000, 16<<20, a.now), Who: whose, MostForm: maxForm})
	if err != nil {
		return err
	}
	a.handler, err = a.routes()
	return err
}

// routes is every address of the app.
func (a *App) routes() (http.Handler, error) {
	pages := http.NewServeMux()
	show := func(pattern string, f handler) { pages.Handle(pattern, a.site.Handler(f)) }

	show("GET /sign-up", a.showSignUp)
	pages.Handle("POST /sign-up", a.once.Handler(a.site.Handler(a.signUp)))
	show("POST /sign-up/check", a.checkSignUp)
	show("GET /sign-in", a.showSignIn)
	show("POST /sign-in", a.signIn)
	show("POST /sign-out", a.signOut)
	show("POST /language", a.chooseLanguage)

	show("GET /{$}", signedIn(a.showToday))
	show("POST /{$}", signedIn(a.saveNote))
	show("POST /state", signedIn(a.showState))
	show("GET /history", signedIn(a.showHistory))
	show("GET /history/{date}", signedIn(a.showDay))
	pages.Handle("/", a.site.NotFound())

	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", a.health)
	mux.Handle("GET /version.json", a.release)
	mux.Handle(assets.Prefix(), assets)
	mux.Handle("/", a.site.Guard(a.release.Handler(a.meet(pages))))
	return a.secured(mux)
}

// handler is what a page is made by: see hx.Site.Handler.
type handler func(w http.ResponseWriter, r *http.Request) (hx.Answer, error)

// health tells whether the app can answer: whether its database can.
func (a *App) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", hx.NoStore.String())
	if err := a.db.Healthy(r.Context()); err != nil {
		a.log.ErrorContext(r.Context(), "the database does not answer", slog.Any("error", err))
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"down"}` + "\n"))
		return
	}
	_, _ = w.Write([]byte(`{"status":"ok"}` + "\n"))
}
