package console

import (
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/meter"
)

// classes are the status classes of a chart, from the bottom of the stack up.
var classes = []string{"2xx", "3xx", "4xx", "5xx"}

// unknownClass is of requests whose answer nobody told: those of a delegated
// service that settles nothing, and those that a crash left unknown. It is part
// of a chart only where there are some.
const unknownClass = "0xx"

// statusChart makes the chart of a series that was asked for by status.
func (v *visit) statusChart(id, label string, s span, points []meter.Point) piece.Chart {
	c := piece.Chart{
		ID: id, Label: label, Table: v.T("chart.table"), Total: v.T("chart.total"),
		Number: v.words.Number, Compact: v.words.Compact,
	}
	c.Head = v.T("chart.day")
	if s.step == meter.Hour {
		c.Head = v.T("chart.hour")
	}
	classes := classes
	if slices.ContainsFunc(points, func(p meter.Point) bool { return p.Group == unknownClass && p.Count > 0 }) {
		classes = append(slices.Clone(classes), unknownClass)
	}
	row := map[int64]int{}
	starts := s.starts(v.now)
	for i, t := range starts {
		row[t.Unix()] = i
		c.Bars = append(c.Bars, piece.Bar{Label: v.stepLabel(s, t), Short: v.tickLabel(s, i, t), Values: make([]int64, len(classes))})
	}
	for i, class := range classes {
		colour := "s" + class[:1]
		if class == unknownClass {
			colour = "s3" // the quiet one
		}
		c.Series = append(c.Series, piece.Series{Class: colour, Label: v.T("status." + class)})
		for _, p := range points {
			if at, ok := row[p.Start.Unix()]; ok && p.Group == class {
				c.Bars[at].Values[i] += p.Count
				c.Series[i].Total += p.Count
			}
		}
	}
	return c
}

func (v *visit) stepLabel(s span, t time.Time) string {
	if s.step == meter.Hour {
		return v.words.Hour(t)
	}
	return v.words.Date(t)
}

// tickLabel labels about six steps of an axis, so that they fit.
func (v *visit) tickLabel(s span, i int, t time.Time) string {
	every := max(1, s.count/6)
	if (s.count-1-i)%every != 0 {
		return ""
	}
	if s.step == meter.Hour {
		return t.Format("15:04")
	}
	return v.words.Day(t)
}

func chartTotal(c piece.Chart) (sum int64) {
	for _, s := range c.Series {
		sum += s.Total
	}
	return sum
}
