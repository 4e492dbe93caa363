package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func TestLoadSaysWhatIsWrongWithAFileAsAWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe.yml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path, says string
		code             toll.Code
	}{
		{"missing", filepath.Join(dir, "none.yml"), "there is no such file; name another with --config", toll.NotFound},
		{"directory", dir, "this is a directory; name the file in it", toll.Invalid},
		{"pipe", pipe, "this is not a regular file", toll.Invalid},
		{"below a file", filepath.Join(write("file", nil), "tollhouse.yml"), "cannot look at the file: not a directory", toll.Invalid},
		{"ten megabytes", write("large.yml", bytes.Repeat([]byte("# nothing\n"), 1<<20)), "the file has 10485760 bytes; a configuration has at most 1048576", toll.Invalid},
		{"empty", write("empty.yml", nil), ":1:1: the file is empty", toll.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(c.path)
			var problems *Error
			if !errors.As(err, &problems) {
				t.Fatalf("got %v", err)
			}
			if !strings.HasPrefix(err.Error(), c.path) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want the path and %q", err, c.says)
			}
			if code := toll.CodeOf(err); code != c.code {
				t.Errorf("code %s, want %s", code, c.code)
			}
			if long := problems.Long(); !strings.Contains(long, problems.Problems[0].String()) {
				t.Errorf("the long form lacks the short one: %q", long)
			}
		})
	}
}

func TestLoadSaysWhenAFileIsNotReadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "tollhouse.yml")
	if err := os.WriteFile(path, []byte("data: ./x\n"), 0o000); err != nil {
		t.Fatal(err)
	}
	tolltest.Unprivileged(t, dir, func() {
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "permission denied; make it readable") {
			t.Errorf("got %v", err)
		}
	})
}

func TestParseRefusesTooLargeATextWithAPlaceInIt(t *testing.T) {
	t.Parallel()
	_, err := Parse("big.yml", bytes.Repeat([]byte("x"), MaxBytes+1))
	if err == nil || !strings.HasPrefix(err.Error(), "big.yml:1:1: the file has 1048577 bytes") {
		t.Errorf("got %.200v", err)
	}
}

// A file within the bound on bytes must not take the machine with it.
func TestParseIsBoundedForEveryShapeOfText(t *testing.T) {
	t.Parallel()
	for _, piece := range []string{"[", "{", "- ", "? ", "&a ", "!a ", "*a ", "a: ", "{a: ", "[a, ", "'", "\"\\n", "\n", "#", "|\n", "---\n", "%", "\t", ":", ", ", "a: &a\n", "<<: *a\n", "${", "\x00"} {
		t.Run(fmt.Sprintf("%q", piece), func(t *testing.T) {
			t.Parallel()
			if _, err := Parse("x.yml", []byte(strings.Repeat(piece, 20_000/len(piece)))); err == nil {
				t.Error("parsed")
			}
		})
	}
}

func TestErrorsGiveEveryProblemByPlaceAndASafeMessage(t *testing.T) {
	t.Parallel()
	_, err := Parse("tollhouse.yml", []byte("journal: { sync: 50 }\nlisten: { http: 1 }\nplann: x\n"))
	var problems *Error
	if !errors.As(err, &problems) || len(problems.Problems) != 3 {
		t.Fatalf("got %v", err)
	}
	for i, p := range problems.Problems {
		if p.Line != i+1 || p.File != "tollhouse.yml" {
			t.Errorf("problem %d stands at %s:%d", i, p.File, p.Line)
		}
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 3 {
		t.Errorf("%d lines, want one for each problem", len(lines))
	}
	if safe := toll.SafeMessage(err); !strings.HasPrefix(safe, "tollhouse.yml:1:18: journal.sync: ") || !strings.HasSuffix(safe, " (and 2 more)") {
		t.Errorf("safe message %q", safe)
	}
}

func TestErrorsStopAtAHundredProblems(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 500 {
		fmt.Fprintf(&b, "field_%d: x\n", i)
	}
	_, err := Parse("tollhouse.yml", []byte(b.String()))
	var problems *Error
	if !errors.As(err, &problems) || len(problems.Problems) != 100 {
		t.Fatalf("got %.300v", err)
	}
	if !strings.HasSuffix(problems.Long(), "100 problems and maybe more in tollhouse.yml.\n") {
		t.Error("the long form does not say that there may be more")
	}
}

func TestExcerptsClipLongLinesAroundThePlace(t *testing.T) {
	t.Parallel()
	src := "name: " + strings.Repeat("é", 300) + "\nlisten: { " + strings.Repeat(" ", 200) + "htp: x" + strings.Repeat(" ", 200) + "}\n"
	_, err := Parse("tollhouse.yml", []byte(src))
	var problems *Error
	if !errors.As(err, &problems) || len(problems.Problems) != 2 {
		t.Fatalf("got %v", err)
	}
	for _, p := range problems.Problems {
		lines := strings.Split(p.Long(), "\n")
		source, caret := []rune(lines[1]), []rune(lines[2])
		if len(source) > 120 || len(caret) > 120 {
			t.Errorf("not clipped:\n%s", p.Long())
		}
		at := strings.IndexRune(string(caret), '^')
		if c := source[at]; c != 'é' && c != 'h' {
			t.Errorf("the caret stands under %q:\n%s", c, p.Long())
		}
	}
}

func TestTabsBeforeThePlaceKeepTheCaretUnderIt(t *testing.T) {
	t.Parallel()
	_, err := Parse("tollhouse.yml", []byte("name:\t[x]\n"))
	var problems *Error
	if !errors.As(err, &problems) {
		t.Fatalf("got %v", err)
	}
	lines := strings.Split(problems.Problems[0].Long(), "\n")
	source, caret := lines[1], lines[2]
	if at := strings.IndexByte(caret, '^'); source[at] != '[' || strings.Count(source[:at], "\t") != strings.Count(caret[:at], "\t") {
		t.Errorf("not under the place:\n%s", problems.Problems[0].Long())
	}
}
