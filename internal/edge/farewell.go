package edge

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
)

// Farewell tells clients, once Say was called, that this process is about to
// leave and another one listens at the same place. No connection is cut and no
// request refused for it:
//
//   - HTTP/1.1: the next answer on each connection says "Connection: close" (RFC
//     9112 §9.6), and an idle connection is left alone, for its client may be
//     sending just now.
//   - HTTP/2: a GOAWAY with the highest stream number at once (RFC 9113 §6.8):
//     what the client has sent is answered, and it opens no more streams here.
//
// The zero value is ready. Its methods are safe for concurrent use.
type Farewell struct {
	said atomic.Bool

	mu     sync.Mutex
	frames map[*frames]struct{}
}

// Handler is next, with the word that this process leaves.
func (f *Farewell) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && f.said.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// Say makes everything here hold from the next answer on.
func (f *Farewell) Say() {
	f.said.Store(true)
	f.mu.Lock()
	var all []*frames
	for one := range f.frames {
		all = append(all, one)
	}
	f.mu.Unlock()
	for _, one := range all {
		go one.leave() // a client that reads nothing holds up itself alone
	}
}

// NewTLSServer is NewTLSServer of this package, with a farewell for its
// HTTP/2 connections; the handler is to be Handler's.
func (f *Farewell) NewTLSServer(handler http.Handler, config *tls.Config, log *slog.Logger, times ...Times) (*http.Server, error) {
	return newTLSServer(handler, config, log, f, times...)
}

// enter notes an HTTP/2 connection, until the returned function is called.
func (f *Farewell) enter(one *frames) (leave func()) {
	f.mu.Lock()
	if f.frames == nil {
		f.frames = map[*frames]struct{}{}
	}
	f.frames[one] = struct{}{}
	f.mu.Unlock()
	if f.said.Load() {
		one.leave()
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.frames, one)
	}
}
