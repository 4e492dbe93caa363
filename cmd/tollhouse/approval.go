package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func newApproval() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approval",
		Short: "List, approve and reject what customers ask for",
		Long: `List, approve and reject what customers ask for: another plan, more of a limit, a
model. What is approved holds from the next request on; whoever asked is told by
mail, with the reason of a rejection.`,
	}
	cmd.AddCommand(newApprovalList(), newApprovalApprove(), newApprovalReject())
	return cmd
}

func newApprovalList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List approvals, the newest first: those that wait, or those of a state",
		Example: "  tollhouse approval list\n  tollhouse approval list --state rejected --customer cus_01J… --json",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	in := app.ApprovalList{State: string(toll.ApprovalPending)}
	customerFlag(cmd, &in.Customer, "only this customer's `ID`")
	cmd.Flags().StringVar(&in.State, "state", in.State, "a `STATE`: pending, approved, rejected, withdrawn or all")
	cmd.Flags().StringVar(&in.Kind, "kind", "", "a `KIND`: plan, limit or model")
	cmd.Flags().IntVar(&in.Limit, "limit", 50, "at most so many (a `NUMBER` up to 500)")
	cmd.Flags().StringVar(&in.Before, "before", "", "those before the approval with this `ID`: the page after")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case in.State == "all":
			in.State = ""
		case !slices.Contains(toll.ApprovalStates(), toll.ApprovalState(in.State)):
			return usageError{fmt.Errorf("--state takes pending, approved, rejected, withdrawn or all, not %q; see `%s --help`", in.State, cmd.CommandPath())}
		}
		if in.Kind != "" && !slices.Contains(toll.ApprovalKinds(), toll.ApprovalKind(in.Kind)) {
			return usageError{fmt.Errorf("--kind takes plan, limit or model, not %q; see `%s --help`", in.Kind, cmd.CommandPath())}
		}
		list, err := call[app.ApprovalListed](cmd, at, "approval.list", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, list, func(w io.Writer) {
			if len(list.Approvals) == 0 {
				fmt.Fprintln(w, "There is nothing to decide here.")
				return
			}
			rows := make([][]string, len(list.Approvals))
			for i, a := range list.Approvals {
				rows[i] = []string{a.ID, a.Customer, a.Kind, string(a.Asked), a.State, moment(a.AskedAt), strings.ReplaceAll(a.Note, "\n", " ")}
			}
			table(w, []string{"ID", "CUSTOMER", "KIND", "ASKED", "STATE", "WHEN", "NOTE"}, rows)
			if list.Next != "" {
				fmt.Fprintf(w, "There are more: --before %s\n", list.Next)
			}
		})
	}
	return cmd
}

func newApprovalApprove() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "approve ID",
		Short:   "Do what was asked for, from the next request on",
		Example: "  tollhouse approval approve apr_01J…",
		Args:    oneApprovalID,
	}
	return deciding(cmd, "approval.approve", func(*app.ApprovalDecide) error { return nil })
}

func newApprovalReject() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "reject ID",
		Short:   "Say no, and why: whoever asked reads the reason",
		Example: "  tollhouse approval reject apr_01J… --reason \"Add a payment method first.\"",
		Args:    oneApprovalID,
	}
	var reason string
	cmd.Flags().StringVar(&reason, "reason", "", "a `SENTENCE` for whoever asked")
	return deciding(cmd, "approval.reject", func(in *app.ApprovalDecide) error {
		if in.Reason = reason; strings.TrimSpace(reason) == "" {
			return required(cmd, "reason")
		}
		return nil
	})
}

func deciding(cmd *cobra.Command, operation string, complete func(*app.ApprovalDecide) error) *cobra.Command {
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in := app.ApprovalDecide{ID: args[0]}
		if err := complete(&in); err != nil {
			return err
		}
		a, err := call[app.ApprovalShown](cmd, at, operation, in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, a, func(w io.Writer) { fmt.Fprintf(w, "Approval %s of %s is %s.\n", a.ID, a.Customer, a.State) })
	}
	return cmd
}
