package httpcache_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/httpcache"
)

// TestOneClientsWishIsNoHintToTheOthers: what is not kept for its own sake must
// not send everybody else to the service one by one.
func TestOneClientsWishIsNoHintToTheOthers(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string][]string{
		"no-store": {"Cache-Control", "no-store"},
		"a cookie": {"Cookie", "sid=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *httpcache.Options) { o.DefaultTTL = 5 * time.Second })
				h.origin.next(&reply{body: "the answer", after: time.Second})
				h.get("/a")                  // stored
				time.Sleep(10 * time.Second) // stale
				h.get("/a", fields...)       // asks, and is not kept
				time.Sleep(time.Second)
				before := h.origin.count()
				h.together(many(20, call{})...)
				if asked := h.origin.count() - before; asked != 1 {
					t.Errorf("the others asked %d times", asked)
				}
			})
		})
	}
}
