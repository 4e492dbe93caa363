package console

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The committed Go code of the templates is what the templates give.
func TestGeneratedCodeIsWhatItsTemplatesGive(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{".", "piece"} {
		dir := t.TempDir()
		files, err := filepath.Glob(filepath.Join(folder, "*.templ"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no templates in %s (%v)", folder, err)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(f)), src, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := exec.CommandContext(t.Context(), "go", "tool", "templ", "generate", "-path", dir).CombinedOutput(); err != nil {
			t.Fatalf("generating: %v\n%s", err, out)
		}
		for _, f := range files {
			name := f[:len(f)-len(".templ")] + "_templ.go"
			want, err := os.ReadFile(filepath.Join(dir, filepath.Base(name)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(normal(got), normal(want)) {
				t.Errorf("%s is not what its template gives: go tool templ generate", name)
			}
		}
		made, err := filepath.Glob(filepath.Join(folder, "*_templ.go"))
		if err != nil || len(made) != len(files) {
			t.Errorf("%s has %d templates and %d generated files (%v)", folder, len(files), len(made), err)
		}
	}
}

// normal leaves out where the generator was started: file names in the code are
// relative to it.
func normal(src []byte) []byte {
	src = bytes.ReplaceAll(src, []byte("internal/console/piece/"), nil)
	src = bytes.ReplaceAll(src, []byte("internal/console/"), nil)
	return bytes.ReplaceAll(src, []byte("piece/"), nil)
}
