package store

import (
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
)

// span is a piece of time, in Unix microseconds: [from, to).
type span struct {
	width    time.Duration
	from, to int64
}

// cover cuts [from, to) into pieces of the widths given, the widest first, so
// that a month is answered by thirty rows and not by three thousand. from and
// to are multiples of the last width, and each width is a multiple of the next.
func cover(from, to int64, widths ...time.Duration) []span {
	if from >= to || len(widths) == 0 {
		return nil
	}
	width := widths[0]
	if len(widths) == 1 {
		return []span{{width, from, to}}
	}
	start, end := ceil(from, width), floor(to, width)
	if start >= end {
		return cover(from, to, widths[1:]...)
	}
	pieces := cover(from, start, widths[1:]...)
	pieces = append(pieces, span{width, start, end})
	return append(pieces, cover(end, to, widths[1:]...)...)
}

// ceil returns the end of the period that a moment lies in, or the moment when
// it is a start.
func ceil(micros int64, width time.Duration) int64 {
	start := floor(micros, width)
	if start < micros {
		start += width.Microseconds()
	}
	return start
}

// stepWidth is how wide a step is; 0 for Whole and for what is no step.
func stepWidth(s meter.Step) time.Duration {
	switch s {
	case meter.Quarter:
		return quarter
	case meter.Hour:
		return hour
	case meter.Day:
		return day
	}
	return 0
}
