package sketch

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// draws makes values as requests take: most near each other, some far off.
func draws(rt *rapid.T, label string) []int64 {
	return rapid.SliceOfN(rapid.OneOf(
		rapid.Int64Range(0, 200), rapid.Int64Range(1_000, 50_000), rapid.Int64Range(0, 3_600_000_000), rapid.Int64Range(0, math.MaxInt64),
	), 0, 300).Draw(rt, label)
}

func of(values []int64) *Sketch {
	s := new(Sketch)
	for _, v := range values {
		s.Add(v)
	}
	return s
}

// near tells whether a quantile is within the promised error of the exact one.
func near(got, want int64) bool {
	return math.Abs(float64(got)-float64(want)) <= RelativeError*float64(want)+1e-9
}

// TestQuantilesOfMergedSketchesAreWithinTheError splits values at random over
// several sketches, stores and merges them, and compares every percentile with
// that of the sorted values.
func TestQuantilesOfMergedSketchesAreWithinTheError(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		whole := new(Sketch)
		var all []int64
		for range rapid.IntRange(1, 5).Draw(rt, "parts") {
			values := draws(rt, "values")
			part, err := Decode(of(values).Append(nil))
			if err != nil {
				rt.Fatal(err)
			}
			whole.Merge(part)
			all = append(all, values...)
		}
		if got := whole.Count(); got != int64(len(all)) {
			rt.Fatalf("counted %d, want %d", got, len(all))
		}
		if !bytes.Equal(whole.Append(nil), of(all).Append(nil)) {
			rt.Fatal("merging parts gave another sketch than adding their values")
		}
		if len(all) == 0 {
			return
		}
		slices.Sort(all)
		for percent := 0; percent <= 100; percent++ {
			q := float64(percent) / 100
			want := all[max(int(math.Ceil(q*float64(len(all)))), 1)-1]
			if got := whole.Quantile(q); !near(got, want) {
				rt.Fatalf("quantile %v of %d values: %d, want %d within %v", q, len(all), got, want, RelativeError)
			}
		}
	})
}

func TestStandsForEveryValueWithinTheError(t *testing.T) {
	t.Parallel()
	check := func(v int64) {
		if i := indexOf(v); !near(middleOf(i), v) || i > last {
			t.Fatalf("%d is in bucket %d, whose middle is %d", v, i, middleOf(i))
		}
	}
	for v := range int64(100_000) {
		check(v)
		if indexOf(v+1) < indexOf(v) || indexOf(v+1) > indexOf(v)+1 {
			t.Fatalf("%d and its next are in buckets %d and %d", v, indexOf(v), indexOf(v+1))
		}
	}
	for exponent := range 63 {
		for _, v := range []int64{1<<exponent - 1, 1 << exponent, 1<<exponent + 1} {
			check(v)
		}
	}
	check(math.MaxInt64)
	if indexOf(math.MaxInt64) != last {
		t.Errorf("the last bucket is %d, not %d", indexOf(math.MaxInt64), last)
	}
	if indexOf(-5) != 0 {
		t.Error("a negative value is not counted as 0")
	}
}

func TestAnEmptySketchHasNoPercentiles(t *testing.T) {
	t.Parallel()
	s, err := Decode(nil)
	if err != nil || s.Count() != 0 || s.Quantile(0.5) != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
	s.Merge(new(Sketch))
	if got := s.Append(nil); !bytes.Equal(got, []byte{format}) {
		t.Errorf("encoded as %v", got)
	}
}

func TestRefusesWhatIsNoSketch(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"another format":        {2, 0, 1},
		"half a bucket":         {format, 3},
		"half a number":         {format, 3, 0x80},
		"a bucket of nothing":   {format, 3, 0},
		"a bucket past the end": {format, 0xff, 0x7f, 1},
		"a gap past all ends":   {format, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1},
		"a count too large":     {format, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		if s, err := Decode(b); err == nil {
			t.Errorf("%s: read as %+v", name, s)
		}
	}
}

// FuzzDecode: what is read is written back as an equal sketch; nothing panics.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{format, 3, 0})
	f.Add(of([]int64{0, 63, 64, 12_345, math.MaxInt64}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			return
		}
		s.Quantile(0.99)
		again, err := Decode(s.Append(nil))
		if err != nil || again.Count() != s.Count() || !slices.Equal(again.buckets, s.buckets) {
			t.Fatalf("read %v, wrote and read %v, %v", s, again, err)
		}
	})
}

func BenchmarkSketch(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	s := new(Sketch)
	for range 100_000 {
		s.Add(int64(math.Exp(r.NormFloat64()*0.8 + 9)))
	}
	encoded := s.Append(nil)
	b.ReportMetric(float64(len(encoded)), "bytes")
	b.Run("add", func(b *testing.B) {
		for b.Loop() {
			s.Add(12_345)
		}
	})
	b.Run("decode and merge", func(b *testing.B) {
		whole := new(Sketch)
		b.ReportMetric(float64(len(encoded)), "bytes")
		for b.Loop() {
			part, err := Decode(encoded)
			if err != nil {
				b.Fatal(err)
			}
			whole.Merge(part)
		}
	})
}
