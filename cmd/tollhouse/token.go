package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func newToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Create, list and revoke tokens of the management API",
		Long: `Create, list and revoke tokens of the management API (/api/v1 on the console's
host). A token acts for a member or an operator: it may do what that person's
role allows, and of that only what its scopes say.`,
	}
	cmd.AddCommand(newTokenCreate(), newTokenList(), newTokenRevoke())
	return cmd
}

func newTokenCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create an API token; its text is shown once",
		Example: "  tollhouse token create --for ops@example.com --name billing-job --scope events:write\n" +
			"  tollhouse token create --for ada@acme.example --name dashboard --scope usage:read --expires 90d --json",
		Args: cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.TokenCreate
	var scopes []string
	var expires span
	cmd.Flags().StringVar(&in.Email, "for", "", "the e-mail `ADDRESS` of the operator or member that it acts for")
	cmd.Flags().StringVar(&in.Name, "name", "", "a `NAME` to know it by")
	cmd.Flags().StringSliceVar(&scopes, "scope", nil, "what it is for, a `SCOPE` (may be repeated): "+scopeNames(toll.TokenScopes()))
	cmd.Flags().Var(&expires, "expires", "it ends after this `TIME`, such as 30d or 12h (default: without end)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case in.Email == "":
			return required(cmd, "for")
		case in.Name == "":
			return required(cmd, "name")
		case len(scopes) == 0:
			return required(cmd, "scope")
		}
		for _, s := range scopes {
			in.Scopes = append(in.Scopes, toll.TokenScope(s))
		}
		if cmd.Flags().Changed("expires") {
			if time.Duration(expires) < time.Second {
				return usageError{fmt.Errorf("--expires takes a time of at least one second, such as 30d or 12h; see `%s --help`", cmd.CommandPath())}
			}
			in.ExpiresIn = int64(time.Duration(expires) / time.Second)
		}
		made, err := call[app.TokenCreated](cmd, at, "token.create", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, made, func(w io.Writer) {
			fmt.Fprintf(w, "API token %s (%s, %s), shown once:\n%s\n", made.ID, made.Name, scopeNames(made.Scopes), made.Token)
		})
	}
	return cmd
}

func newTokenList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List a person's API tokens",
		Example: "  tollhouse token list --for ops@example.com",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.TokenList
	cmd.Flags().StringVar(&in.Email, "for", "", "the e-mail `ADDRESS` of the operator or member")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if in.Email == "" {
			return required(cmd, "for")
		}
		list, err := call[app.TokenListed](cmd, at, "token.list", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, list, func(w io.Writer) {
			if len(list.Tokens) == 0 {
				fmt.Fprintf(w, "No API tokens. Make one: tollhouse token create --for %s --name NAME --scope SCOPE\n", in.Email)
				return
			}
			rows := make([][]string, len(list.Tokens))
			for i, t := range list.Tokens {
				rows[i] = []string{t.ID, t.Name, "…" + t.Hint, t.State, scopeNames(t.Scopes), moment(t.CreatedAt), moment(t.LastUsedAt), moment(t.ExpiresAt)}
			}
			table(w, []string{"ID", "NAME", "ENDS IN", "STATE", "FOR", "CREATED", "LAST USED", "EXPIRES"}, rows)
		})
	}
	return cmd
}

func newTokenRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke an API token; the next request with it is refused",
		Example: "  tollhouse token revoke tok_01J…",
		Args:    oneTokenID,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		token, err := call[app.TokenShown](cmd, at, "token.revoke", app.TokenRevoke{ID: args[0]})
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, token, func(w io.Writer) {
			fmt.Fprintf(w, "API token %s (%s) is revoked.\n", token.ID, token.Name)
		})
	}
	return cmd
}

// scopeNames lists scopes for people.
func scopeNames(scopes []toll.TokenScope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}
