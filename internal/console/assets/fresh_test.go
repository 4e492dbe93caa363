package assets

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What is committed in dist/ is what src/ and the pinned packages give. The
// compressed forms may differ from one zlib to the next; that they hold the
// same bytes is another test.
func TestDistIsWhatItsSourcesGive(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("node_modules/.bin/tailwindcss"); err != nil {
		const what = "the npm packages are not installed: npm ci in internal/console/assets"
		if os.Getenv("CI") == "true" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "node", "build.mjs", dir).CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	for _, name := range []string{"console.css", "console.js", "htmx.js", "favicon.svg", "icons.svg", "htmx.LICENSE.txt", "icons.LICENSE.txt"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("dist", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("dist/%s is not what its sources give: npm run build", name)
		}
	}
}
