package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newAudit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Read the audit log and prove that it is whole",
		Long: `Read the audit log (who did what to whom, when, and what came of it) and prove
that it is whole: each entry holds the hash of the one before it.`,
	}
	cmd.AddCommand(newAuditVerify(), newAuditList())
	return cmd
}

func newAuditVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove that no entry of the audit log was edited, taken out or cut off",
		Long: `Read every entry of the audit log and hold it to the hash of the one before, to
the head that the log keeps of itself, and to the anchors: the one in the data
directory, and those given by --anchor. Prints an anchor that stands for all
entries up to now: whoever keeps it elsewhere (each hour it is in the program's
log) can prove later that none of them has changed.

Exit status 1 names the first entry that does not fit. Somebody who can write the
database, the data directory and every place where an anchor is kept can write a
log anew that fits; one anchor out of reach is enough to show it.`,
		Example: "  tollhouse audit verify\n  tollhouse audit verify --anchor 1204:9f86d081…",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.AuditVerify
	cmd.Flags().StringSliceVar(&in.Anchors, "anchor", nil, "an `ANCHOR` that was printed before (may be repeated)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		v, err := call[app.AuditVerified](cmd, at, "audit.verify", in)
		if err != nil {
			return err
		}
		err = show(cmd, *asJSON, v, func(w io.Writer) {
			if v.Whole {
				fmt.Fprintf(w, "The audit log is whole: %d entries, held to %d anchors.\nanchor %s\n", v.Entries, v.Held, v.Anchor)
				return
			}
			fmt.Fprintf(w, "The audit log is NOT whole: %s.\n%d entries before it fit.\n", v.Problem, v.Entries)
		})
		if err == nil && !v.Whole {
			return errTold
		}
		return err
	}
	return cmd
}

func newAuditList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List entries of the audit log, the newest first",
		Example: "  tollhouse audit list --who ops@example.com --since 7d\n" +
			"  tollhouse audit list --customer cus_01J… --action key. --format csv > keys.csv",
		Args: cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.AuditList
	var since span
	var format string
	var limit int
	cmd.Flags().StringVar(&in.Who, "who", "", "only what this `PERSON` did: an e-mail address or an ID")
	cmd.Flags().StringVar(&in.Action, "action", "", "only this `ACTION`, such as key.revoke, or key. for all of keys")
	customerFlag(cmd, &in.Customer, "only what concerns this customer's `ID`")
	cmd.Flags().StringVar(&in.Outcome, "outcome", "", "only what was done, or refused: an `OUTCOME`")
	cmd.Flags().Var(&since, "since", "only the last `TIME`, such as 7d or 12h")
	cmd.Flags().StringVar(&format, "format", "", "csv or json, for programs (a `FORMAT`; csv has no bound but --limit)")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many entries (a `NUMBER`); 0: all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case format != "" && format != "csv" && format != "json":
			return usageError{fmt.Errorf("--format takes csv or json, not %q; see `%s --help`", format, cmd.CommandPath())}
		case in.Outcome != "" && in.Outcome != "done" && in.Outcome != "refused":
			return usageError{fmt.Errorf("--outcome takes done or refused, not %q; see `%s --help`", in.Outcome, cmd.CommandPath())}
		case limit < 0:
			return usageError{fmt.Errorf("--limit takes a number from 0; see `%s --help`", cmd.CommandPath())}
		}
		if cmd.Flags().Changed("since") {
			in.Since = time.Now().Add(-time.Duration(since))
		}
		list := app.AuditListed{Entries: []app.EntryShown{}}
		for {
			in.Limit = 500
			if limit > 0 {
				in.Limit = min(in.Limit, limit-len(list.Entries))
			}
			page, err := call[app.AuditListed](cmd, at, "audit.list", in)
			if err != nil {
				return err
			}
			list.Entries = append(list.Entries, page.Entries...)
			if list.Next = page.Next; page.Next == 0 || limit > 0 && len(list.Entries) >= limit {
				break
			}
			in.Before = page.Next
		}
		if format == "csv" {
			return entriesCSV(cmd.OutOrStdout(), list.Entries)
		}
		return show(cmd, *asJSON || format == "json", list, func(w io.Writer) { showEntries(w, list.Entries) })
	}
	return cmd
}

func showEntries(w io.Writer, entries []app.EntryShown) {
	rows := make([][]string, len(entries))
	for i := range entries {
		e := &entries[i]
		who := e.Who
		if e.As != "" {
			who += " as " + e.As
		}
		if who == "" {
			who = "-"
		}
		what := e.Action
		if e.Outcome != "done" {
			what += " (" + e.Outcome + ")"
		}
		rows[i] = []string{strconv.FormatInt(e.Seq, 10), moment(e.At), who, e.Way, what, e.Object, change(e.Before, e.After)}
	}
	table(w, []string{"ENTRY", "WHEN", "WHO", "BY", "WHAT", "OF", "CHANGE"}, rows)
}

// change says in a line what is otherwise.
func change(before, after json.RawMessage) string {
	switch {
	case len(before) > 0:
		return string(before) + " -> " + string(after)
	case len(after) > 0:
		return string(after)
	}
	return ""
}

func entriesCSV(w io.Writer, entries []app.EntryShown) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{ // an error comes back from Flush
		"seq", "at", "kind", "who", "role", "as", "way", "through", "ip", "action", "customer", "object", "before", "after", "request_id", "outcome", "hash",
	})
	for i := range entries {
		e := &entries[i]
		cells := []string{
			strconv.FormatInt(e.Seq, 10), e.At.Format(time.RFC3339Nano), e.Kind, e.Who, e.Role, e.As, e.Way, e.Through, e.IP, e.Action, e.Customer, e.Object,
			string(e.Before), string(e.After), e.RequestID, e.Outcome, e.Hash,
		}
		for j, c := range cells { // what a spreadsheet would take for a formula gets an apostrophe (CWE-1236)
			if c != "" && strings.ContainsRune("=+-@\t\r\n", rune(c[0])) {
				cells[j] = "'" + c
			}
		}
		_ = out.Write(cells)
	}
	out.Flush()
	return out.Error()
}
