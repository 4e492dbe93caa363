package arrows

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// freely are the functions that may skip with CI=true too, by file and name.
var freely = map[string]string{
	"e2e/cachesuite_test.go TestKeepsToTheRulesAsThePublicSuiteHasThem":         "a proof that needs a checkout: make proof-cache",
	"e2e/powercut_linux_test.go mount":                                          "a kernel without loop devices is no missing part, and nothing can be installed for it",
	"internal/store/storetest/open.go TimescaleURL":                             "TimescaleDB is in no package that CI could install; it runs where the server has the extension",
	"internal/edge/peers_test.go TestComparesWithAPeer":                         "a comparison, made when it is asked for: make proof-attack",
	"internal/console/picture_test.go TestPictures":                             "no test: it makes pictures where it is told to",
	"internal/meter/machine_test.go one":                                        "rapid: a step that cannot be taken now",
	"internal/meter/machine_test.go actions":                                    "rapid: a step that cannot be taken now",
	"internal/gate/departure_test.go TestAGateThatMovesDecidesLikeOneThatStays": "rapid: a step that cannot be taken now",
}

// What is skipped passes. With CI=true nothing may be skipped for a part that
// is missing, nor for a machine that is slow: so each function that skips asks for
// CI first.
func TestNothingIsSkippedInCIWithoutASay(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	used := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".") && path != root) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || entry.IsDir() {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(source, []byte(".Skip")) {
			return err
		}
		positions := token.NewFileSet()
		file, err := parser.ParseFile(positions, path, source, 0)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			function, ok := d.(*ast.FuncDecl)
			if !ok || function.Body == nil || !skips(function) {
				continue
			}
			body := source[positions.Position(function.Pos()).Offset:positions.Position(function.End()).Offset]
			this := filepath.ToSlash(name) + " " + function.Name.Name
			if freely[this] != "" {
				used[this] = true
			} else if !bytes.Contains(body, []byte(`Getenv("CI")`)) {
				t.Errorf("%s skips also where CI=true, and so would pass there without having looked", this)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for this := range freely {
		if !used[this] {
			t.Errorf("%s skips nothing any more: take it off the list", this)
		}
	}
}

// skips tells whether a function calls Skip, Skipf or SkipNow of something.
func skips(function *ast.FuncDecl) (does bool) {
	ast.Inspect(function, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
				switch selector.Sel.Name {
				case "Skip", "Skipf", "SkipNow":
					does = true
				}
			}
		}
		return !does
	})
	return does
}
