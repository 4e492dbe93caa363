package limit

// Left is how much is leased to the pool and not used, of all counters together.
func (p *Pool) Left() (n int64) {
	p.mu.Lock()
	active := append([]*lease(nil), p.active...)
	p.mu.Unlock()
	for _, l := range active {
		l.shared.state.mu.Lock()
		n += max(0, l.left())
		l.shared.state.mu.Unlock()
	}
	return n
}

// Leases is how many leases are kept.
func (s *Shared) Leases() (n int) {
	for l := s.leases; l != nil; l = l.next {
		n++
	}
	return n
}
