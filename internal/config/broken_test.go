package config

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

var update = flag.Bool("update", false, "rewrite the golden files and the reference in docs/configuration.md")

// testEnvironment is what the configurations of the tests may reach.
func testEnvironment() environment {
	variables := map[string]string{
		"EMPTY":    "",
		"SESSION":  "0123456789abcdef0123456789abcdef",
		"SHORT":    "hunter2",
		"DATABASE": "mysql://root:hunter2@127.0.0.1/tollhouse",
		"SYNC":     "hunter2",
	}
	return environment{
		lookup: func(name string) (string, bool) { v, ok := variables[name]; return v, ok },
		read: func(path string) (string, error) {
			if path == "/run/secrets/session" {
				return "fedcba9876543210fedcba9876543210", nil
			}
			return readSecret("testdata/no-such-secret")
		},
	}
}

// Each file of testdata/broken is a mistake that people make; what they are
// told stands beside it.
func TestTwentyBrokenConfigurations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/broken/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 25 {
		t.Fatalf("only %d broken configurations", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yml"), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = parseWith(filepath.Base(file), src, testEnvironment())
			var problems *Error
			if !errors.As(err, &problems) {
				t.Fatalf("parsed, or failed with something else: %v", err)
			}
			if code := toll.CodeOf(err); code != toll.Invalid {
				t.Errorf("code %s", code)
			}
			for _, p := range problems.Problems {
				if p.Line < 1 || p.Column < 1 {
					t.Errorf("no place: %s", p)
				}
				if !strings.ContainsAny(p.Message, ";?") {
					t.Errorf("no cure: %s", p)
				}
				if strings.Contains(p.String(), "\n") {
					t.Errorf("the short form is not one line: %q", p)
				}
			}
			got := problems.Long()
			for _, hidden := range []string{"hunter2", "swordfish"} {
				if strings.Contains(got, hidden) {
					t.Errorf("shows a secret:\n%s", got)
				}
			}
			golden(t, strings.TrimSuffix(file, ".yml")+".txt", got)
		})
	}
}

// golden compares with a golden file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s is missing; run the test with -update and look at what it writes", file)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s; got:\n%s", file, got)
	}
}
