package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// health is what the probes of one upstream add up to.
type health struct {
	state  Health
	since  time.Time
	reason string
	good   int // probes in a row
	bad    int
}

// observe adds a probe's outcome, "" for a good one. It returns whether the
// state changed.
func (h *health) observe(reason string, now time.Time, rule toll.Health) bool {
	h.reason = reason
	next := h.state
	if reason == "" {
		h.good, h.bad = h.good+1, 0
		if h.good >= rule.Healthy {
			next = Healthy
		}
	} else {
		h.good, h.bad = 0, h.bad+1
		if h.bad >= rule.Unhealthy {
			next = Unhealthy
		}
	}
	if next == h.state {
		return false
	}
	h.state, h.since = next, now
	return true
}

// withDefaults fills in what a configuration left out.
func withDefaults(h toll.Health) toll.Health {
	if h.Every <= 0 {
		h.Every = defaultProbeEvery
	}
	if h.Timeout <= 0 {
		h.Timeout = defaultProbeWait
	}
	if h.Healthy <= 0 {
		h.Healthy = defaultProbeCount
	}
	if h.Unhealthy <= 0 {
		h.Unhealthy = defaultProbeCount
	}
	return h
}

// watch probes one upstream until ctx ends, and for nothing else stops.
func (p *Pool) watch(ctx context.Context, u *upstream) {
	ticks := time.NewTicker(p.service.Health.Every)
	defer ticks.Stop()
	for {
		err := p.probe(ctx, u)
		if ctx.Err() != nil {
			return
		}
		p.note(u, err)
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// note takes a probe's outcome over.
func (p *Pool) note(u *upstream, err error) {
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	u.mu.Lock()
	before := u.health.state
	changed := u.health.observe(reason, p.clock(), p.service.Health)
	u.unhealthy.Store(u.health.state == Unhealthy)
	u.mu.Unlock()
	now := p.now()
	closed := err == nil && u.circuit.proven(now)
	if !changed && !closed {
		return
	}
	if !u.unhealthy.Load() && (closed || before == Unhealthy) {
		p.ramp(u, now)
	}
	p.dispatch() // somebody may wait for it, or for nothing any more
	p.tell(u)
}

// probe asks one upstream for the health path, on a connection of its own. An
// answer of 2xx or 3xx is good.
func (p *Pool) probe(ctx context.Context, u *upstream) error {
	ctx, cancel := context.WithTimeout(ctx, p.service.Health.Timeout)
	defer cancel()
	path, query := u.base+p.service.Health.Path, ""
	if t, err := url.Parse(p.service.Health.Path); err == nil {
		path, query = u.base+t.EscapedPath(), t.RawQuery
	}
	req := (&http.Request{
		Method:     http.MethodGet,
		URL:        &url.URL{Scheme: u.scheme, Host: u.host, Opaque: path, RawQuery: query},
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     http.Header{"User-Agent": {"Tollhouse-Health"}},
		Body:       http.NoBody,
		Close:      true,
	}).WithContext(ctx)
	by := p.prober
	if u.h2c {
		by = p.prober2
	}
	resp, err := by.RoundTrip(req)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("no answer from %s within %s", p.service.Health.Path, p.service.Health.Timeout)
		}
		return fmt.Errorf("asking %s: %w", p.service.Health.Path, err)
	}
	defer func() { _ = resp.Body.Close() }() // the status is all that was asked for
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return fmt.Errorf("%s answered %s", p.service.Health.Path, resp.Status)
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", p.service.Health.Path, err)
	}
	return nil
}
