package httpcache_test

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/httpcache"
)

func TestAConditionalMissFillsTheCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60", "ETag", `"v1"`}, body: "whole", slow: time.Second})
		if g := h.get("/a", "If-None-Match", `"v1"`); g.status != 304 || g.body != "" {
			t.Errorf("%v, want 304", g)
		}
		time.Sleep(10 * time.Second)
		if g := h.get("/a"); g.result.Word != "hit" || g.body != "whole" {
			t.Errorf("then: %v", g)
		}
	})
}

func TestAClientsConditionReachesAServiceWhoseAnswersAreNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.always("ETag", `"v1"`)
		if g := h.get("/a", "If-None-Match", `"v1"`); g.status != 304 {
			t.Errorf("the first: %v, want 304", g)
		}
		h.origin.next(&reply{status: 304, fields: []string{"ETag", `"v1"`}})
		if g := h.get("/a", "If-None-Match", `"v1"`); g.status != 304 || h.origin.last().Header.Get("If-None-Match") == "" {
			t.Errorf("the second: %v, asked with %q", g, h.origin.last().Header.Get("If-None-Match"))
		}
	})
}

func TestUsageInATrailerIsToldAgainByAStoredAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.next(&reply{
			fields: []string{"Cache-Control", "max-age=60"}, body: "words", chunked: true,
			trailer: exchange.Fields{"Tollhouse-Usage": {"words=7"}},
		})
		response, _, err := h.Serve(t.Context(), call{}.request(), "", h.origin)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(response.Body); err != nil || response.Trailer.Get("Tollhouse-Usage") != "words=7" {
			t.Errorf("the first: %v, %v", response.Trailer, err)
		}
		response.Body.Close()
		if g := h.get("/a"); g.header.Get("Tollhouse-Usage") != "words=7" {
			t.Errorf("stored: %q", g.header.Get("Tollhouse-Usage"))
		}
	})
}

func TestWhatACallerDoesToItsHeadReachesNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.always("Cache-Control", "max-age=60", "Cache-Status", "inner; hit")
		for range 3 {
			g := h.get("/a")
			g.header.Set("X-Request-Id", "mine")
			g.header.Add("Cache-Control", "private")
			g.header.Add("Cache-Status", "mine")
		}
		h.origin.always("Cache-Control", "max-age=60", "X", "1", "X", "2", "X", "3")
		h.get("/many")
		one, two := h.get("/many"), h.get("/many")
		one.header.Add("X", "one")
		two.header.Add("X", "two")
		status := one.cacheStatus()
		one.header.Add("Age", "9")
		if one.cacheStatus() != status {
			t.Errorf("an added Age made Cache-Status %q", one.cacheStatus())
		}
		if last := one.header.Values("X")[3]; last != "one" {
			t.Errorf("another client's field reads %q", last)
		}
		g := h.get("/a")
		if g.header.Get("X-Request-Id") != "" || len(g.header.Values("Cache-Control")) != 1 || len(g.header.Values("Cache-Status")) != 2 {
			t.Errorf("the head has become %v", g.header)
		}
	})
}

func TestDefaultTTLIsForAnswersThatSayNothingAndAreNobodysOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		call   call
		fields []string
		status int
		stored bool
	}{
		{"says nothing", call{}, nil, 200, true},
		{"another status that may", call{}, nil, 404, true},
		{"a status that may not", call{}, nil, 403, false},
		{"a request with a cookie", with("Cookie", "session=1"), nil, 200, false},
		{"a customer's", customer("a"), nil, 200, false},
		{"says how long", call{}, []string{"Cache-Control", "max-age=0"}, 200, false},
		{"is private", call{}, []string{"Cache-Control", "private"}, 200, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *httpcache.Options) { o.DefaultTTL = time.Minute })
				h.origin.next(&reply{fields: c.fields, status: c.status, body: "x"})
				h.do(c.call)
				time.Sleep(59 * time.Second)
				if g := h.do(c.call); g.result.Cached != c.stored {
					t.Errorf("%v, want stored %v", g, c.stored)
				}
				time.Sleep(time.Second)
				h.Change(httpcache.Settings{MaxSize: 1 << 20, MaxObject: 1 << 10})
				if g := h.do(c.call); g.result.Cached {
					t.Errorf("after its time: %v", g)
				}
			})
		})
	}
}
