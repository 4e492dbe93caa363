package edge_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/httpcache"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// openCached starts a front before a service with a cache.
func openCached(t *testing.T, handler http.HandlerFunc, counts bool) *house {
	t.Helper()
	h := open(t, handler, func(s *toll.Service) { s.Cache = toll.Cache{MaxSize: 1 << 20, MaxObject: 1 << 16, Counts: counts} })
	cache, err := httpcache.New(httpcache.Options{Settings: httpcache.Settings{MaxSize: 1 << 20, MaxObject: 1 << 16}, Prefix: "/v1/ner"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Close)
	h.chain.SwitchCaches(edge.Caches{"ner": cache})
	return h
}

func TestAHitIsRecordedLimitedAndNotForwarded(t *testing.T) {
	t.Parallel()
	for _, counts := range []bool{true, false} {
		var asked atomic.Int64
		h := openCached(t, func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Cache-Control", "public, max-age=60")
			w.Header().Set("Tollhouse-Usage", "words=3")
			w.Header().Set("Surrogate-Key", "a b")
			_, _ = w.Write([]byte("three small words"))
		}, counts)
		for i, word := range []string{"miss", "hit", "hit"} {
			response, body := h.call(t, "GET", "/v1/ner/text?x=1", "")
			if response.StatusCode != 200 || body != "three small words" || response.ContentLength != int64(len(body)) {
				t.Fatalf("call %d: %s %q", i, response.Status, body)
			}
			if response.Header.Get("Tollhouse-Usage") != "" || response.Header.Get("Surrogate-Key") != "" {
				t.Errorf("call %d: the client sees what is not its own: %v", i, response.Header)
			}
			if response.Header.Get("X-Request-Id") == "" || response.Header.Get("RateLimit") == "" {
				t.Errorf("call %d: fields are missing: %v", i, response.Header)
			}
			if got := response.Header.Get("Cache-Status"); strings.Contains(got, "hit") != (word == "hit") {
				t.Errorf("call %d: Cache-Status %q", i, got)
			}
			seen := <-h.seen
			if seen.Cache != word || (seen.UpstreamTime > 0) != (word == "miss") {
				t.Errorf("call %d: seen as %q with %s of the upstream's time", i, seen.Cache, seen.UpstreamTime)
			}
		}
		if response, _ := h.call(t, "GET", "/v1/ner/text?x=1", ""); response.StatusCode != 429 {
			t.Errorf("the fourth of three a minute: %s, want 429 for a hit too", response.Status)
		}
		if asked.Load() != 1 {
			t.Errorf("the service was asked %d times", asked.Load())
		}
		events := h.recorder.Events()
		if len(events) != 3 {
			t.Fatalf("%d events, want 3", len(events))
		}
		for i, e := range events {
			want := toll.Chargeable
			if i > 0 && !counts {
				want = toll.NotBillable
			}
			if e.Class != want || e.BytesOut != 17 || len(e.Units) != 1 || e.Units[0].Count != 3 {
				t.Errorf("counts %v, event %d: %+v", counts, i, e)
			}
		}
	}
}

func TestOnlyIfCachedIsAProblemOfItsOwn(t *testing.T) {
	t.Parallel()
	h := openCached(t, func(http.ResponseWriter, *http.Request) { t.Error("the service was asked") }, true)
	response, body := h.call(t, "GET", "/v1/ner/text", "", "Cache-Control", "only-if-cached")
	problemOf(t, response, body, 504, "not-stored")
	if events := h.recorder.Events(); len(events) != 1 || events[0].Class != toll.NotBillable {
		t.Errorf("events: %+v", events)
	}
}

func TestA304AndAHeadFromTheCacheHaveNoBody(t *testing.T) {
	t.Parallel()
	h := openCached(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Set("ETag", `"v1"`)
		_, _ = w.Write([]byte("body"))
	}, true)
	h.call(t, "GET", "/v1/ner/text", "")
	response, body := h.call(t, "GET", "/v1/ner/text", "", "If-None-Match", `"v1"`)
	if response.StatusCode != 304 || body != "" || response.Header.Get("Content-Length") != "" || response.Header.Get("ETag") != `"v1"` {
		t.Errorf("%s %q %v", response.Status, body, response.Header)
	}
	response, body = h.call(t, "HEAD", "/v1/ner/text", "")
	if response.StatusCode != 200 || body != "" || response.Header.Get("Content-Length") != "4" || !strings.Contains(response.Header.Get("Cache-Status"), "hit") {
		t.Errorf("%s %q %v", response.Status, body, response.Header)
	}
}

// A slow answer is shared by many real clients, and each has its own event.
func TestManyClientsShareOneAnswerAndEachIsRecorded(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	entered, release := make(chan struct{}, 3), make(chan struct{})
	h := openCached(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		entered <- struct{}{}
		<-release
		w.Header().Set("Cache-Control", "public, max-age=60")
		_, _ = w.Write([]byte("body"))
	}, true)
	got := make(chan string, 3)
	for range 3 {
		request, err := http.NewRequest("GET", h.url+"/v1/ner/slow", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+h.key)
		go func() {
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				got <- err.Error()
				return
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			got <- string(body)
		}()
	}
	<-entered
	close(release)
	for range 3 {
		if body := <-got; body != "body" {
			t.Errorf("got %q", body)
		}
		<-h.seen
	}
	if asked.Load() != 1 || len(h.recorder.Events()) != 3 {
		t.Errorf("the service was asked %d times, %d events", asked.Load(), len(h.recorder.Events()))
	}
}

func TestAPartFromTheCacheCountsLikeTheWholeAndOneBehindTheEndForNothing(t *testing.T) {
	t.Parallel()
	h := openCached(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Set("Tollhouse-Usage", "words=3")
		_, _ = w.Write([]byte("0123456789"))
	}, true)
	h.call(t, "GET", "/v1/ner/text", "")
	response, body := h.call(t, "GET", "/v1/ner/text", "", "Range", "bytes=2-4")
	if response.StatusCode != 206 || body != "234" || response.ContentLength != 3 || response.Header.Get("Content-Range") != "bytes 2-4/10" {
		t.Errorf("%s %q %v", response.Status, body, response.Header)
	}
	response, body = h.call(t, "GET", "/v1/ner/text", "", "Range", "bytes=10-")
	problemOf(t, response, body, 416, "range-outside")
	if response.Header.Get("Content-Range") != "bytes */10" {
		t.Errorf("Content-Range %q", response.Header.Get("Content-Range"))
	}
	events := h.recorder.Events()
	if len(events) != 3 {
		t.Fatalf("%d events, want 3", len(events))
	}
	if e := events[1]; e.Class != toll.Chargeable || e.Status != 206 || e.BytesOut != 3 || len(e.Units) != 1 || e.Units[0].Count != 3 {
		t.Errorf("the part: %+v", e)
	}
	if e := events[2]; e.Class != toll.NotBillable || e.Status != 416 {
		t.Errorf("the part behind the end: %+v", e)
	}
}
