package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newOperatorInvite() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "invite ADDRESS",
		Short:   "Invite somebody by mail to be an operator",
		Example: `  tollhouse operator invite ops@example.com --role support`,
		Args:    cobra.ExactArgs(1),
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.OperatorInvite
	cmd.Flags().StringVar(&in.Role, "role", "support", "the `ROLE`: admin, support or viewer")
	cmd.Flags().StringVar(&in.Language, "language", "", "the `LANGUAGE` of the mail: en, fr or es (default: the installation's first)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in.Email = args[0]
		made, err := call[app.OperatorInvited](cmd, at, "operator.invite", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, made, func(w io.Writer) {
			fmt.Fprintf(w, "%s is invited as %s; the link holds until %s.\n", made.Email, made.Role, made.ExpiresAt.UTC().Format(time.DateTime+"Z"))
			if made.Kept {
				fmt.Fprintln(w, "No mail server is configured: the mail with the link is kept, and admins read it in the console under Mail.")
			}
		})
	}
	return cmd
}

func newOperatorList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the operators, and who is invited",
		Example: `  tollhouse operator list`,
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		all, err := call[app.OperatorListed](cmd, at, "operator.list", app.OperatorList{})
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, all, func(w io.Writer) {
			t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "ID\tE-MAIL\tROLE\tSTATE")
			for _, o := range all.Operators {
				state := "active"
				if !o.DisabledAt.IsZero() {
					state = "disabled"
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", o.ID, o.Email, o.Role, state)
			}
			for _, o := range all.Invited {
				fmt.Fprintf(t, "%s\t%s\t%s\tinvited\n", o.ID, o.Email, o.Role)
			}
			_ = t.Flush()
		})
	}
	return cmd
}

func newOperatorRole() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "role OPERATOR ROLE",
		Short:   "Give an operator another role: admin, support or viewer",
		Example: `  tollhouse operator role ops@example.com viewer`,
		Args:    cobra.ExactArgs(2),
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return changeOperator(cmd, at, *asJSON, "operator.role", app.OperatorChange{Operator: args[0], Role: args[1]})
	}
	return cmd
}

func newOperatorDisable() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "disable OPERATOR",
		Short:   "Keep an operator from signing in, and end their sessions",
		Example: `  tollhouse operator disable ops@example.com`,
		Args:    cobra.ExactArgs(1),
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return changeOperator(cmd, at, *asJSON, "operator.disable", app.OperatorChange{Operator: args[0]})
	}
	return cmd
}

func newOperatorEnable() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "enable OPERATOR",
		Short:   "Let a disabled operator sign in again",
		Example: `  tollhouse operator enable ops@example.com`,
		Args:    cobra.ExactArgs(1),
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return changeOperator(cmd, at, *asJSON, "operator.enable", app.OperatorChange{Operator: args[0]})
	}
	return cmd
}

func changeOperator(cmd *cobra.Command, at *place, asJSON bool, operation string, in app.OperatorChange) error {
	o, err := call[app.OperatorShown](cmd, at, operation, in)
	if err != nil {
		return err
	}
	return show(cmd, asJSON, o, func(w io.Writer) {
		state := ""
		if !o.DisabledAt.IsZero() {
			state = ", disabled"
		}
		fmt.Fprintf(w, "Operator %s (%s, %s%s).\n", o.ID, o.Email, o.Role, state)
	})
}
