package httpcache_test

import (
	"context"
	"io"
	"sync/atomic"
	"testing"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// browser are the fields of a request as browsers send it.
var browser = []string{
	"Accept", "text/html", "Accept-Encoding", "gzip, deflate, br, zstd", "Accept-Language", "en",
	"User-Agent", "Mozilla/5.0", "X-Forwarded-For", "198.51.100.1", "X-Forwarded-Proto", "https",
}

// filled is a house that has stored a usual answer, and a request for it.
func filled(t testing.TB) (*house, *exchange.Request) {
	t.Helper()
	h := newHouse(t)
	h.origin.next(&reply{body: string(make([]byte, 1024)), fields: []string{
		"Cache-Control", "public, max-age=3600", "Content-Type", "application/json", "ETag", `"v1"`,
		"Vary", "Accept-Encoding", "Server", "x", "X-Content-Type-Options", "nosniff",
	}})
	c := with(browser...)
	if g := h.do(c); g.err != nil {
		t.Fatal(g.err)
	}
	return h, c.request()
}

func TestAHitTakesFewAllocations(t *testing.T) {
	h, r := filled(t)
	ctx := context.Background()
	n := testing.AllocsPerRun(1000, func() {
		response, result, err := h.Serve(ctx, r, "", h.origin)
		if err != nil || !result.Cached {
			t.Fatal(result, err)
		}
		response.Body.Close()
	})
	// The answer, its head (a copied map), the texts of Age and Cache-Status.
	if n > 7 {
		t.Errorf("%v allocations in a hit, want at most 7", n)
	}
}

func BenchmarkHit(b *testing.B) {
	h, r := filled(b)
	ctx := context.Background()
	buf := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		response, _, err := h.Serve(ctx, r, "", h.origin)
		if err != nil {
			b.Fatal(err)
		}
		if n, _ := response.Body.Read(buf); n != 1024 {
			b.Fatal(n)
		}
		response.Body.Close()
	}
}

func BenchmarkHitOfACustomer(b *testing.B) {
	h, r := filled(b)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		response, _, err := h.Serve(ctx, r, "cus_01JABCDEFGHJKMNPQRSTVWXYZ0", h.origin)
		if err != nil {
			b.Fatal(err)
		}
		response.Body.Close()
	}
}

func BenchmarkHitNotModified(b *testing.B) {
	h, r := filled(b)
	r.Header.Set("If-None-Match", `"v1"`)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		response, _, err := h.Serve(ctx, r, "", h.origin)
		if err != nil || response.Status != 304 {
			b.Fatal(err)
		}
	}
}

func BenchmarkHitOnAllCores(b *testing.B) {
	h, _ := filled(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := with(browser...).request()
		for pb.Next() {
			response, _, err := h.Serve(context.Background(), r, "", h.origin)
			if err != nil {
				b.Fatal(err)
			}
			response.Body.Close()
		}
	})
}

// quick is a service that answers at once.
type quick struct {
	n      atomic.Int64
	fields exchange.Fields
}

func (q *quick) Forward(context.Context, *exchange.Request) (*exchange.Response, error) {
	q.n.Add(1)
	h := exchange.Fields{}
	for name, values := range q.fields {
		h[name] = values
	}
	return &exchange.Response{Status: 200, Header: h, Body: io.NopCloser(nothingMore{}), Length: 0}, nil
}

type nothingMore struct{}

func (nothingMore) Read([]byte) (int, error) { return 0, io.EOF }

func BenchmarkMissThatIsNotKept(b *testing.B) {
	h := newHouse(b)
	r := with(browser...).request()
	q := &quick{fields: exchange.Fields{"Cache-Control": {"private"}}}
	b.ReportAllocs()
	for b.Loop() {
		response, _, err := h.Serve(context.Background(), r, "", q)
		if err != nil {
			b.Fatal(err)
		}
		response.Body.Close()
	}
}
