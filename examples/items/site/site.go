// Package site is the items example: a small site with one of everything that
// htmx is used for. Begin with app.go; pages.html is all its HTML.
package site

import (
	"context"
	"net/http"
	"time"
)

// Site is the whole app, ready to be served at the root of a host.
type Site struct {
	http.Handler
	app *app
}

// New makes the site. It fails when its own assets do not fit together.
func New() (*Site, error) {
	a, err := newApp(time.Now, embedded())
	if err != nil {
		return nil, err
	}
	handler, err := a.handler()
	if err != nil {
		return nil, err
	}
	return &Site{Handler: handler, app: a}, nil
}

// Run keeps the live prices moving until ctx ends; then it tells every stream
// when to come back, and ends.
func (s *Site) Run(ctx context.Context) {
	_ = s.app.quote(ctx, 2*time.Second) // it ends with ctx, or when the streams are drained
	_ = s.app.prices.Drain(ctx)         // says to all when to come back
}
