// Command items is a small site with one of everything that htmx is used for:
// a list behind Cache-Control, search as one types, error partials, live parts.
// Its README says how to run it and what to read.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/tollhouse/tollhouse/examples/internal/serve"
	"github.com/tollhouse/tollhouse/examples/items/site"
)

func main() {
	listen := flag.String("listen", "", "`host:port` to listen on (default: PORT of the environment; with URL_FILE any free port; else 127.0.0.1:9004)")
	flag.Parse()
	if err := run(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "items:", err)
		os.Exit(1)
	}
}

func run(listen string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	items, err := site.New()
	if err != nil {
		return err
	}
	go items.Run(ctx)
	urlFile := os.Getenv("URL_FILE")
	return serve.Run(ctx, serve.Options{
		Name:    "items",
		Listen:  serve.Address(listen, os.Getenv("PORT"), urlFile, "127.0.0.1:9004"),
		URLFile: urlFile,
	}, items)
}
