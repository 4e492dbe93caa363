package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	daybook "github.com/tollhouse/tollhouse/examples/daybook/app"
	items "github.com/tollhouse/tollhouse/examples/items/site"
	"github.com/tollhouse/tollhouse/examples/ner/nerapi"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// examples are the example services of the demo, each a real server on an
// address of its own.
type examples struct {
	nerURL, daybookURL, itemsURL string

	models  *nerapi.Models // of ner's customers, fetched from Tollhouse
	servers []*http.Server
	daybook *daybook.App
	stop    context.CancelFunc // of what items does by itself; nil before it began
}

func startExamples(data string, clock toll.Clock) (*examples, error) {
	e := &examples{models: nerapi.NewModels(nerapi.ModelOptions{Now: clock, Logger: slog.New(slog.DiscardHandler)})}
	var err error
	e.daybook, err = daybook.New(daybook.Options{
		DataDir: filepath.Join(data, "daybook"), Clock: clock, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, fmt.Errorf("starting daybook: %w", err)
	}
	if e.daybookURL, err = e.serve(e.daybook.Handler()); err == nil {
		e.nerURL, err = e.serve(nerapi.New(nerapi.Options{Terms: e.models}))
	}
	if err == nil {
		err = e.startItems()
	}
	if err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

func (e *examples) startItems() error {
	items, err := items.New()
	if err != nil {
		return fmt.Errorf("starting items: %w", err)
	}
	if e.itemsURL, err = e.serve(items); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	go items.Run(ctx)
	return nil
}

func (e *examples) serve(handler http.Handler) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("starting an example service: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	e.servers = append(e.servers, server)
	go func() { _ = server.Serve(listener) }() // ends with close
	return "http://" + listener.Addr().String(), nil
}

// close ends the services after the gateway has let go of them.
func (e *examples) close() {
	if e.stop != nil {
		e.stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for _, s := range e.servers {
		if errors.Is(s.Shutdown(ctx), context.DeadlineExceeded) {
			_ = s.Close() // nothing is left to be told about it
		}
	}
	if e.daybook != nil {
		_ = e.daybook.Close() // its notes are committed one by one
	}
}
