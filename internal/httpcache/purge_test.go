package httpcache_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/httpcache"
)

func TestPurgeForgetsWhatItNamesAndNothingElse(t *testing.T) {
	t.Parallel()
	stored := []string{"/items", "/items?page=2", "/items/1", "/items/2", "/itemsother", "/", "other.example/items"}
	for _, c := range []struct {
		purge httpcache.Purge
		gone  string // positions in stored
	}{
		{httpcache.Purge{URL: "/shop/items"}, "0 6"},
		{httpcache.Purge{URL: "https://shop.example/shop/items"}, "0"},
		{httpcache.Purge{URL: "http://SHOP.example/shop/items?page=2"}, "1"},
		{httpcache.Purge{URL: "/items"}, ""},
		{httpcache.Purge{URL: "/shop"}, "5"},
		{httpcache.Purge{URL: "/shop/"}, "5"},
		{httpcache.Purge{URL: "https://nobody.example/shop/items"}, ""},
		{httpcache.Purge{Prefix: "/shop/items/"}, "2 3"},
		{httpcache.Purge{Prefix: "https://shop.example/shop/items"}, "0 1 2 3 4"},
		{httpcache.Purge{Tag: "item-2"}, "3"},
		{httpcache.Purge{Tag: "all items"}, "0 1 2 3 4 5 6"},
		{httpcache.Purge{Tag: "item"}, ""},
		{httpcache.Purge{All: true}, "0 1 2 3 4 5 6"},
		{httpcache.Purge{}, ""},
	} {
		t.Run(fmt.Sprintf("%+v", c.purge), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *httpcache.Options) { o.Prefix = "/shop" })
				calls := make([]call, len(stored))
				for i, s := range stored {
					calls[i].target = s
					if host, path, ok := strings.Cut(s, "/"); ok && host != "" {
						calls[i].host, calls[i].target = host, "/"+path
					}
					h.origin.always("Cache-Control", "max-age=60", "Surrogate-Key", fmt.Sprintf("x item-%d", i-1), "Cache-Tag", "y, all items")
					if g := h.do(calls[i]); g.header.Get("Surrogate-Key") != "" || g.header.Get("Cache-Tag") != "y, all items" {
						t.Errorf("the client sees Surrogate-Key %q, Cache-Tag %q", g.header.Get("Surrogate-Key"), g.header.Get("Cache-Tag"))
					}
				}
				n := h.Purge(c.purge)
				var gone []string
				for i := range stored {
					one := calls[i]
					one.fields = []string{"Cache-Control", "only-if-cached"}
					if g := h.do(one); g.err != nil {
						gone = append(gone, fmt.Sprint(i))
					} else if g.header.Get("Surrogate-Key") != "" {
						t.Error("a stored answer shows its Surrogate-Key")
					}
				}
				if strings.Join(gone, " ") != c.gone || n != len(gone) {
					t.Errorf("forgot %v and said %d, want %q", gone, n, c.gone)
				}
			})
		})
	}
}

func TestPurgeReachesEveryVariantAndEveryCustomer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.always("Cache-Control", "s-maxage=60", "Vary", "Accept")
		for _, c := range []call{{customer: "a"}, {customer: "b"}, with("Accept", "x"), with("Accept", "y")} {
			h.do(c)
		}
		if n := h.Purge(httpcache.Purge{URL: "/a"}); n != 4 {
			t.Errorf("forgot %d, want 4", n)
		}
	})
}

func TestAPurgeLeavesOtherAnswersOfCustomers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.always("Cache-Control", "s-maxage=60")
		h.do(call{customer: "a"})
		h.Purge(httpcache.Purge{Tag: "another"})
		if g := h.do(call{customer: "a"}); !g.result.Cached {
			t.Errorf("a purge of something else forgot it: %v", g)
		}
	})
}

func TestAClosedCacheLetsRequestsPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.get("/a")
		h.Close()
		for range 2 {
			if g := h.get("/a"); g.err != nil || g.result.Cached {
				t.Errorf("%v", g)
			}
		}
	})
}

func TestWhatWasAskedForBeforeAPurgeIsNotStoredAfterIt(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]func(*house){
		"purge":  func(h *house) { h.Purge(httpcache.Purge{URL: "/a"}) },
		"POST":   func(h *house) { h.origin.always(); h.do(call{method: "POST"}) },
		"by tag": func(h *house) { h.Purge(httpcache.Purge{Tag: "t"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60", "Cache-Tag", "t"}, body: "old", after: 2 * time.Second})
				go h.do(call{})
				time.Sleep(time.Second)
				forget(h)
				h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60"}, body: "new", after: 5 * time.Second})
				if g := h.do(call{}); g.body != "new" {
					t.Errorf("who came after it got %v", g)
				}
				if g := h.do(call{}); g.body != "new" || !g.result.Cached {
					t.Errorf("stored: %v", g)
				}
			})
		})
	}
}

func TestTagsReachACacheInFrontWhereThereIsOne(t *testing.T) {
	t.Parallel()
	for _, pass := range []bool{false, true} {
		h := newHouse(t, func(o *httpcache.Options) { o.PassTags = pass })
		h.origin.always("Cache-Control", "max-age=60", "Surrogate-Key", "item-42")
		for _, target := range []string{"/a", "/a"} { // from the service, and from what is stored
			if g := h.get(target); (g.header.Get("Surrogate-Key") == "item-42") != pass {
				t.Errorf("pass %v: %v, tags %q", pass, g, g.header.Get("Surrogate-Key"))
			}
		}
		h.origin.always("Cache-Control", "private", "Surrogate-Key", "item-42")
		if g := h.get("/b"); (g.header.Get("Surrogate-Key") == "item-42") != pass {
			t.Errorf("pass %v, not stored: %v", pass, g)
		}
	}
}
