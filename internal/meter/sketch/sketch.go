// Package sketch keeps the distribution of many durations in a few hundred
// bytes, so that percentiles of a month are read without its requests.
//
//	drain: Add ─► Append ─► latency_hour, latency_day
//	page:  Decode, Merge over the hours or days asked for ─► Quantile
//
// A Sketch is a histogram with buckets that grow with the value: thirty-two in
// each doubling, whole numbers only. Every bucket's middle is within 1/64
// (1.6 %) of all values in it, so Quantile is within 1/64 of the exact value of
// the same rank; below 64 it is exact. Merging adds counts up and loses
// nothing: any order and grouping of Add and Merge gives the same Sketch.
package sketch

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"slices"
)

// RelativeError bounds |Quantile - exact| / exact.
const RelativeError = 1.0 / 64

const (
	perDoubling = 32                         // buckets in each doubling
	exact       = 2 * perDoubling            // below it each value has a bucket of its own
	shift       = 6                          // bits of exact - 1
	last        = exact + 57*perDoubling - 1 // the bucket of math.MaxInt64
)

// Sketch is a distribution. Its zero value is empty and ready. It is not safe
// for concurrent use.
type Sketch struct {
	buckets []bucket // by index; no count is 0
	count   uint64
}

type bucket struct {
	index uint16
	count uint64
}

// indexOf returns the bucket of a value; a negative one counts as 0.
func indexOf(value int64) uint16 {
	if value < exact {
		return uint16(max(value, 0))
	}
	exponent := bits.Len64(uint64(value)) - 1
	within := (uint64(value) >> (exponent - 5)) & (perDoubling - 1)
	return uint16(exact + (exponent-shift)*perDoubling + int(within))
}

// middleOf returns the value that stands for a bucket.
func middleOf(index uint16) int64 {
	if index < exact {
		return int64(index)
	}
	exponent := int(index-exact)/perDoubling + shift
	within := int64(index-exact) % perDoubling
	width := int64(1) << (exponent - 5)
	return int64(1)<<exponent + within*width + width/2
}

// Add counts a value; a negative one counts as 0.
func (s *Sketch) Add(value int64) { s.addTo(indexOf(value), 1) }

func (s *Sketch) addTo(index uint16, count uint64) {
	at, found := slices.BinarySearchFunc(s.buckets, index, func(b bucket, i uint16) int { return int(b.index) - int(i) })
	if !found {
		s.buckets = slices.Insert(s.buckets, at, bucket{index: index})
	}
	s.buckets[at].count += count
	s.count += count
}

// Merge adds everything that another sketch counted.
func (s *Sketch) Merge(other *Sketch) {
	if len(s.buckets) == 0 {
		s.buckets, s.count = slices.Clone(other.buckets), other.count
		return
	}
	merged := make([]bucket, 0, max(len(s.buckets), len(other.buckets))+8)
	a, b := s.buckets, other.buckets
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].index < b[0].index:
			merged, a = append(merged, a[0]), a[1:]
		case a[0].index > b[0].index:
			merged, b = append(merged, b[0]), b[1:]
		default:
			merged = append(merged, bucket{a[0].index, a[0].count + b[0].count})
			a, b = a[1:], b[1:]
		}
	}
	merged = append(append(merged, a...), b...)
	s.buckets, s.count = merged, s.count+other.count
}

// Count returns how many values were added.
func (s *Sketch) Count() int64 { return int64(s.count) }

// Quantile returns the value of the rank q (0 to 1; 0.99 for the 99th
// percentile): the smallest that at least that share of all values does not
// exceed. 0 for an empty sketch.
func (s *Sketch) Quantile(q float64) int64 {
	if s.count == 0 {
		return 0
	}
	rank := min(max(uint64(math.Ceil(q*float64(s.count))), 1), s.count)
	for _, b := range s.buckets {
		if b.count >= rank {
			return middleOf(b.index)
		}
		rank -= b.count
	}
	return middleOf(s.buckets[len(s.buckets)-1].index)
}

// format is the first byte of an encoded sketch.
const format = 1

// ErrDamaged is what Decode answers to bytes that Append did not write.
var ErrDamaged = errors.New("not a latency sketch")

// Append writes the sketch behind b: the format, then for each bucket the gap
// to the one before and its count, as unsigned varints.
func (s *Sketch) Append(b []byte) []byte {
	b = append(b, format)
	next := uint16(0)
	for _, bucket := range s.buckets {
		b = binary.AppendUvarint(b, uint64(bucket.index-next))
		b = binary.AppendUvarint(b, bucket.count)
		next = bucket.index + 1
	}
	return b
}

// Decode reads what Append wrote; no bytes are an empty sketch.
func Decode(b []byte) (*Sketch, error) {
	s := new(Sketch)
	if len(b) == 0 {
		return s, nil
	}
	if b[0] != format {
		return nil, ErrDamaged
	}
	s.buckets = make([]bucket, 0, len(b)/2)
	next := uint64(0)
	for b = b[1:]; len(b) > 0; {
		gap, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, ErrDamaged
		}
		count, m := binary.Uvarint(b[n:])
		if m <= 0 || gap > last || next+gap > last || count == 0 || count > math.MaxInt64-s.count {
			return nil, ErrDamaged
		}
		s.buckets = append(s.buckets, bucket{uint16(next + gap), count})
		s.count += count
		next += gap + 1
		b = b[n+m:]
	}
	return s, nil
}
