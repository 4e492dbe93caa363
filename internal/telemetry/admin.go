package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Admin is what the admin listener shows.
type Admin struct {
	// Metrics is scraped at /metrics; nil: there is no such page.
	Metrics *Metrics
	// Ready returns nil when the program can serve, and else an error whose safe
	// message (toll.SafeMessage) says what is missing. nil: always ready. It
	// must be safe for concurrent use and quick.
	Ready func(ctx context.Context) error
	// Services is what services ask for, below /services/; it knows who asks by
	// itself. nil: there is nothing.
	Services http.Handler
}

// Handler serves the admin listener, which is never public: nobody is asked
// who he is, but for services, which show their secrets.
//
//	GET /healthz       200 while the process answers at all
//	GET /readyz        200 when it can serve, 503 with the reason when not
//	GET /metrics       Prometheus
//	GET /debug/pprof/  profiles
//	GET /services/     what services ask for, each with its secret
//
// It has a mux of its own. (Importing net/http/pprof also puts the profiles on
// http.DefaultServeMux; nothing in Tollhouse serves that one.)
func (a Admin) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		plain(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if a.Ready != nil {
			if err := a.Ready(r.Context()); err != nil {
				plain(w, http.StatusServiceUnavailable, toll.SafeMessage(err))
				return
			}
		}
		plain(w, http.StatusOK, "ready")
	})
	if a.Metrics != nil {
		mux.Handle("GET /metrics", a.Metrics.Handler())
	}
	if a.Services != nil {
		mux.Handle("/services/", a.Services)
	}
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // who asked and left needs no answer
}
