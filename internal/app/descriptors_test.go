package app

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFilesAreSharedOutWithAReserve(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit, asked, perAddress int
		want                     descriptors
	}{
		{64, 0, 0, descriptors{clients: 19, upstreams: 13, perAddress: 4}},
		{1024, 0, 0, descriptors{clients: 537, upstreams: 359, perAddress: 134}},
		{20_000, 0, 50, descriptors{clients: 11_692, upstreams: 7796, perAddress: 50}},
		{1 << 20, 0, 0, descriptors{clients: 20_000, upstreams: 1<<20 - 512 - 20_000, perAddress: 5000}},
		{1024, 500, 0, descriptors{clients: 500, upstreams: 396, perAddress: 125}},
	} {
		if got := shareOut(c.limit, c.asked, c.perAddress); got != c.want {
			t.Errorf("%d files, %d asked: %+v, want %+v", c.limit, c.asked, got, c.want)
		}
	}
	if got := shareOut(1024, 5000, 0); got.clients != 892 || !strings.Contains(got.warning, "5000") || !strings.Contains(got.warning, "1024") {
		t.Errorf("more than there are files: %+v", got)
	}
}

func TestWhatIsSharedOutIsThere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(64, 1<<20).Draw(t, "limit")
		d := shareOut(limit, rapid.IntRange(0, 1<<20).Draw(t, "asked"), 0)
		if d.clients < 1 || d.upstreams < leastUpstream || d.clients+d.upstreams+leastReserve > limit {
			t.Fatalf("of %d files: %+v", limit, d)
		}
	})
}
