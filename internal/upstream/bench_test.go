package upstream

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// BenchmarkForward forwards a GET of 1 KiB over a kept connection, client and
// upstream on one machine. Beside it stands net/http's transport alone, so that
// the difference is what this package adds.
func BenchmarkForward(b *testing.B) {
	kilobyte := make([]byte, 1024)
	base := server(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(kilobyte) })
	fields := exchange.Fields{
		"User-Agent": {"bench"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip"}, "Authorization": {"Bearer x"},
		"X-Request-Id": {"01J"}, "X-Forwarded-For": {"192.0.2.1"}, "Tollhouse-Customer": {"cus_1"}, "Tollhouse-Plan": {"pro"},
	}
	b.Run("transport", func(b *testing.B) {
		p := poolTo(b, toll.Service{Timeouts: limits}, Options{}, base)
		b.ReportAllocs()
		buf := make([]byte, 4096)
		for b.Loop() {
			r, _ := http.NewRequestWithContext(b.Context(), "GET", base+"/", nil)
			r.Header = http.Header(fields)
			resp, err := p.transport.RoundTrip(r)
			if err != nil {
				b.Fatal(err)
			}
			drain(b, resp.Body, buf)
		}
	})
	for _, c := range []struct {
		name    string
		balance toll.Balance
		interim func(int, exchange.Header) // what a client that takes interim answers costs when there are none
	}{
		{"round_robin", toll.RoundRobin, nil}, {"least_requests", toll.LeastRequests, nil}, {"ewma", toll.EWMA, nil},
		{"interims", toll.RoundRobin, func(int, exchange.Header) {}},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := poolTo(b, toll.Service{Timeouts: limits, Balance: c.balance, MaxInFlight: 64}, Options{}, base)
			b.ReportAllocs()
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			buf := make([]byte, 4096)
			req := request("GET", "/", "")
			req.Header, req.Interim = fields, c.interim
			for b.Loop() {
				resp, err := p.Forward(ctx, req)
				if err != nil {
					b.Fatal(err)
				}
				drain(b, resp.Body, buf)
			}
		})
	}
}

func drain(b *testing.B, body io.ReadCloser, buf []byte) {
	for {
		if _, err := body.Read(buf); err != nil {
			break
		}
	}
	if err := body.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkTake chooses among eight upstreams and gives the place back.
func BenchmarkTake(b *testing.B) {
	for _, balance := range []toll.Balance{toll.RoundRobin, toll.LeastRequests, toll.EWMA} {
		b.Run(string(balance), func(b *testing.B) {
			takeAndRelease(b, toll.Service{Balance: balance, MaxInFlight: 64})
		})
		b.Run(string(balance)+" by weight", func(b *testing.B) {
			takeAndRelease(b, toll.Service{Balance: balance, MaxInFlight: 64, Weights: []int{1, 2, 3, 4, 5, 6, 7, 8}})
		})
	}
}

func takeAndRelease(b *testing.B, svc toll.Service) {
	p := names(b, svc, Options{}, 8)
	b.ReportAllocs()
	for b.Loop() {
		u, f := p.take(b.Context(), nil, nil)
		if f != nil {
			b.Fatal(f.cause)
		}
		p.release(u)
	}
}
