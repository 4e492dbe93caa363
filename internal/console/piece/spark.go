package piece

import (
	"slices"
	"strconv"
)

// sparkPath draws values as a line over a box of 100 by 30, the largest one
// pixel below its top. All zero is a line on the ground.
func sparkPath(values []int64) string {
	top := max(1, slices.Max(values))
	b := make([]byte, 0, 12*len(values))
	for i, v := range values {
		b = append(b, "ML"[min(i, 1)])
		b = strconv.AppendFloat(b, float64(i)*100/float64(len(values)-1), 'f', 1, 64)
		b = append(b, ' ')
		b = strconv.AppendFloat(b, 29-float64(max(0, v))*28/float64(top), 'f', 1, 64)
	}
	return string(b)
}
