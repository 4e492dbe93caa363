package piece

import (
	"math"
	"strconv"
)

type tick struct {
	value int64
	y     float64 // percent from the top
}

type scale struct {
	top   int64
	ticks []tick
}

// scale chooses two to six round steps so that the largest bar fits.
func (c Chart) scale() scale {
	var most int64 = 1
	for _, b := range c.Bars {
		most = max(most, b.total())
	}
	raw := float64(most) / 5
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5, 10} {
		if step*m >= raw {
			step *= m
			break
		}
	}
	step = max(1, step)
	n := int64(math.Ceil(float64(most) / step))
	s := scale{top: n * int64(step)}
	for i := int64(0); i <= n; i++ {
		s.ticks = append(s.ticks, tick{value: i * int64(step), y: 100 - float64(i)*100/float64(n)})
	}
	return s
}

type stacked struct {
	class     string
	y, height float64
}

// stack lays a bar's values on each other, the first at the bottom. What is
// there is never thinner than can be seen.
func (c Chart) stack(b Bar, s scale) []stacked {
	out := make([]stacked, 0, len(b.Values))
	y := 100.0
	for i, v := range b.Values {
		if v <= 0 {
			continue
		}
		h := max(0.5, float64(v)*100/float64(s.top))
		y -= h
		out = append(out, stacked{class: c.Series[i].Class, y: max(0, y), height: h})
	}
	return out
}

func (c Chart) slot() float64 { return 100 / float64(max(1, len(c.Bars))) }

func (c Chart) left(i int) float64 { return float64(i) * c.slot() }

// wide tells which labels are left out on a phone: every second one.
func (c Chart) wide(i int) bool {
	n := 0
	for _, b := range c.Bars[:i] {
		if b.Short != "" {
			n++
		}
	}
	return n%2 == 1
}

// anchor keeps the outer labels inside the drawing.
func (c Chart) anchor(i int) string {
	switch {
	case i == 0:
		return "start"
	case i == len(c.Bars)-1:
		return "end"
	}
	return "middle"
}

func percent(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) + "%" }
