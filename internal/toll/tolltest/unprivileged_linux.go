package tolltest

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// nobody is a user without rights to anything, as Debian and others number it.
const nobody = 65534

// Unprivileged runs do without the rights that root has over files, in this
// goroutine alone: what do leaves to others is done as root. dir is a directory
// of the test's own, which do must be able to come to. Without root it just runs
// do.
func Unprivileged(t *testing.T, dir string, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		do()
		return
	}
	for at := dir; at != filepath.Dir(at) && at != os.TempDir(); at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil { //nolint:gosec // nobody must come through
			t.Fatal(err)
		}
	}
	// The user for files is a thread's own (setfsuid(2)), and its change takes
	// root's rights over files away with it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fileUser(t, nobody)
	defer fileUser(t, 0)
	do()
}

func fileUser(t *testing.T, id int) {
	t.Helper()
	_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, uintptr(id), 0, 0)
	// It gives the user before, and no error; -1 is nobody's number and changes nothing.
	if is, _, _ := syscall.RawSyscall(syscall.SYS_SETFSUID, ^uintptr(0), 0, 0); int(is) != id {
		t.Fatalf("the user for files is %d, and not %d", is, id)
	}
}
