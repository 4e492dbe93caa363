package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What docs/forward-auth.md shows is what the tests run.
func TestTheRecipesInDocsAreTheFilesThatAreTested(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/forward-auth.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	err = filepath.WalkDir("../docs/recipes", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.Contains(string(page), "\n"+string(content)+"```\n") {
			t.Errorf("the page does not show %s as it is", path)
		}
		shown++
		return nil
	})
	if err != nil || shown != 6 {
		t.Errorf("%d recipes: %v", shown, err)
	}
	if blocks := strings.Count(string(page), "\n```") / 2; blocks != shown+3 {
		t.Errorf("the page shows %d blocks, of which %d are tested files and three are others", blocks, shown)
	}
}
