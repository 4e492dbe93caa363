package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newMail() *cobra.Command {
	cmd := &cobra.Command{Use: "mail", Short: "See whether mail leaves"}
	cmd.AddCommand(newMailTest())
	return cmd
}

func newMailTest() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "test ADDRESS",
		Short:   "Send a mail to an address at once, and say what the mail server answers",
		Example: `  tollhouse mail test you@example.com`,
		Args:    cobra.ExactArgs(1),
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.MailTest
	cmd.Flags().StringVar(&in.Language, "language", "", "the `LANGUAGE` to write in: en, fr or es (default: the installation's first)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in.To = args[0]
		sent, err := call[app.MailTested](cmd, at, "mail.test", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, sent, func(w io.Writer) {
			fmt.Fprintf(w, "%s has taken a mail to %s.\n", sent.Server, sent.To)
		})
	}
	return cmd
}
