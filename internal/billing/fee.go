package billing

import (
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// FeesDue says how many of a plan's fees fall into the month [from, to), for a
// subscription that started at since: each month that has started has its fee,
// from the one that holds since on, whole; a yearly fee is due in the month
// that holds since, and in those that hold its anniversaries (of 29 February:
// the 28th, in other years). from and to are in the zone that bills are made in.
func FeesDue(price toll.Price, since, from, to time.Time) (int64, error) {
	if !since.Before(to) {
		return 0, nil
	}
	switch price.Every {
	case "month", "":
		return 1, nil
	case "year":
		since = since.In(from.Location())
		if day := anniversary(since, from.Year()); !day.Before(from) && day.Before(to) {
			return 1, nil
		}
		return 0, nil
	}
	return 0, fmt.Errorf("a fee is due every month or every year, not every %q", price.Every)
}

// anniversary is the moment of since in another year.
func anniversary(since time.Time, year int) time.Time {
	_, month, day := since.Date()
	if month == time.February && day == 29 && time.Date(year, time.February, 29, 0, 0, 0, 0, time.UTC).Month() != time.February {
		day = 28
	}
	at := time.Date(year, month, day, since.Hour(), since.Minute(), since.Second(), since.Nanosecond(), since.Location())
	if at.Day() != day { // the clock is put forward over midnight just then: Date gave an hour of the day before
		if _, changed := at.ZoneBounds(); !changed.IsZero() {
			return changed
		}
	}
	return at
}
