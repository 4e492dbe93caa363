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

func TestAMonthIsOneRowWhosesoeverMonthItIs(t *testing.T) {
	t.Parallel()
	v := &visit{words: words.In("en")}
	of := func(name string, every toll.Every, count int64) toll.Plan {
		return toll.Plan{Name: name, Title: name, Policies: []toll.Policy{{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Every: every, Count: count}}}
	}
	lines := said(v.comparison([]toll.Plan{of("a", toll.Monthly, 1000), of("b", toll.SubscriptionMonth, 2000), of("c", toll.Daily, 100)}, "a"))
	for _, want := range []string{": Requests a month | 1,000 | 2,000 | ", ": Requests a day | "} {
		if n := len(slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.Contains(l, want) })); n != 1 {
			t.Errorf("%d rows say %q, want one:\n%s", n, want, strings.Join(lines, "\n"))
		}
	}
}

func TestABillIsNamedByItsMonthOrItsDays(t *testing.T) {
	t.Parallel()
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	v := &visit{words: words.In("en"), c: &Console{o: Options{Zone: time.UTC}}}
	for _, c := range []struct {
		from, to time.Time
		want     string
	}{
		{day(2026, 11, 1), day(2026, 12, 1), "November 2026"},
		{day(2026, 11, 15), day(2026, 12, 15), "15 Nov\u2009–\u200914 Dec 2026"},
		{day(2026, 12, 31), day(2027, 1, 31), "31 Dec 2026\u2009–\u200930 Jan 2027"},
	} {
		if got := v.monthOf(c.from, c.to); got != c.want {
			t.Errorf("%s to %s is %q, want %q", c.from, c.to, got, c.want)
		}
	}
}
