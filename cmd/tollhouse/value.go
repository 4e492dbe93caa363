package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The values of flags that are looked at before anything is done with them: a
// wrong one is a command called wrongly, exit status 2.

// span is a length of time, written as in the configuration: 30d, 12h, 90m.
type span time.Duration

var _ pflag.Value = (*span)(nil)

// Set reads a length of time.
func (s *span) Set(text string) error {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseInt(days, 10, 32); err == nil && n >= -36500 && n <= 36500 {
			*s = span(n) * span(24*time.Hour)
			return nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return errors.New("write a number and a unit, such as 30d, 12h or 90m")
	}
	*s = span(d)
	return nil
}

// String writes it in its largest whole unit, and nothing for zero.
func (s *span) String() string {
	d := time.Duration(*s)
	switch {
	case d == 0:
		return ""
	case d%(24*time.Hour) == 0 && d != 24*time.Hour:
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	case d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	case d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	}
	return d.String()
}

// Type names it in help texts.
func (s *span) Type() string { return "duration" }

// month is a calendar month, 2026-11.
type month struct{ text *string }

var _ pflag.Value = month{}

// Set takes a month.
func (m month) Set(text string) error {
	if _, err := time.Parse("2006-01", text); err != nil {
		return errors.New("write a month as 2026-11")
	}
	*m.text = text
	return nil
}

// String gives the month.
func (m month) String() string {
	if m.text == nil {
		return ""
	}
	return *m.text
}

// Type names it in help texts.
func (m month) Type() string { return "month" }

// monthFlag adds --period to a command.
func monthFlag(cmd *cobra.Command, text *string) {
	cmd.Flags().Var(month{text}, "period", "the `MONTH`, as 2026-11 (default: this one)")
}

// customerID is the ID of a customer; people like to give a name.
type customerID struct{ text *string }

var _ pflag.Value = customerID{}

// Set takes what looks like a customer's ID.
func (c customerID) Set(text string) error {
	if !strings.HasPrefix(text, "cus_") {
		return errors.New("write the customer's ID, which begins with cus_; `tollhouse customer list` shows it")
	}
	*c.text = text
	return nil
}

// String gives the ID.
func (c customerID) String() string {
	if c.text == nil {
		return ""
	}
	return *c.text
}

// Type names it in help texts.
func (c customerID) Type() string { return "ID" }

// customerFlag adds --customer to a command.
func customerFlag(cmd *cobra.Command, text *string, says string) {
	cmd.Flags().Var(customerID{text}, "customer", says)
}

// oneKeyID wants the ID of one key as a command's only argument.
func oneKeyID(_ *cobra.Command, args []string) error {
	switch {
	case len(args) != 1:
		return fmt.Errorf("it takes the ID of one key; `tollhouse key list` shows it")
	case strings.HasPrefix(args[0], "th_"):
		return fmt.Errorf("that is a key itself; it takes the key's ID, which begins with key_ and which `tollhouse key list` shows")
	case !strings.HasPrefix(args[0], "key_"):
		return fmt.Errorf("%q is no ID of a key: one begins with key_, and `tollhouse key list` shows it", args[0])
	}
	return nil
}

// oneTokenID wants the ID of one API token as a command's only argument.
func oneTokenID(_ *cobra.Command, args []string) error {
	switch {
	case len(args) != 1:
		return fmt.Errorf("it takes the ID of one API token; `tollhouse token list` shows it")
	case strings.HasPrefix(args[0], "th_"):
		return fmt.Errorf("that is a token itself; it takes the token's ID, which begins with tok_ and which `tollhouse token list` shows")
	case !strings.HasPrefix(args[0], "tok_"):
		return fmt.Errorf("%q is no ID of an API token: one begins with tok_, and `tollhouse token list` shows it", args[0])
	}
	return nil
}

// oneApprovalID wants the ID of one approval as a command's only argument.
func oneApprovalID(_ *cobra.Command, args []string) error {
	if len(args) != 1 || !strings.HasPrefix(args[0], "apr_") {
		return fmt.Errorf("it takes the ID of one approval (apr_…); `tollhouse approval list` lists them")
	}
	return nil
}
