//go:build !linux

package tolltest

import (
	"os"
	"testing"
)

// Unprivileged runs do. Root cannot do without its rights here, so the test is
// skipped for it.
func Unprivileged(t *testing.T, _ string, do func()) {
	t.Helper()
	if os.Geteuid() == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("only Linux lets root do without its rights over files")
		}
		t.Skip("only Linux lets root do without its rights over files")
	}
	do()
}
