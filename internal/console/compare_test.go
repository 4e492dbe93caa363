package console

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/console/words"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// said writes a comparison as lines: group, label, and a cell for each plan.
func said(t piece.Compare) (lines []string) {
	for _, g := range t.Groups {
		for _, r := range g.Rows {
			line := g.Label + ": " + r.Label
			for _, c := range r.Cells {
				line += " | " + c.Says + strings.Join(c.Lines, " + ")
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func TestPlansAreComparedByAllThatOneOfThemHas(t *testing.T) {
	t.Parallel()
	v := &visit{words: words.In("en")}
	plans := []toll.Plan{
		{Name: "a", Title: "A", Includes: []string{"ner"}, Policies: []toll.Policy{
			{Name: "burst", Kind: toll.RateLimit, Count: 10, Window: time.Second, Burst: 50},
			{Name: "watch", Kind: toll.RateLimit, Count: 1, Window: time.Hour, Shadow: true},
			{Name: "odd", Kind: toll.RateLimit, Count: 3, Window: 10 * time.Second, Partition: toll.PerIP},
			{Name: "day", Kind: toll.Quota, Unit: "words", Every: toll.Daily, Count: 5000},
		}},
		{Name: "b", Title: "B", Includes: []string{"ner", "maps"}, Features: []string{"models"},
			Price: toll.Price{Amount: "10", Currency: "USD", Every: "month"},
			Policies: []toll.Policy{
				{Name: "maps", Kind: toll.ConcurrencyLimit, Count: 2, Service: "maps"},
				{Name: "call", Kind: toll.RateLimit, Count: 7, Window: time.Minute, Service: "ner", Endpoint: "POST /x", Partition: toll.PerKey},
				{Name: "month", Kind: toll.Quota, Unit: "pages", Every: toll.Monthly, Count: 12345},
			},
			Usage: []toll.UnitPrice{{Unit: "pages", Each: "0.0015"}, {Unit: "words", Each: "0"}}},
	}
	got := v.comparison(plans, "b")
	want := []string{
		": Fee | No fee | $10.00 a month",
		"Services: ner | Included | Included",
		"Services: maps | Not included | Included",
		"Features: models | Not included | Included",
		"Limits: Words a day | 5,000 | No limit",
		"Limits: pages a month | No limit | 12,345",
		"Limits: Calls per second | 10, up to 50 at once | No limit",
		"Limits: Calls per 10 seconds, for each address | 3 | No limit",
		"Limits: Calls per minute, for each key, ner POST /x | No extra limit | 7",
		"Limits: Calls at the same time, maps | Not included | 2",
		"Usage in a month: pages | No charge | $1.50 per\u00a01,000",
		"Usage in a month: Words | No charge | free",
	}
	if lines := said(got); !slices.Equal(lines, want) {
		t.Errorf("compared:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if got.Columns[0].Mine || !got.Columns[1].Mine {
		t.Errorf("the own plan is not the one that is marked: %+v", got.Columns)
	}
	if one := v.comparison(plans[:1], "a"); one.Caption == got.Caption || len(one.Columns) != 1 {
		t.Errorf("a single plan is called a comparison: %q", one.Caption)
	}
}
