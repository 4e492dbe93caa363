package edge

import (
	"slices"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

var allCodings = []toll.Coding{toll.Zstd, toll.Brotli, toll.Gzip}

func TestTheCodingIsTheOneThatTheClientLikesMost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accept string
		want   toll.Coding
	}{
		{"gzip, deflate, br, zstd", toll.Zstd},
		{"gzip, deflate, br", toll.Brotli},
		{"gzip", toll.Gzip},
		{"GZIP", toll.Gzip},
		{"x-gzip", toll.Gzip},
		{"gzip;q=1.0, zstd;q=0.9", toll.Gzip},
		{"gzip ; q=0.501 , zstd;\tQ=0.5", toll.Gzip},
		{"*", toll.Zstd},
		{"*;q=0.1, br;q=0.2", toll.Brotli},
		{"zstd;q=0, *", toll.Brotli},
		{"gzip;q=0.001", toll.Gzip},
		{"gzip, identity", toll.Gzip},
		{"gzip;q=0.5, identity;q=0.5", toll.Gzip},
		{"br;level=5;q=0.3", toll.Brotli},
		{"identity;q=0, gzip", toll.Gzip},

		{"", ""},
		{"identity", ""},
		{"gzip;q=0.5, identity", ""},
		{"gzip;q=0", ""},
		{"gzip;q=0.000", ""},
		{"*;q=0", ""},
		{"identity;q=0", ""}, // nothing that we have is left: as it is, rather than not at all
		{"deflate", ""},
		{"gzipped, zst, brotli", ""},
		{"gzip;q=1.001", ""},
		{"gzip;q=2", ""},
		{"gzip;q=-1", ""},
		{"gzip;q=.5", ""},
		{"gzip;q=0.5555", ""},
		{"gzip;q=", ""},
		{"gzip;q=1e0", ""},
		{"gzip;q=NaN", ""},
		{",;,;q=1,", ""},
	} {
		if got := negotiate([]string{c.accept}, allCodings); got != c.want {
			t.Errorf("%q: %q, want %q", c.accept, got, c.want)
		}
	}
	if got := negotiate(nil, allCodings); got != "" {
		t.Errorf("without the field: %q, want none", got)
	}
	if got := negotiate([]string{"br", "gzip"}, []toll.Coding{toll.Gzip, toll.Brotli}); got != toll.Gzip {
		t.Errorf("among equals in two fields: %q, want the first of the configuration", got)
	}
	if got := negotiate([]string{"zstd, br"}, []toll.Coding{toll.Gzip}); got != "" {
		t.Errorf("what the service does not offer: %q, want none", got)
	}
}

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

func TestNegotiationAllocatesNothing(t *testing.T) {
	accept := []string{"gzip, deflate;q=0.5, br, zstd;q=0.9, *;q=0"}
	if n := testing.AllocsPerRun(1000, func() { negotiate(accept, allCodings) }); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// Whatever a client sends: what is chosen was offered, and was neither
// forbidden nor left unsaid.
func FuzzNegotiationChoosesOnlyWhatWasAsked(f *testing.F) {
	for _, seed := range []string{
		"gzip, deflate, br, zstd", "*", "*;q=0", "gzip;q=0, *;q=0.5", "identity;q=0", "gzip;q=1.0000", ";;;,,,q=1",
		"gzip\x00", "g zip", "br;q=0.1;q=0.9", strings.Repeat("gzip;q=0.1,", 5000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		got := negotiate([]string{accept}, allCodings)
		if got == "" {
			return
		}
		if !slices.Contains(allCodings, got) {
			t.Fatalf("chose %q", got)
		}
		lower := strings.ToLower(accept)
		if !strings.Contains(lower, string(got)) && !strings.Contains(lower, "*") {
			t.Fatalf("%q: chose %q, which nobody asked for", accept, got)
		}
		if again := negotiate([]string{accept, string(got) + ";q=0"}, allCodings); again == got {
			t.Fatalf("%q: chose %q though it is forbidden last", accept, got)
		}
		for _, weight := range weighted([]string{accept}) {
			if weight < unwanted || weight > preferred {
				t.Fatalf("%q: weight %d", accept, weight)
			}
		}
	})
}
