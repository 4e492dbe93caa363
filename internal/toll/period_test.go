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
