package upstream

import "time"

// few is how many upstreams are chosen from without an allocation.
const few = 16

// pick chooses an upstream for a request and takes a place in flight on it. It
// leaves out those that were tried already, those that fail their probes and
// those whose circuit is open. When that leaves none at all, it is better to
// try than to refuse: it chooses among the open ones, and then, for a request
// that was not tried yet, among all. pinned is whom the client stays with, nil
// for none.
//
// It returns nil when there is none; full tells then that there would be one,
// but for MaxInFlight.
func (p *Pool) pick(tried []*upstream, pinned *upstream) (chosen *upstream, full bool) {
	var space [few]*upstream
	fit := space[:0]
	if pinned != nil && p.stays(tried, pinned) {
		return pinned, false
	}
	weighted := p.weighted
	for _, u := range p.upstreams {
		if u.weight == 0 || u.unhealthy.Load() || contains(tried, u) {
			continue
		}
		if !u.circuit.closed() {
			// A request that failed once already is not the one to make a trial of.
			if len(tried) == 0 && pinned == nil && u.circuit.try(p.now()) {
				if u.acquire() {
					return u, false
				}
				u.circuit.forgo()
			}
			continue
		}
		weighted = weighted || u.ramp.Load() != 0
		fit = append(fit, u)
	}
	if len(fit) > 0 {
		// When all are full, rather wait for a good one than try a bad one.
		return p.choose(fit, weighted), true
	}
	for _, u := range p.upstreams {
		if u.weight != 0 && !u.unhealthy.Load() && !contains(tried, u) {
			fit = append(fit, u)
		}
	}
	if len(fit) == 0 && len(tried) == 0 {
		for _, u := range p.upstreams {
			if u.weight != 0 {
				fit = append(fit, u)
			}
		}
	}
	return p.choose(fit, p.weighted), len(fit) > 0
}

// stays takes a place on u for a client who stays with it, if there is one.
func (p *Pool) stays(tried []*upstream, u *upstream) bool {
	if u.unhealthy.Load() || contains(tried, u) {
		return false
	}
	if u.circuit.closed() {
		return u.acquire()
	}
	if len(tried) > 0 || !u.circuit.try(p.now()) {
		return false
	}
	if u.acquire() {
		return true
	}
	u.circuit.forgo()
	return false
}

// choose takes a place on the best of fit by the service's balance, or the
// next best, and so on; nil when all are full.
func (p *Pool) choose(fit []*upstream, weighted bool) *upstream {
	var now time.Duration
	if p.timed || weighted && p.service.SlowStart > 0 {
		now = p.now()
	}
	for len(fit) > 0 {
		var best int
		var at, weight int64
		if weighted {
			best, at, weight = p.byWeight(fit, now)
		} else {
			best = p.byTurn(fit, now)
		}
		if u := fit[best]; u.acquire() {
			if weighted {
				p.step(u, at, weight)
			}
			return u
		}
		fit[best] = fit[len(fit)-1]
		fit = fit[:len(fit)-1]
	}
	return nil
}

// byTurn gives the index of the upstream that is next when all weigh the same.
// Turning the start spreads round robin, and the ties of the others.
func (p *Pool) byTurn(fit []*upstream, now time.Duration) int {
	start := int(p.turn.Add(1) % uint64(len(fit)))
	if p.cost == nil {
		return start
	}
	best, least := start, p.cost(fit[start], now)
	for i := 1; i < len(fit); i++ {
		j := (start + i) % len(fit)
		if c := p.cost(fit[j], now); c < least {
			best, least = j, c
		}
	}
	return best
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
