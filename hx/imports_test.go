package hx

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestImportsTheStandardLibraryAndCompressorsOnly: whoever takes hx gets
// nothing else with it.
func TestImportsTheStandardLibraryAndCompressorsOnly(t *testing.T) {
	t.Parallel()
	files := 0
	for _, folder := range []string{".", "hxtest"} {
		names, err := filepath.Glob(filepath.Join(folder, "*.go"))
		must(t, err)
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			files++
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			must(t, err)
			for _, i := range f.Imports {
				if path := strings.Trim(i.Path.Value, `"`); !allowed(path) {
					t.Errorf("%s imports %s", name, path)
				}
			}
		}
	}
	if files < 20 {
		t.Errorf("%d files were looked at", files)
	}
	for path, want := range map[string]bool{"net/http": true, "github.com/klauspost/compress/zstd": true, "github.com/andybalholm/brotli": true,
		"github.com/a-h/templ": false, "reflect": false, "unsafe": false, "github.com/tollhouse/tollhouse/internal/toll": false, "golang.org/x/net/html": false} {
		if allowed(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

func allowed(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	switch {
	case path == "reflect", path == "unsafe", path == "log":
		return false
	case !strings.Contains(first, "."):
		return true
	}
	for _, ours := range []string{"github.com/klauspost/compress/", "github.com/andybalholm/brotli", "github.com/tollhouse/tollhouse/hx"} {
		if strings.HasPrefix(path, ours) {
			return true
		}
	}
	return false
}
