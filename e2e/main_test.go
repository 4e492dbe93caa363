package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if address := os.Getenv(originAddress); address != "" {
		return beOrigin(address, os.Getenv(originName), os.Getenv(originNotes))
	}
	if binary = os.Getenv(ownBinary); binary != "" {
		return pgserver.Main(m) // a test in a process of its own
	}
	dir, err := os.MkdirTemp("", "tollhouse-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "tollhouse")
	build := exec.Command("go", "build", "-o", binary, "github.com/tollhouse/tollhouse/cmd/tollhouse")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the program: %v\n%s", err, out)
		return 1
	}
	return pgserver.Main(m)
}
