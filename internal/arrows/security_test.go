package arrows

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	namedTest  = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
	testInTree = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z][A-Za-z0-9_]*)\(`)
	itemRow    = regexp.MustCompile(`(?m)^\| (V[^|]*) \|`)
	item       = regexp.MustCompile(`V(\d+)\.(\d+)\.(\d+)`)
)

// docs/security.md says which test shows what. A test that is renamed or taken
// away takes its claim along, and no item of the standard stands there twice.
func TestEveryTestThatSecurityNamesIsThere(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".") && path != root):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		for _, m := range testInTree.FindAllSubmatch(source, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := namedTest.FindAllSubmatch(page, -1)
	for _, m := range named {
		if !there[string(m[1])] {
			t.Errorf("docs/security.md names %s, which no file of the tree has", m[1])
		}
	}
	if len(named) < 50 {
		t.Errorf("only %d tests were found in docs/security.md: is it still written as it was?", len(named))
	}
	var seen []string
	for _, row := range itemRow.FindAllSubmatch(page, -1) {
		for _, number := range item.FindAllString(string(row[1]), -1) {
			if slices.Contains(seen, number) {
				t.Errorf("docs/security.md has %s twice", number)
			}
			seen = append(seen, number)
		}
	}
}
