package steadydraws

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestTheSameDrawsAtEachRunOfCI runs itself twice as CI would, and compares
// what was drawn.
func TestTheSameDrawsAtEachRunOfCI(t *testing.T) {
	t.Parallel()
	if os.Getenv("STEADYDRAWS_CHILD") != "" {
		rapid.Check(t, func(t *rapid.T) {
			_, _ = os.Stderr.WriteString(rapid.StringN(8, 8, -1).Draw(t, "word") + "\n")
		})
		return
	}
	drawn := func(ci string) string {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestTheSameDrawsAtEachRunOfCI$")
		cmd.Env = append(os.Environ(), "STEADYDRAWS_CHILD=1", "CI="+ci)
		var said strings.Builder
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		return said.String()
	}
	if one, other := drawn("true"), drawn("true"); one != other || one == "" {
		t.Error("two runs of CI drew differently, or nothing")
	}
	if one, other := drawn("false"), drawn("false"); one == other {
		t.Error("outside CI the draws should be random, and two runs drew the same")
	}
}
