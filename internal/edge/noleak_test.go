package edge_test

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/tollhouse/tollhouse/internal/edge"
)

// TestClientsThatLeaveAndPanicsLeaveNothingBehind is not parallel: it counts
// the program's goroutines, of which it leaves out those that were there before.
func TestClientsThatLeaveAndPanicsLeaveNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	const callers, calls = 5, 8
	each := func(call func(caller int)) {
		var group sync.WaitGroup
		for caller := range callers {
			group.Go(func() {
				for range calls {
					call(caller)
				}
			})
		}
		group.Wait()
	}
	ask := func(ctx context.Context, t *testing.T, h *house, caller int) {
		request, err := http.NewRequestWithContext(ctx, "GET", h.url+"/v1/ner/", nil)
		if err != nil {
			t.Error(err)
			return
		}
		request.Header.Set("X-Api-Key", h.key)
		request.Header.Set("X-Caller", strconv.Itoa(caller))
		if response, err := transport.RoundTrip(request); err == nil {
			response.Body.Close()
			t.Errorf("a request that can have no answer has %s", response.Status)
		}
		<-h.seen // so that no more are under way than the quota has room for
	}
	nothingHeld := func(t *testing.T, h *house) {
		t.Helper()
		if words, flight := h.holds(); words != 0 || flight != 0 {
			t.Errorf("%d words and %d calls are still held", words, flight)
		}
	}
	t.Run("clients that leave", func(t *testing.T) {
		var leaving [callers]chan context.CancelFunc
		for i := range leaving {
			leaving[i] = make(chan context.CancelFunc, 1)
		}
		h := reserving(t, func(_ http.ResponseWriter, r *http.Request) {
			caller, err := strconv.Atoi(r.Header.Get("X-Caller"))
			if err != nil {
				t.Error(err)
				return
			}
			(<-leaving[caller])()
			<-r.Context().Done()
		})
		each(func(caller int) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			leaving[caller] <- leave
			ask(ctx, t, h, caller)
		})
		nothingHeld(t, h)
	})
	t.Run("panics", func(t *testing.T) {
		h := reserving(t, func(http.ResponseWriter, *http.Request) {})
		h.chain.Switch(edge.Backends{"ner": breaks{}})
		each(func(caller int) { ask(t.Context(), t, h, caller) })
		nothingHeld(t, h)
	})
	transport.CloseIdleConnections()
	goleak.VerifyNone(t, before)
}
