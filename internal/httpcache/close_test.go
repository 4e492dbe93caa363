package httpcache_test

import (
	"context"
	"sync"
	"testing"

	"github.com/tollhouse/tollhouse/internal/httpcache"
)

// TestClosesWhileRequestsBegin is for the race detector, and for a WaitGroup
// that panics when it is used again while somebody waits.
func TestClosesWhileRequestsBegin(t *testing.T) {
	t.Parallel()
	for range 2000 {
		cache, err := httpcache.New(httpcache.Options{Settings: httpcache.Settings{MaxSize: 1 << 20, MaxObject: 1 << 16}})
		if err != nil {
			t.Fatal(err)
		}
		o := newHouse(t).origin
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				response, _, err := cache.Serve(context.Background(), call{}.request(), "", o)
				if err == nil {
					_ = response.Body.Close()
				}
			})
		}
		cache.Close()
		all.Wait()
	}
}
