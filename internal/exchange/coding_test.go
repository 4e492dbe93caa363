package exchange_test

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
		if got := exchange.Negotiate([]string{c.accept}, allCodings); got != c.want {
			t.Errorf("%q: %q, want %q", c.accept, got, c.want)
		}
	}
	if got := exchange.Negotiate(nil, allCodings); got != "" {
		t.Errorf("without the field: %q, want none", got)
	}
	if got := exchange.Negotiate([]string{"br", "gzip"}, []toll.Coding{toll.Gzip, toll.Brotli}); got != toll.Gzip {
		t.Errorf("among equals in two fields: %q, want the first of the configuration", got)
	}
	if got := exchange.Negotiate([]string{"zstd, br"}, []toll.Coding{toll.Gzip}); got != "" {
		t.Errorf("what the service does not offer: %q, want none", got)
	}
}

func TestNegotiationAllocatesNothing(t *testing.T) {
	accept := []string{"gzip, deflate;q=0.5, br, zstd;q=0.9, *;q=0"}
	if n := testing.AllocsPerRun(1000, func() { exchange.Negotiate(accept, allCodings) }); n > 0 {
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
		got := exchange.Negotiate([]string{accept}, allCodings)
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
		if again := exchange.Negotiate([]string{accept, string(got) + ";q=0"}, allCodings); again == got {
			t.Fatalf("%q: chose %q though it is forbidden last", accept, got)
		}
		for _, weight := range exchange.Weighted([]string{accept}) {
			if weight < exchange.Unwanted || weight > exchange.Preferred {
				t.Fatalf("%q: weight %d", accept, weight)
			}
		}
	})
}
