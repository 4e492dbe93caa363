package gate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

var declared = []string{"words", "characters"}

func TestUsageFieldsAreReadStrictly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field   string
		want    []toll.Amount
		refused int
	}{
		{"words=123, characters=871", []toll.Amount{{Unit: "words", Count: 123}, {Unit: "characters", Count: 871}}, 0},
		{"words=0", []toll.Amount{{Unit: "words", Count: 0}}, 0},
		{"words=1000000000000", []toll.Amount{{Unit: "words", Count: toll.MaxCount}}, 0},
		{"words=1000000000001", nil, 1},
		{"words=9223372036854775807", nil, 1},
		{"words=9223372036854775808", nil, 1},
		{"words=99999999999999999999", nil, 1},
		{"words=-1", nil, 1},
		{"words=+1", nil, 1},
		{"words=NaN", nil, 1},
		{"words=1.5", nil, 1},
		{"words=1e3", nil, 1},
		{"words=", nil, 1},
		{"words", nil, 1},
		{"=5", nil, 1},
		{"tokens=5", nil, 1},
		{"requests=5", nil, 1},
		{"words=1, words=2", []toll.Amount{{Unit: "words", Count: 1}}, 1},
		{"words=1,, characters=2,", []toll.Amount{{Unit: "words", Count: 1}, {Unit: "characters", Count: 2}}, 0},
		{"", nil, 0},
	} {
		got, refused := gate.AppendUsage(nil, c.field, declared)
		if !slices.Equal(got, c.want) || refused != c.refused {
			t.Errorf("AppendUsage(%q) = %v, %d refused; want %v, %d", c.field, got, refused, c.want, c.refused)
		}
	}
}

func FuzzUsageIsNeverNegativeNorUndeclared(f *testing.F) {
	for _, seed := range []string{"words=1, characters=2", "words=-1", "=,=,=", "words=99999999999999999999999", strings.Repeat("words=1,", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		amounts, refused := gate.AppendUsage(nil, field, declared)
		if len(amounts) > len(declared) || refused < 0 {
			t.Fatalf("%d amounts, %d refused", len(amounts), refused)
		}
		for _, a := range amounts {
			if a.Count < 0 || a.Count > toll.MaxCount || !slices.Contains(declared, a.Unit) {
				t.Fatalf("amount %+v", a)
			}
		}
	})
}
