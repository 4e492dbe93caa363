// Command tollhouse is the whole house: gateway, console, and the commands
// that tend them. Each command has a file of its own here and no logic; what
// they do is in internal/app.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// usageError is a command that was called wrongly: exit status 2.
type usageError struct{ error }

// errTold is a failure that the command has told at length already.
var errTold = errors.New("told already")

// run executes one command line and returns its exit status: 0, 1 (it failed)
// or 2 (it was called wrongly).
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errTold) {
		fmt.Fprintln(stderr, "tollhouse: "+oneLine(err))
	}
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "tollhouse",
		Short: "The house at the gate of a web business: gateway, metering, billing, console",
		Long: `Tollhouse receives the traffic of an HTTP API or web app, lets in who may enter
(keys, plans, rate limits, quotas), counts every request exactly once, and shows
it to customers and operators in a console.

Start here:  tollhouse demo`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w%s; see `%s --help`", err, meantFlag(cmd, err), cmd.CommandPath())}
	})
	root.Version = versionLine()
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(
		newDemo(), newServe(), newReload(), newUpgrade(), newInit(), newCheck(),
		newCustomer(), newKey(), newOperator(), newMail(), newSessionKey(), newToken(), newApproval(), newAudit(), newUsage(), newPlan(), newBilling(), newCache(), newExplain(), newImport(),
		newVersion(),
	)
	root.InitDefaultCompletionCmd()
	wrongArgsAreUsage(root)
	return root
}

// unknownCommand says which command was meant, and is exit status 2.
func unknownCommand(cmd *cobra.Command, name string) error {
	err := fmt.Errorf("there is no command %q; see `%s --help`", name, cmd.CommandPath())
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		err = fmt.Errorf("there is no command %q; did you mean `%s %s`?", name, cmd.CommandPath(), near[0])
	}
	return usageError{err}
}

// meantFlag says which flag a mistyped one was meant to be, "" for none.
func meantFlag(cmd *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return ""
	}
	// Cobra knows how to find a near command, so it is shown the flags as such.
	flags := &cobra.Command{SuggestionsMinimumDistance: 2}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		flags.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	if near := flags.SuggestionsFor(unknown.GetSpecifiedName()); len(near) > 0 {
		return fmt.Sprintf(" (did you mean --%s?)", near[0])
	}
	return ""
}

// meantFile says how a configuration file is named, where an argument looks like one.
func meantFile(cmd *cobra.Command, arg string) string {
	if cmd.Flags().Lookup("config") == nil || !strings.HasSuffix(arg, ".yml") && !strings.HasSuffix(arg, ".yaml") {
		return ""
	}
	return fmt.Sprintf("; the file is named by --config %s", arg)
}

// wrongArgsAreUsage makes every command's complaint about its arguments an
// exit status 2, and gives commands that only group others a clear answer.
func wrongArgsAreUsage(cmd *cobra.Command) {
	cmd.SuggestionsMinimumDistance = 2
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				if !c.HasSubCommands() && strings.HasPrefix(err.Error(), "unknown command") { // cobra.NoArgs means an argument
					err = fmt.Errorf("it takes no argument such as %q%s", args[0], meantFile(c, args[0]))
				}
				return usageError{fmt.Errorf("%w; see `%s --help`", err, c.CommandPath())}
			}
			return nil
		}
	}
	if cmd.PreRunE == nil {
		cmd.PreRunE = func(c *cobra.Command, _ []string) error {
			if err := c.ValidateFlagGroups(); err != nil {
				return usageError{fmt.Errorf("%w; see `%s --help`", err, c.CommandPath())}
			}
			return nil
		}
	}
	if cmd.HasSubCommands() && cmd.Run == nil && cmd.RunE == nil {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return c.Help()
		}
	}
	for _, sub := range cmd.Commands() {
		wrongArgsAreUsage(sub)
	}
}
