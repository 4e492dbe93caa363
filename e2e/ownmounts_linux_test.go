package e2e

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// ownMounts is set in a test's own process that has a mount namespace of its
// own, and ownBinary names the program that it tests.
const (
	ownMounts = "TOLLHOUSE_E2E_MOUNTS"
	ownBinary = "TOLLHOUSE_E2E_BINARY"
)

// inOwnMounts runs the calling test once more, in a process that can mount what
// nobody else sees and that leaves nothing mounted behind. It returns true in
// that process; in the other one the test has then run.
func inOwnMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(ownMounts) != "" {
		return true
	}
	args := []string{"-m", "--propagation", "private"}
	if os.Geteuid() != 0 {
		args = append(args, "-r")
	}
	if out, err := exec.Command("unshare", append(args, "true")...).CombinedOutput(); err != nil {
		lacking(t, "a mount namespace of its own: %v %s", err, out)
	}
	cmd := exec.Command("unshare", append(args, os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.count=1", "-test.v", "-test.timeout=3h")...)
	cmd.Env = append(os.Environ(), ownMounts+"=1", ownBinary+"="+binary)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// lacking skips a test that needs what this machine does not have, and fails in CI.
func lacking(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("needs "+format, args...)
	}
	t.Skipf("needs "+format, args...)
}

// smallDisk mounts a file system in memory that takes so many bytes.
func smallDisk(t *testing.T, dir, size string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		lacking(t, "to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}
