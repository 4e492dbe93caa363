package telemetry

import (
	"os"
	"path/filepath"
	"testing"
)

func TestALogThatWasMovedAwayIsBegunAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "access.log")
	l, err := OpenLogFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if _, err := l.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n")
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	write("two\n")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	write("three\n")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	write("four\n") // a line that is late
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{name + ".1": "one\n", name: "three\nfour\n"} {
		if got, err := os.ReadFile(file); string(got) != want || err != nil {
			t.Errorf("%s holds %q, %v; want %q", file, got, err, want)
		}
	}
	if is, err := os.Stat(name); err != nil || is.Mode().Perm()&0o007 != 0 {
		t.Errorf("everybody may read it: %v %v", is.Mode(), err)
	}
	if _, err := OpenLogFile(filepath.Join(dir, "none", "access.log")); err == nil {
		t.Error("a log in a directory that is not there is opened")
	}
}
