// Command ner serves the named-entity API of package nerapi by itself. Its
// README says how to run it, by itself and behind the gateway.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/tollhouse/tollhouse/examples/internal/serve"
	"github.com/tollhouse/tollhouse/examples/ner/nerapi"
)

func main() {
	listen := flag.String("listen", "", "`host:port` to listen on (default: PORT of the environment; with URL_FILE any free port; else 127.0.0.1:9001)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	urlFile := os.Getenv("URL_FILE")
	err := serve.Run(ctx, serve.Options{
		Name:    "ner",
		Listen:  serve.Address(*listen, os.Getenv("PORT"), urlFile, "127.0.0.1:9001"),
		URLFile: urlFile,
	}, nerapi.New(nerapi.Options{}))
	if err != nil {
		fmt.Fprintln(os.Stderr, "ner:", err)
		os.Exit(1)
	}
}
