package exchange

import (
	"strings"
	"time"
)

// ParseDate reads a date in any of the three forms of RFC 9110 §5.6.7, and
// nothing that only looks like one.
func ParseDate(s string) (time.Time, bool) {
	if len(s) > 3 && strings.EqualFold(s[len(s)-3:], "gmt") {
		s = s[:len(s)-3] + "GMT"
	}
	for _, form := range [...]string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		t, err := time.Parse(form, s)
		if err != nil {
			continue
		}
		_, read, _ := strings.Cut(s, " ") // the day of the week says nothing that the date does not
		_, meant, _ := strings.Cut(t.Format(form), " ")
		if strings.EqualFold(read, meant) {
			return t, true
		}
	}
	return time.Time{}, false
}

// FormatDate writes a date in the form that RFC 9110 §5.6.7 prefers.
func FormatDate(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }
