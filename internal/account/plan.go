package account

import (
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Plans is the configuration as the office sees it. It may change between two
// calls; every call is safe for concurrent use.
type Plans interface {
	// Plan returns a plan and the ID of its newest version.
	Plan(name string) (plan toll.Plan, version string, ok bool)
	// Names lists the plans in the order of the file.
	Names() []string
}

// findPlan returns the version of a plan, or an error that names the nearest one.
func findPlan(plans Plans, name string) (version string, err error) {
	if _, version, ok := plans.Plan(name); ok {
		return version, nil
	}
	names := plans.Names()
	switch {
	case name == "" && len(names) > 0:
		return "", toll.FieldError("plan", "Name a plan: %s.", strings.Join(names, ", "))
	case len(names) == 0:
		return "", toll.FieldError("plan", "There is no plan %q, for the configuration has none. Add it under plans.", shorten(name))
	}
	if near := nearest(name, names); near != "" {
		return "", toll.FieldError("plan", "There is no plan %q. Did you mean %q?", shorten(name), near)
	}
	return "", toll.FieldError("plan", "There is no plan %q. There are: %s.", shorten(name), strings.Join(names, ", "))
}

// shorten keeps somebody's long input out of messages.
func shorten(s string) string {
	if r := []rune(strings.ToValidUTF8(s, "\uFFFD")); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// nearest returns the name that is the fewest edits away, when that is at most
// a third of its length (two at least for names of three or more), else "".
func nearest(name string, names []string) string {
	if len(name) > 100 {
		return ""
	}
	best, fewest := "", -1
	for _, candidate := range names {
		d := editDistance([]rune(strings.ToLower(name)), []rune(strings.ToLower(candidate)))
		if near := max(2, len(candidate)/3); d <= near && d < len(candidate) && (fewest < 0 || d < fewest) {
			best, fewest = candidate, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that make b of a (Damerau-Levenshtein, optimal string alignment).
func editDistance(a, b []rune) int {
	before := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = slices.Min([]int{replaced, last[j] + 1, row[j-1] + 1})
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
