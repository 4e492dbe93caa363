package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func newUsageUnknown() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unknown",
		Short: "List the requests whose outcome a crash left unknown",
		Long: `List the requests of a month that were under way when a crash came, and
decisions of delegated services that nobody settled: they are not billed until
` + "`tollhouse usage settle`" + ` decides. With --settled, what was decided, by whom and why.`,
		Example: "  tollhouse usage unknown --period 2026-11",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.UsageUnknown
	monthFlag(cmd, &in.Period)
	cmd.Flags().BoolVar(&in.Settled, "settled", false, "list what was settled instead")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := call[app.UnknownListed](cmd, at, "usage.unknown", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, list, func(w io.Writer) {
			var rows [][]string
			switch {
			case in.Settled && len(list.Settled) == 0:
				fmt.Fprintln(w, "No request was settled.")
			case in.Settled:
				for _, s := range list.Settled {
					rows = append(rows, []string{s.Event, s.RequestID, moment(s.Time), s.Customer, s.As, amounts(s.Units), moment(s.At), s.By, s.Reason})
				}
				table(w, []string{"EVENT", "REQUEST", "TIME", "CUSTOMER", "SETTLED AS", "USED", "AT", "BY", "REASON"}, rows)
			case len(list.Unknown) == 0:
				fmt.Fprintln(w, "No request is unknown.")
			default:
				for _, u := range list.Unknown {
					rows = append(rows, []string{u.Event, u.RequestID, moment(u.Time), u.Customer, u.Service, u.Endpoint, amounts(u.Units)})
				}
				table(w, []string{"EVENT", "REQUEST", "TIME", "CUSTOMER", "SERVICE", "ENDPOINT", "USED, IF SERVED"}, rows)
			}
		})
	}
	return cmd
}

func newUsageSettle() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "settle REQUEST-ID|EVENT-ID",
		Short: "Decide whether a request that a crash left unknown is billed",
		Long: `Decide about a request whose outcome a crash left unknown: --as billed counts it
for quota and bill as if it had been recorded, --as free lists it as not
billable. Sums, bills and the running server's quotas follow at once, and who
decided is kept. It is decided once: a second settlement is refused.

--unit says what was used after all, for each unit that the gateway did not
learn; units that are not named stay as they are listed.`,
		Example: "  tollhouse usage settle 01M7XCBXZN49DA2VRE8JP8VBFW --as billed --unit words=123 --reason \"in the service's log\"",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return errors.New("it takes the ID of one request or event; `tollhouse usage unknown` lists them")
			}
			return nil
		},
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	in := app.UsageSettle{Units: map[string]int64{}}
	cmd.Flags().StringVar(&in.As, "as", "", "`HOW`: billed or free")
	cmd.Flags().StringVar(&in.Reason, "reason", "", "why, in your words `TEXT`")
	cmd.Flags().Var(amount{in.Units}, "unit", "how much was used of a unit, `UNIT=COUNT`; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch in.As {
		case "":
			return required(cmd, "as")
		case "billed", "free":
		default:
			return usageError{fmt.Errorf("--as takes billed or free; got %q", in.As)}
		}
		in.Request = args[0]
		if who, err := user.Current(); err == nil { // one without a name decides too
			in.By = who.Username
		}
		s, err := call[app.UsageSettled](cmd, at, "usage.settle", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, s, func(w io.Writer) {
			whose := s.Customer
			if whose == "" {
				whose = "nobody"
			}
			fmt.Fprintf(w, "Event %s (%s of %s, %s) is settled as %s: %s.\n", s.Event, s.Endpoint, whose, moment(s.Time), s.As, amounts(s.Units))
		})
	}
	return cmd
}

// amounts writes units for people: requests=1 words=123.
func amounts(units map[string]int64) string {
	var all []string
	for _, unit := range slices.Sorted(maps.Keys(units)) {
		all = append(all, unit+"="+strconv.FormatInt(units[unit], 10))
	}
	return strings.Join(all, " ")
}

// amount is so much of a unit, words=123; each unit once.
type amount struct{ into map[string]int64 }

// Set takes one.
func (a amount) Set(text string) error {
	unit, count, ok := strings.Cut(text, "=")
	n, err := strconv.ParseInt(count, 10, 64)
	if !ok || unit == "" || err != nil || n < 0 || n > toll.MaxCount {
		return fmt.Errorf("write a unit and a whole number from 0 to %d, such as words=123", int64(toll.MaxCount))
	}
	if _, twice := a.into[unit]; twice {
		return fmt.Errorf("the unit %s is there twice", unit)
	}
	a.into[unit] = n
	return nil
}

// String is nothing: there is no default.
func (a amount) String() string { return "" }

// Type names it in help texts.
func (a amount) Type() string { return "unit=count" }
