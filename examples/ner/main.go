// Command ner serves the named-entity API of package nerapi by itself. Its
// README says how to run it, by itself and behind the gateway.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
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
	terms, err := models()
	if err == nil {
		err = run(ctx, *listen, urlFile, terms)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ner:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen, urlFile string, terms nerapi.Terms) error {
	return serve.Run(ctx, serve.Options{
		Name:    "ner",
		Listen:  serve.Address(listen, os.Getenv("PORT"), urlFile, "127.0.0.1:9001"),
		URLFile: urlFile,
	}, nerapi.New(nerapi.Options{Terms: terms}))
}

// models are the customers' own term lists, where MODELS_URL says that Tollhouse
// has some; nil: there are none.
func models() (nerapi.Terms, error) {
	from := os.Getenv("MODELS_URL")
	if from == "" {
		return nil, nil
	}
	secret := os.Getenv("MODELS_SECRET")
	if file := os.Getenv("MODELS_SECRET_FILE"); file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading MODELS_SECRET_FILE: %w", err)
		}
		secret = strings.TrimSpace(string(content))
	}
	if secret == "" {
		return nil, errors.New("MODELS_URL is set, and neither MODELS_SECRET nor MODELS_SECRET_FILE")
	}
	models := nerapi.NewModels(nerapi.ModelOptions{})
	models.From(from, secret)
	return models, nil
}
