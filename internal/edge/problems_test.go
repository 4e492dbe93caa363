package edge

import (
	"os"
	"strings"
	"testing"
)

// A problem's type leads to docs/problems.md: each must have its part there.
func TestEachProblemIsExplained(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/problems.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"access-undecided", "authorize-secret", "authorize-question", "settlement-unclear", "decision-unknown", "decision-expired"} {
		if !strings.Contains(string(page), "\n## "+name+"\n") {
			t.Errorf("docs/problems.md does not explain %s", name)
		}
	}
	for reason, doc := range refusals {
		if !strings.Contains(string(page), "\n## "+string(reason)+"\n") {
			t.Errorf("docs/problems.md does not explain %s", reason)
		}
		if doc.Status < 400 || doc.Title == "" || doc.Detail == "" {
			t.Errorf("%s says too little: %+v", reason, doc)
		}
	}
}
