package httpcache_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

func TestPartsAreMadeOfWhatIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		modified := httpTime(time.Now().Add(-time.Hour))
		h.origin.next(&reply{body: "0123456789", fields: []string{
			"Cache-Control", "max-age=60", "ETag", `"v1"`, "Last-Modified", modified, "Content-Type", "video/x", "Tollhouse-Usage", "words=3",
		}})
		h.get("/a")
		for _, c := range []struct {
			fields       []string
			status       int
			body, ranged string
		}{
			{[]string{"Range", "bytes=2-4"}, 206, "234", "bytes 2-4/10"},
			{[]string{"Range", "bytes=-3"}, 206, "789", "bytes 7-9/10"},
			{[]string{"Range", "bytes=0-"}, 206, "0123456789", "bytes 0-9/10"},
			{[]string{"Range", "bytes=0-1,4-5"}, 200, "0123456789", ""},
			{[]string{"Range", "lines=1-2"}, 200, "0123456789", ""},
			{[]string{"If-Range", `"v0"`}, 200, "0123456789", ""},
			{[]string{"Range", "bytes=2-4", "If-Range", `"v1"`}, 206, "234", "bytes 2-4/10"},
			{[]string{"Range", "bytes=2-4", "If-Range", `"v0"`}, 200, "0123456789", ""},
			{[]string{"Range", "bytes=99-", "If-Range", `"v0"`}, 200, "0123456789", ""},
			{[]string{"Range", "bytes=2-4", "If-Range", modified}, 206, "234", "bytes 2-4/10"},
		} {
			g := h.get("/a", c.fields...)
			if g.status != c.status || g.body != c.body || g.header.Get("Content-Range") != c.ranged || g.result.Word != "hit" || !g.result.Cached {
				t.Errorf("%q: %v %q, want %d %q %q", c.fields, g, g.header.Get("Content-Range"), c.status, c.body, c.ranged)
			}
			if g.header.Get("ETag") != `"v1"` || g.header.Get("Content-Type") != "video/x" || g.header.Get("Tollhouse-Usage") != "words=3" {
				t.Errorf("%q: fields %v", c.fields, g.header)
			}
		}
		var outside *exchange.RangeError
		if g := h.get("/a", "Range", "bytes=10-"); !errors.As(g.err, &outside) || outside.Whole != 10 {
			t.Errorf("a part behind the end: %v", g)
		}
		if h.origin.count() != 1 {
			t.Errorf("the service was asked %d times", h.origin.count())
		}
	})
}

func TestAServiceCanForbidParts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.origin.next(&reply{body: "0123456789", fields: []string{"Cache-Control", "max-age=60", "Accept-Ranges", "none"}})
	h.get("/a")
	if g := h.get("/a", "Range", "bytes=2-4"); g.status != 200 || g.body != "0123456789" {
		t.Error(g)
	}
}

// A stale answer may be used while it is fetched anew; what is fetched is the
// whole, and a part behind the old one's end may be there in the new one.
func TestAPartOfAStaleAnswerBringsTheWholeOneAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.next(&reply{body: "0123456789", fields: []string{"Cache-Control", "max-age=60, stale-while-revalidate=600"}})
		h.get("/a")
		time.Sleep(2 * time.Minute)
		if g := h.get("/a", "Range", "bytes=10-"); g.err != nil || h.origin.last().Header.Get("Range") != "bytes=10-" {
			t.Errorf("a part behind the end of a stale answer: %v", g)
		}
		if g := h.get("/a", "Range", "bytes=2-4", "If-Range", ""); g.status != 206 || g.body != "234" || g.result.Word != "stale" {
			t.Error(g)
		}
		synctest.Wait()
		if last := h.origin.last(); h.origin.count() != 3 || last.Header.Get("Range") != "" {
			t.Errorf("asked %d times, at last with %v", h.origin.count(), last.Header)
		}
		if g := h.get("/a"); g.result.Word != "hit" || !strings.Contains(g.cacheStatus(), "ttl=60") {
			t.Error(g)
		}
	})
}
