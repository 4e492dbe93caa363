package httpcache_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/httpcache"
)

func TestARefreshThatIsTooLargeOrNotKeptIsLetGo(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string][]string{"too large": {"Cache-Control", "max-age=60"}, "not kept": {"Cache-Control", "no-store"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *httpcache.Options) { o.MaxObject = 1000 })
				h.origin.always("Cache-Control", "max-age=1, stale-while-revalidate=60")
				h.get("/a")
				time.Sleep(2 * time.Second)
				h.origin.next(&reply{fields: fields, body: strings.Repeat("x", 2000), chunked: true})
				h.get("/a")
				synctest.Wait() // the house looks for bodies that were left open
			})
		})
	}
}

func TestStaleWhileRevalidateFetchesOnceInTheBackground(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=1, stale-while-revalidate=60", "ETag", `"v1"`}, body: "old"})
		h.get("/a")
		time.Sleep(2 * time.Second)
		h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60", "ETag", `"v2"`}, body: "new", after: 5 * time.Second})
		for range 10 {
			began := time.Now()
			if g := h.get("/a"); g.body != "old" || g.result.Word != "stale" || !g.result.Cached || time.Since(began) != 0 {
				t.Errorf("%v after %v, want the old one at once", g, time.Since(began))
			}
		}
		time.Sleep(6 * time.Second)
		if g := h.get("/a"); g.body != "new" || g.result.Word != "hit" {
			t.Errorf("later: %v", g)
		}
		if h.origin.count() != 2 || h.origin.last().Header.Get("If-None-Match") != `"v1"` {
			t.Errorf("asked %d times, at last for %q", h.origin.count(), h.origin.last().Header.Get("If-None-Match"))
		}
	})
}

func TestAFailedRefreshKeepsTheOldAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=1, stale-while-revalidate=60"}, body: "old"})
		h.get("/a")
		for _, bad := range []*reply{{err: failure(502)}, {status: 503}} {
			time.Sleep(2 * time.Second)
			h.origin.next(bad)
			h.get("/a")
			synctest.Wait()
			if g := h.get("/a"); g.body != "old" {
				t.Errorf("after %+v: %v", bad, g)
			}
			synctest.Wait()
		}
	})
}

func TestARefreshIsNotWhatItsClientWantsForItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.always("Cache-Control", "max-age=1, stale-while-revalidate=60")
		h.get("/a")
		time.Sleep(2 * time.Second)
		h.origin.always("Cache-Control", "max-age=60")
		h.get("/a", "Cache-Control", "no-store")
		synctest.Wait()
		if g := h.get("/a"); g.result.Word != "hit" || g.body != "answer 2" {
			t.Errorf("%v, want the refreshed one stored", g)
		}
	})
}
