package limit

import (
	"fmt"
	"math/bits"
	"time"
)

// pace is the arithmetic of a rate limit: GCRA, the generic cell rate
// algorithm of ITU-T I.371, in exact integers.
//
// The state of a limit is one moment, the theoretical arrival time: the time at
// which everything that was used will have flowed off again. Each request moves
// it by step = window/count, from now when it lies in the past. It may lie ahead
// of now by burst steps at most. Because count seldom divides window, moments
// are kept in nanoseconds and count-ths of one: nothing is ever rounded, so
// 7/minute passes exactly seven in each minute.
type pace struct {
	count  int64 // so many per window; 1 to 2^31-1
	window int64 // ns, > 0
	burst  int64

	step span // window/count: what one request takes
	most span // (burst-1) steps: as far ahead one more still passes
	full span // burst steps: as far ahead as it can be
	late span // most + window: further ahead, only a clock that was stepped back explains it
}

// span is ns + part/count nanoseconds, 0 <= part < count.
type span struct {
	ns   int64
	part uint32
}

func (a span) longerThan(b span) bool { return a.ns > b.ns || a.ns == b.ns && a.part > b.part }

const maxSpan = 10 * 366 * 24 * time.Hour // keeps every sum here far below 2^63

// newPace checks a rate and works out its spans.
func newPace(count int64, window time.Duration, burst int64) (*pace, error) {
	switch {
	case count < 1 || count > 1<<31-1:
		return nil, fmt.Errorf("its count is %d; it takes 1 to 2,147,483,647", count)
	case window < time.Microsecond || window > maxSpan:
		return nil, fmt.Errorf("its window is %s; it takes one microsecond to ten years", window)
	case burst < 0:
		return nil, fmt.Errorf("its burst is %d; it takes 1 or more, or 0 for the count", burst)
	case burst == 0:
		burst = count
	}
	p := &pace{count: count, window: int64(window), burst: burst}
	if hi, lo := bits.Mul64(uint64(burst), uint64(window)); hi >= uint64(count) || quo(hi, lo, uint64(count)) > uint64(maxSpan) {
		return nil, fmt.Errorf("its burst of %d would take more than ten years to come back", burst)
	}
	p.step, p.most, p.full = p.steps(1), p.steps(burst-1), p.steps(burst)
	p.late = p.most
	p.late.ns += p.window
	return p, nil
}

func quo(hi, lo, by uint64) uint64 {
	q, _ := bits.Div64(hi, lo, by)
	return q
}

// steps returns n steps, 0 <= n <= burst.
func (p *pace) steps(n int64) span {
	hi, lo := bits.Mul64(uint64(n), uint64(p.window))
	q, r := bits.Div64(hi, lo, uint64(p.count))
	return span{ns: int64(q), part: uint32(r)}
}

// ahead returns how far the moment kept in s lies ahead of now. Where no use of
// this limit explains that it lies so far, the clock has been stepped back: the
// limit then counts as used up at now, and s is set right at once, also when
// the request is refused; else each later request would find the same.
func (p *pace) ahead(s *slot, now int64) span {
	d := span{ns: s.value - now, part: s.extra}
	if d.ns < 0 {
		return span{}
	}
	if int64(d.part) >= p.count { // cannot be after adopt; a reader of pages may see it
		d = span{ns: d.ns + 1}
	}
	if d.longerThan(p.late) {
		d = p.full
		s.value, s.extra = now+d.ns, d.part
	}
	return d
}

// upTo is as far ahead as the moment may be for a request of n to pass.
func (p *pace) upTo(n int64) span {
	if n == 1 {
		return p.most
	}
	return p.steps(p.burst - p.clamp(n))
}

// clamp bounds a request's cost by what may pass at once: whatever costs more
// takes all of that.
func (p *pace) clamp(n int64) int64 { return min(max(n, 1), p.burst) }

// admits tells whether a request of n passes.
func (p *pace) admits(d span, n int64) bool { return !d.longerThan(p.upTo(n)) }

// take uses n, for a request at now that found the moment d ahead, and returns
// how far it is ahead then.
func (p *pace) take(s *slot, now int64, d span, n int64) span {
	by := p.step
	if n != 1 {
		by = p.steps(p.clamp(n))
	}
	d.ns += by.ns
	part := int64(d.part) + int64(by.part)
	if part >= p.count {
		part -= p.count
		d.ns++
	}
	d.part = uint32(part)
	s.value, s.extra = now+d.ns, d.part
	return d
}

// wait returns how long it takes until a request of n passes, in whole
// nanoseconds and never early; 0 when it passes now.
func (p *pace) wait(d span, n int64) time.Duration {
	upTo := p.upTo(n)
	if !d.longerThan(upTo) {
		return 0
	}
	return d.less(upTo)
}

// more returns how much longer than for one it takes until n pass, rounded up.
func (p *pace) more(n int64) time.Duration {
	if n = p.clamp(n); n == 1 {
		return 0
	}
	return p.steps(n - 1).whole()
}

// less returns the time from b to d, rounded up to a nanosecond; b <= d.
func (a span) less(b span) time.Duration {
	ns := a.ns - b.ns
	if a.part > b.part {
		ns++
	}
	return time.Duration(ns)
}

// remaining returns how many would pass at once, and how long it takes until
// one more would (rounded up; 0 when the limit is whole).
func (p *pace) remaining(d span) (n int64, next time.Duration) {
	if d == (span{}) {
		return p.burst, 0
	}
	if d.longerThan(p.full) {
		return 0, d.less(p.most)
	}
	// left = (full - d) in count-ths of a nanosecond; one request is window of them.
	ns, part := p.full.ns-d.ns, int64(p.full.part)-int64(d.part)
	if part < 0 {
		ns--
		part += p.count
	}
	hi, lo := bits.Mul64(uint64(ns), uint64(p.count))
	lo, carry := bits.Add64(lo, uint64(part), 0)
	var q, r uint64
	if hi += carry; hi == 0 {
		q, r = lo/uint64(p.window), lo%uint64(p.window)
	} else {
		q, r = bits.Div64(hi, lo, uint64(p.window))
	}
	return int64(q), time.Duration((p.window - int64(r) + p.count - 1) / p.count)
}

// whole returns how long it takes until nothing counts as used, rounded up.
func (d span) whole() time.Duration { return d.less(span{}) }

// adopt takes over what was used of this limit when its rate was another one
// (old, with its moment in from): whole requests that were used stay used, at
// most as many as may pass at once now.
func (p *pace) adopt(s *slot, from slot, old identity, now int64) {
	d := span{ns: from.value - now, part: from.extra}
	if d.ns < 0 || d == (span{}) {
		return // whole then, whole now
	}
	used := p.burst
	// used = ceil(d × count / window) of the old rate, where that is less.
	hi, lo := bits.Mul64(uint64(d.ns), uint64(old.count))
	lo, carry := bits.Add64(lo, uint64(d.part)+uint64(old.window)-1, 0)
	if hi += carry; hi < uint64(old.window) {
		if q := quo(hi, lo, uint64(old.window)); q < uint64(used) {
			used = int64(q)
		}
	}
	d = p.steps(used)
	s.value, s.extra = now+d.ns, d.part
}
