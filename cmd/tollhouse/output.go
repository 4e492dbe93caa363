package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// oneLine says an error on one line.
func oneLine(err error) string {
	return strings.Join(strings.Fields(app.Say(err)), " ")
}

// jsonFlag adds --json and returns where its value will stand.
func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print one JSON document, for programs")
}

// show prints a result as one JSON document, or as people like it.
func show(cmd *cobra.Command, asJSON bool, value any, people func(io.Writer)) error {
	if !asJSON {
		people(cmd.OutOrStdout())
		return nil
	}
	encoder := json.NewEncoder(cmd.OutOrStdout())
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// table prints rows under a head, in columns.
func table(w io.Writer, head []string, rows [][]string) {
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, strings.Join(head, "\t"))
	for _, row := range rows {
		fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	_ = out.Flush() // the writer under it reports its own errors
}

// moment prints a time for people, and nothing for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// required is the error of a flag that must be given.
func required(cmd *cobra.Command, flag string) error {
	return usageError{toll.Errorf(toll.Invalid, "--%s is needed; see `%s --help`", flag, cmd.CommandPath())}
}

// people tells whether a person sees what the command says and logs: both go to
// a terminal.
func people(cmd *cobra.Command) bool {
	for _, w := range []io.Writer{cmd.OutOrStdout(), cmd.ErrOrStderr()} {
		if f, ok := w.(*os.File); !ok || !isatty.IsTerminal(f.Fd()) {
			return false
		}
	}
	return true
}
