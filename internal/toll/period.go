package toll

import "time"

// PeriodAt returns the period [start, end) of a quota that holds t, by the
// calendar of loc. Periods follow each other without gap or overlap, also where
// clocks are changed at midnight.
func (e Every) PeriodAt(t time.Time, loc *time.Location) (start, end time.Time) {
	return e.PeriodSince(t, loc, time.Time{})
}

// PeriodSince is PeriodAt for who began at since. A SubscriptionMonth begins at
// the first moment of the day of the month on which since is in loc, or, in a
// month that has no such day, on its last: who began on the 31st has months
// from 31 January, 28 or 29 February, 31 March. Where since is zero its months
// are the calendar's.
func (e Every) PeriodSince(t time.Time, loc *time.Location, since time.Time) (start, end time.Time) {
	y, m, d := t.In(loc).Date()
	if e == Daily {
		return dayBegins(y, m, d, loc), dayBegins(y, m, d+1, loc)
	}
	if e != SubscriptionMonth || since.IsZero() {
		return dayBegins(y, m, 1, loc), dayBegins(y, m+1, 1, loc)
	}
	day := since.In(loc).Day()
	if start = monthBegins(y, m, day, loc); t.Before(start) {
		return monthBegins(y, m-1, day, loc), start
	}
	return start, monthBegins(y, m+1, day, loc)
}

// monthBegins returns the first moment of a day of the month, or of the last
// one of a month that is too short for it.
func monthBegins(y int, m time.Month, day int, loc *time.Location) time.Time {
	last := time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
	return dayBegins(y, m, min(day, last), loc)
}

// dayBegins returns the first moment of a day. That is midnight, or, where
// clocks are put forward at midnight (Havana, São Paulo once), the moment at
// which they are. A midnight that comes twice begins the day the first time.
func dayBegins(y int, m time.Month, d int, loc *time.Location) time.Time {
	noon := time.Date(y, m, d, 12, 0, 0, 0, loc)
	y, m, d = noon.Date() // a month's 32nd is another's 1st
	t := time.Date(y, m, d, 0, 0, 0, 0, loc)
	if t.Day() != d { // there is no such midnight: Date gave an hour of the day before
		if _, changed := t.ZoneBounds(); !changed.IsZero() {
			return changed
		}
	}
	return t
}
