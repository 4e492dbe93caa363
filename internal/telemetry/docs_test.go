package telemetry

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update", false, "rewrite the list in docs/metrics.md")

const (
	docsFile  = "../../docs/metrics.md"
	docsBegin = "<!-- list: made by `go test ./internal/telemetry -update` from what is registered; do not edit -->\n"
	docsEnd   = "<!-- end of list -->\n"
)

// The list is made of what is registered, so that none is missing there.
func TestTheListInDocsIsFresh(t *testing.T) {
	src, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(src), docsBegin)
	_, after, ok2 := strings.Cut(rest, docsEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has lost the marks around its list", docsFile)
	}
	want := before + docsBegin + listText(t) + docsEnd + after
	if *update {
		if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(src) != want {
		t.Errorf("%s is stale; run go test ./internal/telemetry -update", docsFile)
	}
}

var described = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: "([^"]*)"(?:, unit: "[^"]*")?, constLabels: \{[^}]*\}, variableLabels: \{([^}]*)\}\}$`)

func listText(t *testing.T) string {
	t.Helper()
	m := NewMetrics("x")
	everything(m)
	all := make(chan *prometheus.Desc, 1000)
	m.registry.Describe(all)
	close(all)
	var rows []string
	for d := range all {
		parts := described.FindStringSubmatch(d.String())
		if parts == nil {
			t.Fatalf("no list can be made of %s", d)
		}
		name, help, labels := parts[1], parts[2], parts[3]
		if !strings.HasPrefix(name, "tollhouse_") {
			continue // Go's own and the process's
		}
		kind := "gauge"
		switch {
		case strings.HasSuffix(name, "_total"):
			kind = "counter"
		case name == "tollhouse_request_seconds" || name == "tollhouse_upstream_seconds":
			kind = "histogram"
		}
		if labels != "" {
			labels = "`" + strings.ReplaceAll(labels, ",", "`, `") + "`"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, kind, labels, help))
	}
	slices.Sort(rows)
	return "\n| metric | kind | labels | what it says |\n|---|---|---|---|\n" + strings.Join(rows, "") + "\n"
}
