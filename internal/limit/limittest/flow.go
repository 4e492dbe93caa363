package limittest

import (
	"math/big"

	"github.com/tollhouse/tollhouse/internal/limit"
)

// flow is a rate limit: a moment in time, in exact fractions of a microsecond,
// at which all that was used will have flowed off (GCRA's theoretical arrival
// time). The zero value is whole.
type flow struct {
	moment        *big.Rat
	count, window int64
}

// report lets flow what was used, and tells how many more would pass now.
func (f *flow) report(a *limit.Ask, g *limit.Grant, news int64, generation string) (room int64) {
	now, window := big.NewRat(g.Now, 1), a.Window.Microseconds()
	step, burst := big.NewRat(window, a.Count), big.NewRat(a.Limit, 1)
	full := new(big.Rat).Add(now, burst.Mul(burst, step))
	switch {
	case f.moment == nil || f.moment.Cmp(now) < 0 && news == 0:
		f.moment = now
	case f.count != a.Count || f.window != window: // whole requests that were used stay used
		ahead := new(big.Rat).Sub(f.moment, now)
		used := ceil(ahead.Mul(ahead, big.NewRat(f.count, f.window)))
		f.moment = new(big.Rat).Mul(step, big.NewRat(max(0, used), 1))
		f.moment.Add(f.moment, now)
	}
	f.count, f.window = a.Count, window
	if a.Generation != generation {
		if known := big.NewRat(a.Known, 1); f.moment.Cmp(known) < 0 {
			f.moment = known
		}
		if a.Generation == "" {
			news = 0
		}
	}
	if news > 0 {
		if at := big.NewRat(g.Now-a.Age.Microseconds(), 1); f.moment.Cmp(at) < 0 {
			f.moment = at
		}
		f.moment = new(big.Rat).Add(f.moment, new(big.Rat).Mul(step, big.NewRat(news, 1)))
	}
	if f.moment.Cmp(full) > 0 { // a clock that was stepped back, or a smaller limit
		f.moment = full
	}
	ahead := new(big.Rat).Sub(f.moment, now)
	if ahead.Sign() < 0 {
		ahead = new(big.Rat)
	}
	g.Moment = g.Now + ceil(ahead)
	left := new(big.Rat).Sub(full, now)
	left.Sub(left, ahead)
	room = floor(new(big.Rat).Quo(left, step))
	if room < 1 {
		g.Wait = ceil(step.Sub(step, left))
	}
	return room
}

func floor(x *big.Rat) int64 {
	n := new(big.Int).Div(x.Num(), x.Denom()) // Euclidean: rounds down, for the denominator is positive
	return n.Int64()
}

func ceil(x *big.Rat) int64 { return -floor(new(big.Rat).Neg(x)) }
