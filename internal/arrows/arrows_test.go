// Package arrows holds no code: it is the test that rooms import each other in
// the directions that docs/adr/0001 draws, and in no other. It reads the same
// rules from .golangci.yml that depguard reads, so that there is one list; with
// it `go test ./...` finds a wrong arrow with nothing but Go.
//
//	.golangci.yml ─► rules ─┐
//	go list -json ─► imports ┴► what is wrong
//
// And it holds the tests to the rule that nothing is skipped in CI.
package arrows

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/tollhouse/tollhouse"

// room is a package, as `go list -json` tells of it.
type room struct {
	ImportPath, Dir                    string
	GoFiles                            []string
	TestGoFiles, XTestGoFiles          []string
	Imports, TestImports, XTestImports []string
}

func (r room) folder() string {
	return strings.TrimPrefix(strings.TrimPrefix(r.ImportPath, module), "/")
}

func rooms(t *testing.T, root string) []room {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, said.String())
	}
	var all []room
	for in := json.NewDecoder(bytes.NewReader(out)); ; {
		var r room
		err := in.Decode(&r)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
}

func TestEachRoomImportsOnlyWhatItsRuleAllows(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	rules, err := readRules(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	all := rooms(t, root)
	if len(all) < 10 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	for _, r := range all {
		check(t, rules, r.folder(), r.GoFiles, r.Imports)
		check(t, rules, r.folder(), r.TestGoFiles, r.TestImports)
		check(t, rules, r.folder(), r.XTestGoFiles, r.XTestImports)
	}
}

func check(t *testing.T, rules map[string]rule, folder string, files, imports []string) {
	t.Helper()
	list, err := wrong(rules, folder, files, imports)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range list {
		t.Error(line)
	}
}

// TestEachRoomHasARule finds a new room that nobody thought about: its arrows
// belong into .golangci.yml before its code is merged.
func TestEachRoomHasARule(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	rules, err := readRules(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rooms(t, root) {
		if len(r.GoFiles) == 0 || r.folder() == "" {
			continue
		}
		list, err := wrong(rules, r.folder(), r.GoFiles, []string{module + "/internal/nowhere", module + "/cmd/tollhouse", module + "/internal/store"})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			t.Errorf("%s may import anything: give it a rule in .golangci.yml", r.folder())
		}
	}
}

// TestFindsAWrongArrow plants some, so that the test above is known to bite.
func TestFindsAWrongArrow(t *testing.T) {
	t.Parallel()
	rules, err := readRules(filepath.Join("..", "..", ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		from, to string
		ok       bool
	}{
		{"internal/toll", "strings", true},
		{"internal/toll", "github.com/oklog/ulid/v2", false},
		{"internal/toll", "net/http", false},
		{"internal/exchange", "net/textproto", true},
		{"internal/exchange", "net/http", false},
		{"internal/limit", module + "/internal/toll", true},
		{"internal/limit", module + "/internal/apikey", false},
		{"internal/limit", "net/http", false},
		{"internal/meter", module + "/internal/meter/journal", true},
		{"internal/meter", module + "/internal/store", false},
		{"internal/meter", "database/sql", false},
		{"internal/upstream", "net/http", true},
		{"internal/upstream", module + "/internal/route", false},
		{"internal/account", "math/rand/v2", false},
		{"internal/gate", module + "/internal/apikey", true},
		{"internal/gate", module + "/internal/upstream", false},
		{"internal/gate", "net/http", false},
		{"internal/store", module + "/internal/meter", true},
		{"internal/store", "database/sql", true},
		{"internal/store", module + "/internal/limit/redislimit", false},
		{"internal/store", module + "/internal/billing/stripemirror", false},
		{"internal/edge", module + "/internal/gate", true},
		{"internal/edge", module + "/internal/store", false},
		{"internal/edge", module + "/internal/console", false},
		{"internal/console", module + "/internal/account", true},
		{"internal/console", module + "/internal/store", false},
		{"internal/console", module + "/internal/apikey", false},
		{"internal/api", module + "/internal/apikey", false}, // not because its name begins alike
		{"internal/telemetry", "github.com/prometheus/client_golang/prometheus", true},
		{"internal/edge", "github.com/prometheus/client_golang/prometheus", false},
		{"internal/app", module + "/internal/store", true},
		{"internal/app", module + "/cmd/tollhouse", false},
		{"cmd/tollhouse", module + "/internal/app", true},
		{"cmd/tollhouse", module + "/internal/store", false},
		{"hx", "net/http", true},
		{"hx", module + "/internal/toll", false},
		{"hx", "github.com/a-h/templ", false},
		{"hx", "github.com/klauspost/compress/zstd", true},
		{"hx/hxtest", module + "/hx", true},
		{"hx/hxtest", module + "/internal/console", false},
		{"examples/items", module + "/hx", true},
		{"examples/ner", module + "/internal/toll", false},
		{"examples/ner/nerapi", module + "/examples/internal/serve", true},
		{"internal/edge", "log/slog", true},
		{"internal/edge", "log", false},
	} {
		list, err := wrong(rules, test.from, []string{"x.go"}, []string{test.to})
		if err != nil {
			t.Fatal(err)
		}
		if (len(list) == 0) != test.ok {
			t.Errorf("%s may import %s: %v, want %v %q", test.from, test.to, len(list) == 0, test.ok, list)
		}
	}
}

func TestRefusesRulesThatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"$all", "internal/toll/*.go", "**/{a,b}/**"} {
		if _, err := matches(pattern, "internal/toll/doc.go"); err == nil {
			t.Errorf("%s is taken", pattern)
		}
	}
}
