package edge

import (
	"slices"
	"testing"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

func TestOnlyWhatGainsIsCompressed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		length int64
		fields []string
		want   bool
	}{
		{200, 1024, []string{"Content-Type", "application/json"}, true},
		{200, -1, []string{"Content-Type", "TEXT/HTML; charset=utf-8"}, true},
		{404, 5000, []string{"Content-Type", "application/problem+json"}, true},
		{200, 5000, []string{"Content-Type", "image/svg+xml", "Cache-Control", "public, max-age=60"}, true},
		{200, 5000, []string{"Content-Type", "application/json", "Cache-Control", `x="a,no-transforms"`}, true},

		{200, 1023, []string{"Content-Type", "application/json"}, false},
		{200, 0, []string{"Content-Type", "application/json"}, false},
		{200, 5000, nil, false},
		{200, 5000, []string{"Content-Type", "image/png"}, false},
		{200, 5000, []string{"Content-Type", "application/octet-stream"}, false},
		{200, -1, []string{"Content-Type", "text/event-stream; charset=utf-8"}, false},
		{200, 5000, []string{"Content-Type", "application/grpc"}, false},
		{200, 5000, []string{"Content-Type", "text/html", "Content-Encoding", "gzip"}, false},
		{200, 5000, []string{"Content-Type", "text/html", "Content-Encoding", "identity"}, false},
		{200, 5000, []string{"Content-Type", "text/html", "Cache-Control", "max-age=5, No-Transform"}, false},
		{200, 5000, []string{"Content-Type", "text/html", "Content-Digest", "sha-256=:AAAA:"}, false},
		{206, 5000, []string{"Content-Type", "text/html"}, false},
		{200, 5000, []string{"Content-Type", "text/html", "Content-Range", "bytes 0-4999/9000"}, false},
		{204, -1, []string{"Content-Type", "text/html"}, false},
		{304, -1, []string{"Content-Type", "text/html"}, false},
		{101, -1, []string{"Content-Type", "text/html"}, false},
	} {
		h := exchange.Fields{}
		for i := 0; i < len(c.fields); i += 2 {
			h.Set(c.fields[i], c.fields[i+1])
		}
		if got := compressible(c.status, h, c.length); got != c.want {
			t.Errorf("%d, %d bytes, %v: %v, want %v", c.status, c.length, c.fields, got, c.want)
		}
	}
}

func TestVaryNamesAFieldOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ have, want []string }{
		{nil, []string{"Accept-Encoding"}},
		{[]string{"Accept"}, []string{"Accept, Accept-Encoding"}},
		{[]string{"Accept", "Cookie"}, []string{"Accept, Cookie, Accept-Encoding"}},
		{[]string{"accept-encoding"}, []string{"accept-encoding"}},
		{[]string{"*"}, []string{"*"}},
	} {
		h := exchange.Fields{}
		if c.have != nil {
			h["Vary"] = c.have
		}
		vary(h, "Accept-Encoding")
		if got := h.Values("Vary"); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.have, got, c.want)
		}
	}
}
