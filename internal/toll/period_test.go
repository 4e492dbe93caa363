package toll

import (
	"testing"
	"time"
	_ "time/tzdata" // the zones of the tests, on every machine
)

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// clocksAt are zones whose clocks are changed at odd times: at midnight, by
// half an hour, or by a whole day (Apia had no 30 December 2011).
var clocksAt = []string{"UTC", "Europe/Berlin", "America/Havana", "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo"}

func TestPeriodsFollowEachOtherWithoutGapOrOverlap(t *testing.T) {
	t.Parallel()
	for _, name := range clocksAt {
		loc := zoneOf(t, name)
		for _, every := range []Every{Daily, Monthly} {
			var start, end time.Time
			for at := time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2019; at = at.Add(30 * time.Minute) {
				s, e := every.PeriodAt(at, loc)
				if at.Before(s) || !at.Before(e) {
					t.Fatalf("%s in %s: %s is not in its period [%s, %s)", every, name, at.In(loc), s, e)
				}
				if !end.IsZero() && !s.Equal(start) && !s.Equal(end) {
					t.Fatalf("%s in %s: the period after [%s, %s) begins at %s", every, name, start, end, s)
				}
				if s.Equal(start) && !e.Equal(end) {
					t.Fatalf("%s in %s: the period from %s ends at %s and at %s", every, name, s, end, e)
				}
				start, end = s, e
			}
		}
	}
}

func TestDayWithoutMidnightBeginsWhenTheClocksAreChanged(t *testing.T) {
	t.Parallel()
	havana := zoneOf(t, "America/Havana") // 11 March 2007: 23:59:59 is followed by 01:00
	start, end := Daily.PeriodAt(time.Date(2007, 3, 11, 12, 0, 0, 0, havana), havana)
	if want := time.Date(2007, 3, 11, 5, 0, 0, 0, time.UTC); !start.Equal(want) {
		t.Errorf("the day begins at %s, want %s", start.UTC(), want)
	}
	if got := end.Sub(start); got != 23*time.Hour {
		t.Errorf("the day has %s, want 23h", got)
	}
}

func TestSubscriptionMonthsClampToTheLastDay(t *testing.T) {
	t.Parallel()
	berlin := zoneOf(t, "Europe/Berlin")
	began := time.Date(2023, 12, 31, 17, 30, 0, 0, berlin)
	for _, c := range []struct{ at, start, end string }{
		{"2024-01-30 23:59", "2023-12-31", "2024-01-31"},
		{"2024-01-31 00:00", "2024-01-31", "2024-02-29"}, // a leap year
		{"2024-02-29 00:00", "2024-02-29", "2024-03-31"}, // clocks are put forward on the 31st
		{"2024-03-31 12:00", "2024-03-31", "2024-04-30"},
		{"2025-02-27 12:00", "2025-01-31", "2025-02-28"}, // no leap year
		{"2025-02-28 00:00", "2025-02-28", "2025-03-31"},
		{"2025-12-31 00:00", "2025-12-31", "2026-01-31"},
	} {
		at, err := time.ParseInLocation("2006-01-02 15:04", c.at, berlin)
		if err != nil {
			t.Fatal(err)
		}
		start, end := SubscriptionMonth.PeriodSince(at, berlin, began)
		if s, e := start.Format("2006-01-02 15:04"), end.Format("2006-01-02 15:04"); s != c.start+" 00:00" || e != c.end+" 00:00" {
			t.Errorf("%s lies in [%s, %s), want [%s, %s)", c.at, s, e, c.start, c.end)
		}
	}
}

func TestWhoBeganOnLeapDayHasMonthsFromThe29th(t *testing.T) {
	t.Parallel()
	began := time.Date(2024, 2, 29, 9, 0, 0, 0, time.UTC)
	start, end := SubscriptionMonth.PeriodSince(time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC), time.UTC, began)
	if start.Format(time.DateOnly) != "2025-02-28" || end.Format(time.DateOnly) != "2025-03-29" {
		t.Errorf("[%s, %s)", start, end)
	}
}

// TestSubscriptionMonthsFollowEachOther walks every anchor day through years of
// odd clocks: each moment lies in one period, the periods leave no gap, and one
// begins in each month of the calendar.
func TestSubscriptionMonthsFollowEachOther(t *testing.T) {
	t.Parallel()
	for _, name := range clocksAt {
		loc := zoneOf(t, name)
		for day := 1; day <= 31; day++ {
			began := time.Date(2008, 1, day, 23, 59, 0, 0, loc)
			start, end := SubscriptionMonth.PeriodSince(time.Date(2010, 1, 1, 12, 0, 0, 0, loc), loc, began)
			months := 0
			for at := end; at.Year() < 2019; months++ {
				s, e := SubscriptionMonth.PeriodSince(at, loc, began)
				if !s.Equal(end) || !e.After(s) {
					t.Fatalf("%s, day %d: after [%s, %s) comes [%s, %s)", name, day, start, end, s, e)
				}
				for _, in := range []time.Time{s.Add(time.Hour), e.Add(-1)} {
					if s2, e2 := SubscriptionMonth.PeriodSince(in, loc, began); !s2.Equal(s) || !e2.Equal(e) {
						t.Fatalf("%s, day %d: %s lies in [%s, %s) and in [%s, %s)", name, day, in, s, e, s2, e2)
					}
				}
				if e.Sub(s) < 27*24*time.Hour || e.Sub(s) > 31*24*time.Hour+time.Hour {
					t.Fatalf("%s, day %d: [%s, %s) is no month", name, day, s, e)
				}
				start, end, at = s, e, e
			}
			if months < 107 || months > 109 {
				t.Errorf("%s, day %d: %d months in nine years", name, day, months)
			}
		}
	}
}

func TestPlanSaysWhoseMonthsHold(t *testing.T) {
	t.Parallel()
	at, began := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), time.Date(2026, 1, 15, 8, 0, 0, 0, time.UTC)
	for months, want := range map[Every]string{"": "2026-11-01", Monthly: "2026-11-01", SubscriptionMonth: "2026-11-15"} {
		plan := Plan{Months: months}
		if start, _ := plan.PeriodAt(at, time.UTC, began); start.Format(time.DateOnly) != want {
			t.Errorf("%q: the month begins on %s, want %s", months, start, want)
		}
	}
	plan := Plan{Months: SubscriptionMonth}
	if start, _ := plan.PeriodAt(at, time.UTC, time.Time{}); start.Format(time.DateOnly) != "2026-11-01" {
		t.Errorf("who never began has a month from %s", start)
	}
}
