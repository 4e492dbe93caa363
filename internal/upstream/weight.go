package upstream

import (
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Requests are spread by weight in strides: each upstream has a place on a
// common line, the one that is furthest back is next, and moves on by a step
// that is the smaller the more it weighs. This is as smooth as weighted round
// robin and needs no lock: a step that two requests take in the same instant
// is counted twice, so that the shares come out right.
const (
	fullWeight = 1000    // what a weight of 1 is without slow start, for finer steps
	longStride = 1 << 30 // of a weight of 1/1000
	leastShare = 100     // of fullWeight: where slow start begins
	maxWeight  = 1000
)

// weigh gives u's weight in thousandths at now, 0 when it is drained.
func (p *Pool) weigh(u *upstream, now time.Duration) int64 {
	share := int64(fullWeight)
	if from := u.ramp.Load(); from != 0 {
		past := now - time.Duration(from)
		if past >= p.service.SlowStart {
			u.ramp.CompareAndSwap(from, 0)
		} else {
			share = max(int64(fullWeight*past/p.service.SlowStart), leastShare)
		}
	}
	return u.weight * share
}

// ramp starts slow start. Alone, an upstream has all there is anyway.
func (p *Pool) ramp(u *upstream, now time.Duration) {
	if p.service.SlowStart > 0 && len(p.upstreams) > 1 {
		u.ramp.Store(int64(max(now, 1)))
	}
}

// place is where u stands on the line. One that was away for long does not
// have to be given what it missed.
func (p *Pool) place(u *upstream, weight int64) int64 {
	for {
		at, front := u.line.Load(), p.line.Load()
		if at >= front {
			return at
		}
		if next := front + longStride/weight/2; u.line.CompareAndSwap(at, next) {
			return next
		}
	}
}

// step moves u on, and the line with it.
func (p *Pool) step(u *upstream, at, weight int64) {
	if p.line.Load() < at {
		p.line.Store(at)
	}
	for {
		old := u.line.Load()
		if u.line.CompareAndSwap(old, max(old, at)+longStride/weight) {
			return
		}
	}
}

// byWeight gives the index of the upstream that is next, and what step needs.
// By requests and by latency the least cost for its weight is next, and the
// line decides between equals.
func (p *Pool) byWeight(fit []*upstream, now time.Duration) (best int, at, weight int64) {
	var least float64
	for i, u := range fit {
		w := p.weigh(u, now)
		place := p.place(u, w)
		cost := 0.0
		if p.cost != nil {
			cost = p.cost(u, now) / float64(w)
		}
		if i == 0 || cost < least || cost == least && place < at {
			best, at, weight, least = i, place, w, cost
		}
	}
	return best, at, weight
}

// checkWeights refuses weights that say nothing.
func checkWeights(svc toll.Service) error {
	if svc.Weights == nil {
		return nil
	}
	if len(svc.Weights) != len(svc.Upstreams) {
		return toll.FieldError("upstreams", "the service %s has %d upstreams and %d weights: each needs one", svc.Name, len(svc.Upstreams), len(svc.Weights))
	}
	sum := 0
	for i, w := range svc.Weights {
		if w < 0 || w > maxWeight {
			return toll.FieldError("upstreams", "the upstream %d of the service %s has the weight %d: it is 0 to %d", i+1, svc.Name, w, maxWeight)
		}
		sum += w
	}
	if sum == 0 {
		return toll.FieldError("upstreams", "every upstream of the service %s has the weight 0: one must take its requests", svc.Name)
	}
	return nil
}
