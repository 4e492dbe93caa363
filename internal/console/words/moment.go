package words

import (
	"fmt"
	"strings"
	"time"
)

// Day writes a day without its year: 3 Nov.
func (w *Words) Day(t time.Time) string {
	return fmt.Sprintf("%d %s", t.Day(), w.month(t, "short"))
}

// Date writes a whole date: 3 Nov 2026.
func (w *Words) Date(t time.Time) string { return fmt.Sprintf("%s %d", w.Day(t), t.Year()) }

// Month writes a month with its year: November 2026.
func (w *Words) Month(t time.Time) string {
	if w.lang == "es" {
		return fmt.Sprintf("%s de %d", w.month(t, "long"), t.Year())
	}
	return fmt.Sprintf("%s %d", w.month(t, "long"), t.Year())
}

// MonthStart writes a month with its year at the start of a line.
func (w *Words) MonthStart(t time.Time) string {
	return Capital(w.Month(t))
}

// Capital writes a text as it stands at the start of a line.
func Capital(text string) string {
	for _, r := range text {
		return strings.ToUpper(string(r)) + text[len(string(r)):]
	}
	return text
}

// Hour writes an hour of a day: 3 Nov, 14:00.
func (w *Words) Hour(t time.Time) string { return w.Day(t) + ", " + t.Format("15:04") }

// Moment writes an exact time in the person's zone (UTC where none is known),
// as the title of a relative one. No line ends between the time and its zone.
func (w *Words) Moment(t time.Time) string {
	zone := w.zone
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	return fmt.Sprintf("%s, %s\u00a0%s", w.Date(t), t.Format("15:04:05"), t.Format("MST"))
}

func (w *Words) month(t time.Time, form string) string {
	return strings.Split(w.T("months."+form), " ")[t.Month()-1]
}

// Ago writes how long before now t was, or how long after: "5 minutes ago",
// "in 2 days". From 30 days on it is the date.
func (w *Words) Ago(t, now time.Time) string {
	d := now.Sub(t)
	key, past := "time.ago.", true
	if d < 0 {
		d, key, past = -d, "time.in.", false
	}
	switch {
	case d < time.Minute && past:
		return w.T("time.now")
	case d < time.Minute:
		return w.T("time.soon")
	case d < time.Hour:
		return w.N(key+"minutes", int64(d/time.Minute))
	case d < 24*time.Hour:
		return w.N(key+"hours", int64(d/time.Hour))
	case d < 30*24*time.Hour:
		return w.N(key+"days", int64(d/(24*time.Hour)))
	}
	return w.Date(t.UTC())
}

// Span writes a length of time in its largest unit, taken up: for a wait.
func (w *Words) Span(d time.Duration) string {
	switch {
	case d <= time.Minute:
		return w.N("span.seconds", max(1, int64((d+time.Second-1)/time.Second)))
	case d <= time.Hour:
		return w.N("span.minutes", int64((d+time.Minute-1)/time.Minute))
	}
	return w.N("span.hours", int64((d+time.Hour-1)/time.Hour))
}
