package hx

import (
	"fmt"
	"net/http"
	"runtime/debug"
)

// Guard turns a panic of the handlers inside it into an error of status 500, in
// the form that the request asks for. A panic after the first byte cannot be
// told any more: the connection is cut, so that the client does not take what
// came for the whole. http.ErrAbortHandler passes.
func (s *Site) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := &watchedWriter{ResponseWriter: w}
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
				panic(p)
			}
			if watched.started {
				s.o.Logger.ErrorContext(r.Context(), "a page panicked in the middle of its answer", "request_id", s.o.RequestID(w, r), "route", r.Pattern, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				panic(http.ErrAbortHandler)
			}
			s.Fail(w, r, panicked(p))
		}()
		next.ServeHTTP(watched, r)
	})
}

// panicked makes an error of a panic's value, with the stack for the log.
func panicked(p any) error {
	return &Fault{Status: http.StatusInternalServerError, Cause: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
}

// watchedWriter knows whether an answer was begun.
type watchedWriter struct {
	http.ResponseWriter
	started bool
}

func (w *watchedWriter) WriteHeader(status int) {
	w.started = w.started || status >= 200
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedWriter) Write(b []byte) (int, error) {
	w.started = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// FlushError flushes, and counts as begun.
func (w *watchedWriter) FlushError() error {
	w.started = true
	return http.NewResponseController(w.ResponseWriter).Flush()
}
