package app

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the database driver

	"github.com/tollhouse/tollhouse/examples/daybook/day"
	"github.com/tollhouse/tollhouse/examples/daybook/user"
)

// Options are what an App needs.
type Options struct {
	// DataDir holds the database and, unless AuthTokenKey is given, the key of
	// the sessions. It is made when it is missing.
	DataDir string
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
	db       *sql.DB
	users    *user.Users
	notes    *day.Notes
	sessions *sessions
	now      func() time.Time
	log      *slog.Logger
	handler  http.Handler
}

// New opens the database and returns the app. An error says what to do about
// it. Call Close at the end.
func New(o Options) (*App, error) {
	a := &App{now: o.Clock, log: cmp.Or(o.Logger, slog.Default())}
	if a.now == nil {
		a.now = time.Now
	}
	if o.DataDir == "" {
		return nil, errors.New("daybook: no data directory was given")
	}
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("daybook: making the data directory (choose one that can be written): %w", err)
	}
	key, err := authTokenKey(o)
	if err != nil {
		return nil, fmt.Errorf("daybook: %w", err)
	}
	a.sessions = &sessions{key: key, now: a.now}
	file := filepath.Join(o.DataDir, "daybook.sqlite")
	if err := a.open(file); err != nil {
		return nil, fmt.Errorf("daybook: opening %s (if it is damaged, put a backup in its place or move it away to begin anew): %w", file, err)
	}
	a.handler = a.routes()
	return a, nil
}

func (a *App) open(file string) error {
	// The database is made here, and not by SQLite, so that nobody else on the
	// machine can read it; the files beside it get its mode.
	made, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := made.Close(); err != nil {
		return err
	}
	dsn := url.URL{Scheme: "file", Opaque: url.PathEscape(file), RawQuery: "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(4)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	users, err := user.Open(ctx, db, a.now)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	notes, err := day.Open(ctx, db, a.now)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	a.db, a.users, a.notes = db, users, notes
	return nil
}

// Handler returns the app as a handler.
func (a *App) Handler() http.Handler { return a.handler }

// Close closes the database. End the server before.
func (a *App) Close() error { return a.db.Close() }

// routes is every address of the app.
func (a *App) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", a.health)
	mux.HandleFunc("GET /assets/{name}", a.asset)

	mux.HandleFunc("GET /sign-up", a.showSignUp)
	mux.HandleFunc("POST /sign-up", a.signUp)
	mux.HandleFunc("GET /sign-in", a.showSignIn)
	mux.HandleFunc("POST /sign-in", a.signIn)
	mux.HandleFunc("POST /sign-out", a.signOut)

	mux.HandleFunc("GET /{$}", a.signedIn(a.showToday))
	mux.HandleFunc("POST /{$}", a.signedIn(a.saveNote))
	mux.HandleFunc("GET /history", a.signedIn(a.showHistory))
	mux.HandleFunc("GET /history/{date}", a.signedIn(a.showDay))
	mux.HandleFunc("/", a.notFound)
	return a.secured(mux)
}

// health tells whether the app can answer: whether its database can.
func (a *App) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	var one int
	if err := a.db.QueryRowContext(r.Context(), `SELECT 1`).Scan(&one); err != nil {
		a.log.ErrorContext(r.Context(), "the database does not answer", slog.Any("error", err))
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"down"}` + "\n"))
		return
	}
	_, _ = w.Write([]byte(`{"status":"ok"}` + "\n"))
}
