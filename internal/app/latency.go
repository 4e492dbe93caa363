package app

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
)

// UsageLatency asks how long requests took in a month.
type UsageLatency struct {
	UsagePeriod
	Service string `json:"service,omitempty"` // "": of all services
}

// EndpointLatency is how long the requests to one endpoint took.
type EndpointLatency struct {
	Endpoint string  `json:"endpoint"` // "ner POST /extractions"
	Requests int64   `json:"requests"` // whose outcome is known
	P50      float64 `json:"p50_seconds"`
	P95      float64 `json:"p95_seconds"`
	P99      float64 `json:"p99_seconds"`
}

// LatencyShown is how long requests took in a period, by endpoint.
type LatencyShown struct {
	From      time.Time         `json:"from"`
	To        time.Time         `json:"to"`
	Endpoints []EndpointLatency `json:"endpoints"`
}

func showLatency(ctx context.Context, r *rooms, in UsageLatency) (LatencyShown, error) {
	from, to, err := in.bounds(r.clock(), r.at.zone())
	if err != nil {
		return LatencyShown{}, err
	}
	if err := r.drain(ctx, 0); err != nil {
		return LatencyShown{}, err
	}
	points, err := r.store.Latencies(ctx, meter.LatencyQuestion{From: from, To: to, By: meter.ByEndpoint, Service: in.Service})
	if err != nil {
		return LatencyShown{}, err
	}
	out := LatencyShown{From: from, To: to, Endpoints: make([]EndpointLatency, len(points))}
	for i, p := range points {
		out.Endpoints[i] = EndpointLatency{Endpoint: p.Group, Requests: p.Count, P50: p.P50.Seconds(), P95: p.P95.Seconds(), P99: p.P99.Seconds()}
	}
	return out, nil
}
