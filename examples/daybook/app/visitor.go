package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/tollhouse/tollhouse/examples/daybook/user"
	"github.com/tollhouse/tollhouse/examples/daybook/words"
	"github.com/tollhouse/tollhouse/hx"
)

// visitor is who sent a request, as far as it is known.
type visitor struct {
	person *user.User  // nil: nobody is signed in
	failed error       // why it cannot be known
	words  words.Words // in which language to answer
}

type visitorKey struct{}

// seen is the visitor of a request. Without meet it is nobody, who is answered
// in the language that the browser asks for.
func seen(r *http.Request) visitor {
	if v, ok := r.Context().Value(visitorKey{}).(visitor); ok {
		return v
	}
	return visitor{words: language(r, nil)}
}

// meet finds out, once for each request, who sends it and in which language to
// answer. A session in use is renewed hourly. It keeps nobody out.
func (a *App) meet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var v visitor
		u, renew, err := a.who(r)
		switch {
		case err == nil:
			v.person = &u
		case !errors.Is(err, user.ErrUnknown):
			v.failed = err
		}
		v.words = language(r, v.person)
		if err == nil && renew {
			if err := a.enter(w, r, u.ID); err != nil {
				v.failed = err
			}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, v)))
	})
}

// signedIn is the gate: only who is signed in comes to a page, in whatever form
// it is asked for. Others are led to sign in, and back.
func signedIn(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
		switch v := seen(r); {
		case v.failed != nil:
			return hx.Answer{}, v.failed
		case v.person == nil:
			return hx.Answer{}, hx.Errorf(http.StatusUnauthorized, "Sign in first.")
		}
		return next(w, r)
	}
}

// person is who is signed in; only handlers inside signedIn may ask.
func person(r *http.Request) user.User { return *seen(r).person }

// whose names the sender of a form, for hx.Once.
func whose(r *http.Request) string {
	if p := seen(r).person; p != nil {
		return p.ID
	}
	return ""
}
