package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func newOperator() *cobra.Command {
	cmd := &cobra.Command{Use: "operator", Short: "Invite, create and change operators: the people who run this installation"}
	cmd.AddCommand(newOperatorCreate(), newOperatorInvite(), newOperatorList(), newOperatorRole(), newOperatorDisable(), newOperatorEnable())
	return cmd
}

func newOperatorCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create an operator, with a random password unless one is given",
		Example: `  tollhouse operator create --email ops@example.com
  pass show tollhouse | tollhouse operator create --email ops@example.com --password-stdin`,
		Args: cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.OperatorCreate
	cmd.Flags().StringVar(&in.Email, "email", "", "the e-mail `ADDRESS` to sign in with")
	cmd.Flags().StringVar(&in.Name, "name", "", "the person's `NAME` (default: the address)")
	cmd.Flags().StringVar(&in.Role, "role", "admin", "the `ROLE`: admin, support or viewer")
	fromStdin := cmd.Flags().Bool("password-stdin", false, "read the password from standard input, one line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if in.Email == "" {
			return required(cmd, "email")
		}
		if *fromStdin {
			line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 4096)).ReadString('\n')
			if err != nil && err != io.EOF {
				return toll.Errorf(toll.Invalid, "the password could not be read from standard input: %w", err)
			}
			if in.Password = strings.TrimRight(line, "\r\n"); in.Password == "" {
				return usageError{fmt.Errorf("--password-stdin was given, but standard input was empty")}
			}
		}
		made, err := call[app.OperatorCreated](cmd, at, "operator.create", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, made, func(w io.Writer) {
			fmt.Fprintf(w, "Operator %s (%s, %s).\n", made.ID, made.Email, made.Role)
			if made.Password != "" {
				fmt.Fprintf(w, "Password, shown once: %s\n", made.Password)
			}
		})
	}
	return cmd
}
