package app

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"text/template"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// DemoOptions are what `tollhouse demo` can be told.
type DemoOptions struct {
	Listen string // the address of gateway and console
	Data   string // the data directory
	Empty  bool   // leave the generated usage out
	Out    io.Writer
	Log    io.Writer
	Told   bool       // Out is a person's, so warnings stand in the block there and not in the log
	Clock  toll.Clock // nil: toll.SystemClock
	Ready  func(*App, DemoFacts)
}

//go:embed demo.yml
var demoConfig string

var demoTemplate = template.Must(template.New("demo.yml").Parse(demoConfig))

// Demo runs everything on this machine until ctx ends: gateway and console on
// one address, the example services behind it, and customers with keys.
func Demo(ctx context.Context, o DemoOptions) error {
	if o.Clock == nil {
		o.Clock = toll.SystemClock
	}
	data, err := filepath.Abs(o.Data)
	if err != nil {
		return toll.Errorf(toll.Invalid, "the data directory %s has no absolute path: %w", o.Data, err)
	}
	// The lock comes first: a second demo on the same data must not even start
	// the example services, which have files of their own there.
	lock, err := openData(data)
	if err != nil {
		return err
	}
	unlock := func(err error) error { return errors.Join(err, lock.Unlock()) }
	// So does the address: what is in use is told before anything is made.
	listener, err := listen("--listen", o.Listen)
	if err != nil {
		return unlock(err)
	}
	examples, err := startExamples(data, o.Clock)
	if err != nil {
		return unlock(errors.Join(err, listener.Close()))
	}
	defer examples.close()
	cfg, err := demoConfiguration(data, listener.Addr(), examples)
	if err != nil {
		return unlock(errors.Join(err, listener.Close()))
	}
	var facts DemoFacts
	return Run(ctx, cfg, Options{
		Log: o.Log, Clock: o.Clock, Demo: true, Told: o.Told, lock: lock, listener: listener,
		prepare: func(ctx context.Context, r *rooms) error {
			facts, err = furnish(ctx, r, o.Empty)
			return err
		},
		Ready: func(a *App) {
			facts.URL, facts.ConsoleURL = a.URL(), a.ConsoleURL()
			facts.DaybookURL = "http://daybook.localhost:" + a.port() + "/"
			facts.itemsURL = "http://items.localhost:" + a.port() + "/"
			facts.AdminURL = a.AdminURL()
			if secret, err := a.ModelsSecret("ner"); err == nil { // it was made, and told, when the listener opened
				examples.models.From(a.AdminURL()+"/services/ner", secret.Reveal())
			}
			if err := facts.save(data); err != nil {
				a.log.Error("demo.json was not written", "error", err)
			}
			facts.print(o.Out, data)
			if o.Told {
				ShowWarnings(o.Out, a)
			}
			if o.Ready != nil {
				o.Ready(a, facts)
			}
		},
	})
}

// demoConfiguration is the contract's file with the demo's addresses in it.
func demoConfiguration(data string, gateway net.Addr, e *examples) (*config.Config, error) {
	var text bytes.Buffer
	err := demoTemplate.Execute(&text, map[string]string{
		"Listen": gateway.String(), "Data": data, "Ner": e.nerURL, "Daybook": e.daybookURL, "Items": e.itemsURL,
	})
	if err != nil {
		return nil, fmt.Errorf("making the demo's configuration: %w", err)
	}
	return config.Parse("demo.yml", text.Bytes())
}

// writePrivate writes a file that only its owner can read, whole or not at all.
func writePrivate(path string, content []byte) error {
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // made with mode 0600
	if err != nil {
		return err
	}
	_, err = next.Write(content)
	if err == nil {
		err = next.Sync()
	}
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}
