package billing_test

import (
	"testing"
	"time"
	_ "time/tzdata" // zones on a machine that has none

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestFeesFallDueInTheirMonths(t *testing.T) {
	t.Parallel()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 12, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		name  string
		every string
		since time.Time
		month time.Time // any moment of it
		zone  *time.Location
		want  int64
	}{
		{"a month before the start", "month", day(2026, 5, 10), day(2026, 4, 30), time.UTC, 0},
		{"the month of the start, whole", "month", day(2026, 5, 31), day(2026, 5, 1), time.UTC, 1},
		{"a later month", "month", day(2026, 5, 10), day(2031, 1, 1), time.UTC, 1},
		{"a plan that names no period", "", day(2026, 5, 10), day(2026, 6, 1), time.UTC, 1},
		{"the year's first month", "year", day(2026, 5, 10), day(2026, 5, 1), time.UTC, 1},
		{"before a year's start", "year", day(2026, 5, 10), day(2026, 4, 1), time.UTC, 0},
		{"within the year", "year", day(2026, 5, 10), day(2026, 6, 1), time.UTC, 0},
		{"the anniversary", "year", day(2026, 5, 10), day(2027, 5, 1), time.UTC, 1},
		{"the month before the anniversary", "year", day(2026, 5, 10), day(2027, 4, 1), time.UTC, 0},
		{"29 February, in a plain year", "year", day(2024, 2, 29), day(2025, 2, 1), time.UTC, 1},
		{"29 February, not in March", "year", day(2024, 2, 29), day(2025, 3, 1), time.UTC, 0},
		{"29 February, in a leap year", "year", day(2024, 2, 29), day(2028, 2, 1), time.UTC, 1},
		{"a start that is another month in the zone", "year", time.Date(2026, 4, 30, 23, 0, 0, 0, time.UTC), day(2026, 5, 10), paris, 1},
		{"a start at midnight belongs to the month it begins", "month", time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), day(2026, 5, 1), time.UTC, 0},
		{"a start that is another year in the zone", "year", time.Date(2026, 12, 31, 23, 30, 0, 0, time.UTC), day(2028, 1, 10), paris, 1},
		{"and not in the month it is in UTC", "year", time.Date(2026, 4, 30, 23, 0, 0, 0, time.UTC), day(2027, 4, 10), paris, 0},
	} {
		from, to := toll.Monthly.PeriodAt(c.month, c.zone)
		got, err := billing.FeesDue(toll.Price{Every: c.every}, c.since, from, to)
		if err != nil || got != c.want {
			t.Errorf("%s: got %d and %v, want %d", c.name, got, err, c.want)
		}
	}
	if _, err := billing.FeesDue(toll.Price{Every: "week"}, day(2026, 5, 1), day(2026, 5, 1), day(2026, 6, 1)); err == nil {
		t.Error("a weekly fee was taken")
	}
}

func TestAYearlyFeeFallsDueOnceInTwelveMonths(t *testing.T) {
	t.Parallel()
	since := time.Date(2024, time.February, 29, 23, 59, 59, 0, time.UTC)
	for start := range 36 {
		var sum int64
		for month := range 12 {
			from := time.Date(2024, time.Month(2+start+month), 1, 0, 0, 0, 0, time.UTC)
			due, err := billing.FeesDue(toll.Price{Every: "year"}, since, from, from.AddDate(0, 1, 0))
			if err != nil {
				t.Fatal(err)
			}
			sum += due
		}
		if sum != 1 {
			t.Fatalf("%d fees in the twelve months from month %d on", sum, start)
		}
	}
}
