package httpcache_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/httpcache"
)

// settled counts what is stored once the store has made room.
func (h *house) settled(targets int) (stored int) {
	h.Settle()
	for i := range targets {
		if g := h.get(fmt.Sprintf("/%d", i), "Cache-Control", "only-if-cached"); g.err == nil {
			stored++
		}
	}
	return stored
}

func TestStoredAnswersStayWithinTheirBytes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *httpcache.Options) { o.MaxSize, o.MaxObject = 1<<20, 100<<10 })
	h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60"}, body: strings.Repeat("x", 10<<10)})
	for i := range 1000 {
		h.get(fmt.Sprintf("/%d", i))
	}
	if n := h.settled(1000); n < 80 || n > 102 {
		t.Errorf("%d answers of 10 KiB are in a cache of 1 MiB", n)
	}
	h.Change(httpcache.Settings{MaxSize: 300 << 10, MaxObject: 100 << 10})
	if n := h.settled(1000); n < 20 || n > 30 {
		t.Errorf("%d after it was made smaller", n)
	}
}

func TestWhatIsAskedForOftenOutlivesAFlood(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *httpcache.Options) { o.MaxSize = 1 << 20 })
	h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=3600"}, body: strings.Repeat("x", 10<<10)})
	for range 20 {
		for i := range 40 {
			h.get(fmt.Sprintf("/hot/%d", i))
		}
		h.Settle()
	}
	for i := range 2000 { // a crawler comes by, while others go on
		h.get(fmt.Sprintf("/cold/%d", i))
		h.get(fmt.Sprintf("/hot/%d", rand.IntN(40)))
		if i%20 == 0 {
			h.Settle()
		}
	}
	stored := 0
	for i := range 40 {
		if g := h.get(fmt.Sprintf("/hot/%d", i), "Cache-Control", "only-if-cached"); g.err == nil {
			stored++
		}
	}
	if stored < 36 {
		t.Errorf("%d of 40 that are asked for often are left", stored)
	}
}

func TestVariantsOfOneResourceAreBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *httpcache.Options) { o.MaxSize = 64 << 20 })
	h.origin.always("Cache-Control", "max-age=60", "Vary", "User-Agent")
	for i := range 200 {
		h.get("/a", "User-Agent", fmt.Sprint(i))
	}
	if n := h.Purge(httpcache.Purge{All: true}); n > 32 {
		t.Errorf("%d variants", n)
	}
}

func TestAStoredAnswerIsOneCopyForAllItsReaders(t *testing.T) {
	h := newHouse(t, func(o *httpcache.Options) { o.MaxSize, o.MaxObject = 64<<20, 16<<20 })
	h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60"}, body: strings.Repeat("x", 8<<20)})
	h.get("/a")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 1000 {
		response, _, err := h.Serve(t.Context(), call{}.request(), "", h.origin)
		if err != nil || response.Length != 8<<20 {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / 1000; each > 8<<10 {
		t.Errorf("a hit on 8 MiB takes %d bytes of memory", each)
	}
}
