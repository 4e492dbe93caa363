package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newKey() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Create, list, roll and revoke API keys"}
	cmd.AddCommand(newKeyCreate(), newKeyList(), newKeyRoll(), newKeyRevoke())
	return cmd
}

func newKeyCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create an API key; its text is shown once",
		Example: "  tollhouse key create --customer cus_01J… --name ci --json\n" +
			"  tollhouse key create --customer cus_01J… --name reader --service ner --method GET --from 192.0.2.0/24 --expires 90d",
		Args: cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.KeyCreate
	var expires span
	customerFlag(cmd, &in.Customer, "the customer's `ID`")
	cmd.Flags().StringVar(&in.Name, "name", "", "a `NAME` to know it by")
	cmd.Flags().BoolVar(&in.Test, "test", false, "a test key: counted apart, never billed")
	cmd.Flags().StringSliceVar(&in.Services, "service", nil, "only for this `SERVICE` (may be repeated; default: all of the plan)")
	cmd.Flags().StringSliceVar(&in.Methods, "method", nil, "only for requests of this `METHOD`, such as GET (may be repeated)")
	cmd.Flags().StringSliceVar(&in.Origins, "from", nil, "only from this `ADDRESS` or range, such as 192.0.2.7 or 10.0.0.0/8 (may be repeated)")
	cmd.Flags().StringVar(&in.Rate, "rate", "", "no faster than this `RATE`, such as 5/second, beside the plan's limits")
	cmd.Flags().Int64Var(&in.Concurrency, "concurrency", 0, "no more than so `MANY` at the same time, beside the plan's limits")
	cmd.Flags().Int64Var(&in.Quota, "quota", 0, "no more than so `MANY` a month or day, beside the plan's quotas")
	cmd.Flags().StringVar(&in.Unit, "unit", "", "with --quota: the `UNIT` (default: requests)")
	cmd.Flags().StringVar(&in.Every, "every", "", "with --quota: the `PERIOD`, month or day (default: month)")
	cmd.Flags().BoolVar(&in.Shadow, "shadow", false, "its limits only report, and never refuse")
	cmd.Flags().Var(&expires, "expires", "it ends after this `TIME`, such as 30d or 12h (default: without end)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if in.Customer == "" {
			return required(cmd, "customer")
		}
		if in.Name == "" {
			return required(cmd, "name")
		}
		if cmd.Flags().Changed("quota") && in.Quota < 1 {
			return usageError{fmt.Errorf("--quota takes 1 or more; to lock a key, `tollhouse key revoke`")}
		}
		if cmd.Flags().Changed("concurrency") && in.Concurrency < 1 {
			return usageError{fmt.Errorf("--concurrency takes 1 or more; to lock a key, `tollhouse key revoke`")}
		}
		for _, flag := range []string{"unit", "every"} {
			if cmd.Flags().Changed(flag) && in.Quota == 0 {
				return usageError{fmt.Errorf("--%s says what a quota counts, and there is none; add for example --quota 1000", flag)}
			}
		}
		if cmd.Flags().Changed("expires") {
			if time.Duration(expires) < time.Second {
				return usageError{fmt.Errorf("--expires takes a time of at least one second, such as 30d or 12h; see `%s --help`", cmd.CommandPath())}
			}
			in.ExpiresIn = int64(time.Duration(expires) / time.Second)
		}
		made, err := call[app.KeyCreated](cmd, at, "key.create", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, made, func(w io.Writer) {
			fmt.Fprintf(w, "Key %s (%s), shown once:\n%s\n", made.ID, made.Name, made.Key)
		})
	}
	return cmd
}

func newKeyList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List a customer's keys",
		Example: "  tollhouse key list --customer cus_01J…",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.KeyList
	customerFlag(cmd, &in.Customer, "the customer's `ID`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if in.Customer == "" {
			return required(cmd, "customer")
		}
		list, err := call[app.KeyListed](cmd, at, "key.list", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, list, func(w io.Writer) {
			if len(list.Keys) == 0 {
				fmt.Fprintf(w, "No keys. Make one: tollhouse key create --customer %s --name NAME\n", in.Customer)
				return
			}
			showKeys(w, list.Keys)
		})
	}
	return cmd
}

// showKeys prints keys without their texts.
func showKeys(w io.Writer, keys []app.KeyShown) {
	rows := make([][]string, len(keys))
	for i, k := range keys {
		rows[i] = []string{k.ID, k.Name, k.Mode, "…" + k.Hint, k.State, scope(&k), moment(k.CreatedAt), moment(k.LastUsedAt), moment(k.ExpiresAt)}
	}
	table(w, []string{"ID", "NAME", "MODE", "ENDS IN", "STATE", "FOR", "CREATED", "LAST USED", "EXPIRES"}, rows)
}

func newKeyRoll() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "roll ID",
		Short:   "Replace a key by a new one; the old one works for the overlap",
		Example: "  tollhouse key roll key_01J… --overlap 24h",
		Args:    oneKeyID,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	overlap := span(24 * time.Hour)
	cmd.Flags().Var(&overlap, "overlap", "the `TIME` that the old key still works")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if overlap < 0 {
			return usageError{fmt.Errorf("--overlap cannot be negative; got %s", &overlap)}
		}
		made, err := call[app.KeyCreated](cmd, at, "key.roll", app.KeyRoll{ID: args[0], OverlapSeconds: int64(time.Duration(overlap) / time.Second)})
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, made, func(w io.Writer) {
			old := "which is refused from now on"
			if overlap > 0 {
				old = "which works for another " + overlap.String()
			}
			fmt.Fprintf(w, "Key %s replaces %s, %s. Shown once:\n%s\n", made.ID, args[0], old, made.Key)
		})
	}
	return cmd
}

func newKeyRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke a key; a running server refuses it at once",
		Example: "  tollhouse key revoke key_01J…",
		Args:    oneKeyID,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		key, err := call[app.KeyRevoked](cmd, at, "key.revoke", app.KeyRevoke{ID: args[0]})
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, key, func(w io.Writer) {
			if key.Already {
				fmt.Fprintf(w, "Key %s (%s) was revoked already, at %s; nothing was changed.\n", key.ID, key.Name, key.RevokedAt.Local().Format("2006-01-02 15:04:05 MST"))
				return
			}
			fmt.Fprintf(w, "Key %s (%s) is revoked.\n", key.ID, key.Name)
		})
	}
	return cmd
}

// scope says what a key may be used for.
func scope(k *app.KeyShown) string {
	parts := slices.Concat(k.Services, k.Methods)
	for _, o := range k.Origins {
		parts = append(parts, "from "+o.String())
	}
	for _, l := range k.Limits {
		parts = append(parts, l.Limit)
	}
	if len(parts) == 0 {
		return "all of the plan"
	}
	return strings.Join(parts, " ")
}
