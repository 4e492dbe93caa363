// Package steadydraws makes property tests draw the same values at each run of
// CI, so that whether a change may land depends on the change and not on luck.
// Tests import it for its effect:
//
//	import _ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
//
// Outside CI (the variable CI is not "true") draws stay random: that is where
// new counterexamples are looked for, by everybody who runs the tests and by
// `make search`. A found one becomes a test of its own, by name. A seed given
// on the command line (-rapid.seed) wins everywhere.
package steadydraws

import (
	"flag"
	"os"

	_ "pgregory.net/rapid" // registers the flag that is set here
)

// seed is any number but 0, which rapid takes for "random".
const seed = "20261120"

func init() {
	if os.Getenv("CI") != "true" {
		return
	}
	if err := flag.Set("rapid.seed", seed); err != nil {
		panic("steadydraws: rapid has no flag for its seed any more: " + err.Error())
	}
}
