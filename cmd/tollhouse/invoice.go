package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

// oneInvoice wants the number or ID of one invoice as a command's only argument.
func oneInvoice(_ *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("it takes the number of one invoice, such as INV-000042; `tollhouse billing list` shows them")
	}
	return nil
}

func newBillingCut() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cut",
		Short: "Make the invoices of the months that are over",
		Long: `Make the invoices of every month that is over and has none, of all customers or of
one. It may be called as often as one likes, also from several machines at once:
each month is cut once, and numbers have no gaps. Usage of a month that was cut
before is a correction on the next invoice. See docs/billing.md.`,
		Example: "  tollhouse billing cut\n  tollhouse billing cut --since 2026-11    # the first time: not the months before",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.InvoicesCut
	customerFlag(cmd, &in.Customer, "only this customer's `ID`")
	cmd.Flags().Var(month{&in.Since}, "since", "of customers without an invoice, leave out the months before this `MONTH`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		made, err := call[app.InvoicesShown](cmd, at, "billing.cut", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, made, func(w io.Writer) {
			if len(made.Invoices) == 0 {
				fmt.Fprintln(w, "No month is over that has no invoice.")
				return
			}
			invoiceTable(w, made.Invoices)
		})
	}
	return cmd
}

func newBillingList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List invoices, the newest first",
		Example: "  tollhouse billing list --state open",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.InvoicesList
	customerFlag(cmd, &in.Customer, "only this customer's `ID`")
	cmd.Flags().StringVar(&in.State, "state", "", "only those that are `STATE`: open, paid, void, uncollectible or empty")
	cmd.Flags().StringVar(&in.Before, "before", "", "only those before the one with this `ID`, for the next page")
	cmd.Flags().IntVar(&in.Limit, "limit", 50, "at most `COUNT` of them, 1 to 500")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch in.State {
		case "", "open", "paid", "void", "uncollectible", "empty":
		default:
			return usageError{fmt.Errorf("--state takes open, paid, void, uncollectible or empty; got %q", in.State)}
		}
		list, err := call[app.InvoicesShown](cmd, at, "billing.list", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, list, func(w io.Writer) {
			if len(list.Invoices) == 0 {
				fmt.Fprintln(w, "There is no such invoice. `tollhouse billing cut` makes those of the months that are over.")
				return
			}
			invoiceTable(w, list.Invoices)
		})
	}
	return cmd
}

func invoiceTable(w io.Writer, list []app.InvoiceShown) {
	var rows [][]string
	for i := range list {
		one := &list[i]
		number := one.Number
		if number == "" {
			number = "-"
		}
		rows = append(rows, []string{number, one.Customer, one.From.Format("2006-01-02") + " to " + one.To.Format("2006-01-02"), one.State, one.Total, one.Due, one.ID})
	}
	table(w, []string{"NUMBER", "CUSTOMER", "MONTH", "STATE", "TOTAL", "DUE", "ID"}, rows)
}

func newBillingShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show NUMBER",
		Short:   "Show an invoice with its lines and what they are made of",
		Example: "  tollhouse billing show INV-000042",
		Args:    oneInvoice,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		i, err := call[app.InvoiceShown](cmd, at, "billing.show", app.InvoiceID{Invoice: args[0]})
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, i, func(w io.Writer) { printInvoice(w, &i) })
	}
	return cmd
}

func printInvoice(w io.Writer, i *app.InvoiceShown) {
	fmt.Fprintf(w, "%s  %s, of %s, %s to %s\n", i.Number, i.State, i.Customer, i.From.Format("2006-01-02"), i.To.Format("2006-01-02"))
	if i.Note != "" {
		fmt.Fprintf(w, "note: %s\n", i.Note)
	}
	var rows [][]string
	for _, l := range i.Lines {
		text := l.Text
		if l.Late {
			text = "Correction of " + l.From.Format("2006-01") + ": " + text
		}
		rows = append(rows, []string{"  " + text, l.Amount})
	}
	rows = append(rows, []string{"  Sum", i.Subtotal})
	if i.TaxRate != "" {
		rows = append(rows, []string{"  " + i.TaxRate, i.Tax})
	}
	rows = append(rows, []string{"  Total", i.Total}, []string{"  Paid by credits", i.Credited}, []string{"  Due", i.Due})
	if !strings.HasPrefix(i.Carried, "0") {
		rows = append(rows, []string{"  Becomes a credit", i.Carried})
	}
	table(w, []string{"  LINE", "AMOUNT"}, rows)
	if len(i.Evidence) > 0 {
		var events int64
		for _, e := range i.Evidence {
			if e.Unit == "requests" {
				events += e.Events
			}
		}
		fmt.Fprintf(w, "Made of %d events, stored before %s; --json lists the evidence by day.\n", events, moment(i.StoredBefore))
	}
}

func newBillingMark() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mark-paid NUMBER",
		Short: "Say that an invoice was paid, or never will be",
		Long: `Say that an open invoice was paid. With --as void it was made by mistake and is not
to be paid (what credits paid of it is theirs again; its number stays taken),
with --as uncollectible nobody expects the money any more.`,
		Example: "  tollhouse billing mark-paid INV-000042 --note \"transfer of 21 November\"",
		Args:    oneInvoice,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.InvoiceMove
	cmd.Flags().StringVar(&in.State, "as", "paid", "`STATE`: paid, void or uncollectible")
	cmd.Flags().StringVar(&in.Note, "note", "", "why, in your words `TEXT`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch in.State {
		case "paid", "void", "uncollectible":
		default:
			return usageError{fmt.Errorf("--as takes paid, void or uncollectible; got %q", in.State)}
		}
		in.Invoice = args[0]
		i, err := call[app.InvoiceShown](cmd, at, "billing.move", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, i, func(w io.Writer) { fmt.Fprintf(w, "Invoice %s of %s is %s.\n", i.Number, i.Customer, i.State) })
	}
	return cmd
}

func newBillingCredit() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "credit",
		Short:   "Give a customer a credit, which pays its next invoices",
		Example: "  tollhouse billing credit --customer cus_01J… --amount 10.00 --currency USD --note \"the outage of Monday\"",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.CreditGrant
	customerFlag(cmd, &in.Customer, "whose, the customer's `ID`")
	cmd.Flags().StringVar(&in.Amount, "amount", "", "how much, an `AMOUNT` such as 10.00")
	cmd.Flags().StringVar(&in.Currency, "currency", "", "its currency, such as USD")
	cmd.Flags().StringVar(&in.Note, "note", "", "what for, in your words `TEXT`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for name, text := range map[string]string{"customer": in.Customer, "amount": in.Amount, "currency": in.Currency} {
			if text == "" {
				return required(cmd, name)
			}
		}
		c, err := call[app.CreditShown](cmd, at, "billing.credit", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, c, func(w io.Writer) { fmt.Fprintf(w, "%s has a credit of %s (%s).\n", c.Customer, c.Amount, c.ID) })
	}
	return cmd
}

func newBillingCoupon() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "coupon NAME",
		Short:   "Give a customer a coupon of the configuration",
		Example: "  tollhouse billing coupon launch --customer cus_01J…",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return errors.New("it takes the name of one coupon, as it stands under `coupons:`")
			}
			return nil
		},
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.CouponRedeem
	customerFlag(cmd, &in.Customer, "whose, the customer's `ID`")
	cmd.Flags().BoolVar(&in.End, "end", false, "take it away, for the months that begin from now on")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if in.Customer == "" {
			return required(cmd, "customer")
		}
		in.Coupon = args[0]
		c, err := call[app.CouponRedeemed](cmd, at, "billing.coupon", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, c, func(w io.Writer) {
			if in.End {
				fmt.Fprintf(w, "%s has the coupon %s no more from its next month on.\n", c.Customer, c.Coupon)
				return
			}
			fmt.Fprintf(w, "%s has the coupon %s from %s on.\n", c.Customer, c.Coupon, c.From.Format("2006-01-02"))
		})
	}
	return cmd
}

func newBillingTax() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "tax",
		Short:   "Say which country's tax a customer pays, or that it pays none",
		Example: "  tollhouse billing tax --customer cus_01J… --country DE",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.TaxSet
	customerFlag(cmd, &in.Customer, "whose, the customer's `ID`")
	cmd.Flags().StringVar(&in.Country, "country", "", "`CODE` of ISO 3166, such as DE; without it the rate that names no country holds")
	cmd.Flags().BoolVar(&in.Exempt, "exempt", false, "it pays none")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if in.Customer == "" {
			return required(cmd, "customer")
		}
		t, err := call[app.TaxShown](cmd, at, "billing.tax", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, t, func(w io.Writer) {
			rate := t.Rate
			if rate == "" {
				rate = "no tax"
			}
			fmt.Fprintf(w, "%s pays %s from its next invoice on.\n", t.Customer, rate)
		})
	}
	return cmd
}
