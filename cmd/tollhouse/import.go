package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func newImport() *cobra.Command {
	cmd := &cobra.Command{Use: "import", Short: "Bring customers and keys of another system in, from CSV files"}
	cmd.AddCommand(
		newImportOf(toll.ImportedCustomer, &cobra.Command{
			Use:   "customers FILE.csv",
			Short: "Import customers",
			Long: `Import customers from a CSV file (UTF-8; FILE - is the standard input). Its first
line names the columns: external_id, name and plan; since and status may be there.

It says what would happen, and does it with --yes: all lines in one transaction, or, where
one is wrong, none. A customer whose external_id was imported before is left as it is, so the
same file can be imported again.`,
			Example: "  tollhouse import customers customers.csv\n  tollhouse import customers customers.csv --yes",
		}),
		newImportOf(toll.ImportedKey, &cobra.Command{
			Use:   "keys FILE.csv",
			Short: "Import keys of customers, as text or hashed",
			Long: `Import keys from a CSV file (UTF-8; FILE - is the standard input). Its first line
names the columns: customer (an external_id that was imported, or an ID) and name; key (its
text) or sha256 (of its text, in hex); hint, mode, services, expires_at and external_id may
be there. Keys need not have the form of Tollhouse's own. Their text is not kept.

It says what would happen, and does it with --yes: all lines in one transaction, or, where
one is wrong, none. A key that is here already is left as it is.`,
			Example: "  tollhouse import keys keys.csv\n  tollhouse import keys keys.csv --yes",
		}))
	return cmd
}

func newImportOf(kind toll.ImportedKind, cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return errors.New("it takes the name of a CSV file")
		}
		return nil
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	in := app.ImportFile{Kind: kind}
	cmd.Flags().BoolVar(&in.Do, "yes", false, "do it; without, say what would happen")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if in.Content, err = readImport(args[0], cmd.InOrStdin()); err != nil {
			return err
		}
		out, err := call[app.Imported](cmd, at, "import", in)
		if err != nil {
			return err
		}
		if err := show(cmd, *asJSON, out, func(w io.Writer) { showImport(w, &out) }); err != nil {
			return err
		}
		if n := len(out.Faults) + out.More; n > 0 {
			return fmt.Errorf("%d of the lines are wrong, so nothing was imported", n)
		}
		return nil
	}
	return cmd
}

func readImport(name string, stdin io.Reader) ([]byte, error) {
	from := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		from = file
	}
	content, err := io.ReadAll(io.LimitReader(from, app.MaxImport+1))
	if err == nil && len(content) > app.MaxImport {
		err = fmt.Errorf("%s is larger than %d bytes; import it in parts", name, app.MaxImport)
	}
	return content, err
}

// mostShown is how many lines are listed for people; --json has all.
const mostShown = 20

func showImport(w io.Writer, out *app.Imported) {
	for _, f := range out.Faults {
		fmt.Fprintf(w, "line %d: %s\n", f.Line, f.Says)
	}
	if out.More > 0 {
		fmt.Fprintf(w, "and %d more\n", out.More)
	}
	if len(out.Faults) > 0 {
		return
	}
	what := "would be made"
	if out.Done {
		what = "were made"
	}
	fmt.Fprintf(w, "%ss: %d %s, %d are here already and stay as they are.\n", out.Kind, len(out.New), what, len(out.Known))
	importLines(w, "new", out.New)
	for _, l := range out.Known {
		if len(l.Differs) > 0 {
			fmt.Fprintf(w, "line %d: %s (%s) has another %s here, which stays\n", l.Line, l.Name, l.ID, strings.Join(l.Differs, " and "))
		}
	}
	if !out.Done {
		fmt.Fprintln(w, "Nothing was done. Say --yes to do it.")
	}
}

func importLines(w io.Writer, mark string, lines []app.ImportedLine) {
	rows := make([][]string, 0, len(lines))
	for _, l := range lines[:min(mostShown, len(lines))] {
		of := l.Plan
		if l.Customer != "" {
			of = l.Customer
		}
		rows = append(rows, []string{mark, fmt.Sprint(l.Line), l.External, l.ID, l.Name, of})
	}
	if len(rows) > 0 {
		table(w, []string{"", "LINE", "EXTERNAL ID", "ID", "NAME", "PLAN OR CUSTOMER"}, rows)
	}
	if n := len(lines) - len(rows); n > 0 {
		fmt.Fprintf(w, "and %d more\n", n)
	}
}
