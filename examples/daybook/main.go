// Command daybook serves the app of package app by itself. Its README says how
// to run it, by itself and behind the gateway.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/tollhouse/tollhouse/examples/daybook/app"
	"github.com/tollhouse/tollhouse/examples/internal/serve"
)

func main() {
	listen := flag.String("listen", "", "`host:port` to listen on (default: PORT of the environment; with URL_FILE any free port; else 127.0.0.1:9003)")
	data := flag.String("data", "./daybook-data", "`directory` of the database, unless DATABASE_URL of the environment names a PostgreSQL")
	flag.Parse()
	if err := run(*listen, *data); err != nil {
		fmt.Fprintln(os.Stderr, "daybook:", err)
		os.Exit(1)
	}
}

func run(listen, data string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	key, err := base64.StdEncoding.DecodeString(os.Getenv("AUTH_TOKEN_KEY"))
	if err != nil {
		return errors.New("AUTH_TOKEN_KEY is not base64: make one with openssl rand -base64 32")
	}
	daybook, err := app.New(app.Options{
		DataDir: data, AuthTokenKey: key,
		DatabaseURL: os.Getenv("DATABASE_URL"), DatabasePassword: os.Getenv("DB_PASSWORD"),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, daybook.Close()) }()
	urlFile := os.Getenv("URL_FILE")
	return serve.Run(ctx, serve.Options{
		Name:    "daybook",
		Listen:  serve.Address(listen, os.Getenv("PORT"), urlFile, "127.0.0.1:9003"),
		URLFile: urlFile,
	}, daybook.Handler())
}
