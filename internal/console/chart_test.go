package console

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/console/words"
	"github.com/tollhouse/tollhouse/internal/meter"
)

// Requests of delegated services have no status, and are in the chart and its
// sum all the same: it is the number that the quota counts.
func TestAChartShowsRequestsOfWhoseAnswerNobodyTold(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	v := &visit{now: now, words: words.In("en")}
	s := spans[1]
	today := s.starts(now)[s.count-1]
	points := []meter.Point{{Start: today, Group: "2xx", Count: 3}}
	if c := v.statusChart("x", "x", s, points); len(c.Series) != 4 || chartTotal(c) != 3 {
		t.Errorf("without any: %+v", c.Series)
	}
	c := v.statusChart("x", "x", s, append(points, meter.Point{Start: today, Group: "0xx", Count: 4}))
	if len(c.Series) != 5 || c.Series[4].Label != "Not known" || c.Series[4].Total != 4 || chartTotal(c) != 7 || c.Bars[s.count-1].Values[4] != 4 {
		t.Errorf("with some: %+v %v", c.Series, c.Bars[s.count-1])
	}
	if c := v.statusChart("x", "x", s, points); len(c.Series) != 4 {
		t.Error("the next chart has them too")
	}
}
