package upstream

import "time"

// few is how many upstreams are chosen from without an allocation.
const few = 16

// pick chooses an upstream for a request and takes a place in flight on it. It
// leaves out those that were tried already and those that are unhealthy, and
// takes one under penalty only when there is no other. It returns nil when
// there is none; full tells then that there would be one, but for MaxInFlight.
func (p *Pool) pick(tried []*upstream) (chosen *upstream, full bool) {
	var space [few]*upstream
	fit, penalised := space[:0], 0
	for _, u := range p.upstreams {
		if u.unhealthy.Load() || contains(tried, u) {
			continue
		}
		if u.penalty.set() && u.penalty.holds(p.now()) {
			penalised++
			continue
		}
		fit = append(fit, u)
	}
	if chosen = p.choose(fit); chosen != nil || penalised == 0 {
		return chosen, len(fit) > 0
	}
	if len(fit) > 0 {
		return nil, true // the good ones are full: rather wait for one than try a bad one
	}
	for _, u := range p.upstreams {
		if !u.unhealthy.Load() && !contains(tried, u) {
			fit = append(fit, u)
		}
	}
	return p.choose(fit), len(fit) > 0
}

// choose takes a place on the best of fit by the service's balance, or the
// next best, and so on; nil when all are full.
func (p *Pool) choose(fit []*upstream) *upstream {
	for len(fit) > 0 {
		// Turning the start spreads round robin, and the ties of the others.
		start := int(p.turn.Add(1) % uint64(len(fit)))
		best := start
		if p.cost != nil {
			var now time.Duration
			if p.timed {
				now = p.now()
			}
			least := p.cost(fit[start], now)
			for i := 1; i < len(fit); i++ {
				j := (start + i) % len(fit)
				if c := p.cost(fit[j], now); c < least {
					best, least = j, c
				}
			}
		}
		if fit[best].acquire() {
			return fit[best]
		}
		fit[best] = fit[len(fit)-1]
		fit = fit[:len(fit)-1]
	}
	return nil
}

// byRequests is the cost for least_requests.
func byRequests(u *upstream, _ time.Duration) float64 { return float64(u.inFlight.Load()) }

// byLatency is the cost for ewma.
func byLatency(u *upstream, now time.Duration) float64 {
	return u.latency.cost(now, u.inFlight.Load())
}

func contains(list []*upstream, u *upstream) bool {
	for _, x := range list {
		if x == u {
			return true
		}
	}
	return false
}
