// Package serve is how each example program starts and stops as an HTTP server
// that a deployment can move from one version to the next without a lost request:
//
//	--listen, or PORT, or a free port ─► listen ─► the address goes to URL_FILE ─► serve
//	  ─► SIGTERM ─► no new connections, open requests end ─► exit 0
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Options say where and how to serve.
type Options struct {
	Name    string        // of the program, for the log
	Listen  string        // host:port; see Address
	URLFile string        // where to write the address that was listened on, "" for nowhere
	Drain   time.Duration // how long open requests may take after the end was asked for; default 10 s
	Logger  *slog.Logger  // default slog.Default
}

// Address decides what to listen on: what was asked for by flag; else the port
// that the environment gives, on all interfaces, as platforms expect it; else,
// when the address will be written to a file, any free port of this machine;
// else the fallback.
func Address(flag, port, urlFile, fallback string) string {
	switch {
	case flag != "":
		return flag
	case port != "":
		return net.JoinHostPort("0.0.0.0", port)
	case urlFile != "":
		return "127.0.0.1:0"
	}
	return fallback
}

// Run serves until ctx ends, then lets open requests end, and returns nil. Any
// error says what to do about it.
func Run(ctx context.Context, o Options, handler http.Handler) error {
	log := cmp.Or(o.Logger, slog.Default())
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("listening on %s (is the port taken? choose another with --listen or PORT): %w", o.Listen, err)
	}
	url := "http://" + listener.Addr().String()
	if host, port, err := net.SplitHostPort(listener.Addr().String()); err == nil && net.ParseIP(host).IsUnspecified() {
		url = "http://" + net.JoinHostPort("0.0.0.0", port)
	}
	if o.URLFile != "" {
		if err := writeWhole(o.URLFile, url+"\n"); err != nil {
			return errors.Join(fmt.Errorf("writing the address to URL_FILE: %w", err), listener.Close())
		}
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Info(o.Name+" is serving", slog.String("url", url))
	select {
	case err := <-failed:
		return fmt.Errorf("serving on %s: %w", o.Listen, err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(o.Drain, 10*time.Second))
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return errors.Join(fmt.Errorf("ending open requests: %w", err), server.Close())
	}
	log.Info(o.Name + " has ended")
	return nil
}

// writeWhole writes a file so that whoever reads it sees the old text or the
// new one, never a part.
func writeWhole(name, text string) error {
	temporary, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, writeErr := temporary.WriteString(text)
	modeErr := temporary.Chmod(0o644)
	if err := errors.Join(writeErr, modeErr, temporary.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return os.Rename(temporary.Name(), name)
}
