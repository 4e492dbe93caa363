package edge_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// much writes more than lies between a service and a client that is gone: the
// gateway cannot have handed it all over without noticing.
func much(w http.ResponseWriter, pieces int) (whole bool) {
	piece := make([]byte, 1<<20)
	for range pieces {
		if _, err := w.Write(piece); err != nil {
			return false
		}
	}
	return true
}

// leftAlone sends a call over a protocol, takes the beginning of the answer and
// leaves; it returns what the gateway saw of it, and its event.
func (s *secured) leftAlone(t *testing.T, protocol string) (edge.Seen, toll.Event) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	request, err := http.NewRequestWithContext(ctx, "POST", "https://"+secureHost+"/v1/ner/extractions", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Api-Key", s.key)
	response, err := s.client(t, protocol).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := response.Body.Read(make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	leave()
	response.Body.Close()
	seen := <-s.seen
	events := s.recorder.Events()
	if len(events) != 1 {
		t.Fatalf("%d events, want 1", len(events))
	}
	return seen, events[0]
}

// TestAClientThatLeavesInTheMiddlePaysWhatTheCallCost is about units that come
// in a trailer, where they were reserved (ADR 0007).
func TestAClientThatLeavesInTheMiddlePaysWhatTheCallCost(t *testing.T) {
	t.Parallel()
	const nothing = -1
	begin := func(w http.ResponseWriter) {
		_, _ = w.Write([]byte("part"))
		_ = http.NewResponseController(w).Flush()
	}
	say := func(w http.ResponseWriter, words string) {
		w.Header().Set(http.TrailerPrefix+"Tollhouse-Usage", "words="+words)
	}
	for name, c := range map[string]struct {
		bounds edge.ReadOn
		serve  http.HandlerFunc
		class  toll.Class
		words  int64 // of its event; nothing: it has no such unit
	}{
		"the rest is read to its end": {edge.ReadOn{}, func(w http.ResponseWriter, _ *http.Request) {
			begin(w)
			much(w, 16)
			say(w, "37")
		}, toll.Chargeable, 37},
		"more than was reserved": {edge.ReadOn{}, func(w http.ResponseWriter, _ *http.Request) {
			begin(w)
			much(w, 16)
			say(w, "170")
		}, toll.Chargeable, 170},
		"its end says nothing": {edge.ReadOn{}, func(w http.ResponseWriter, _ *http.Request) {
			begin(w)
			much(w, 16)
		}, toll.Chargeable, nothing},
		"a rest that is too large": {edge.ReadOn{Bytes: 1 << 20}, func(w http.ResponseWriter, _ *http.Request) {
			begin(w)
			for much(w, 1) {
			}
			say(w, "37")
		}, toll.Chargeable, 100},
		"a rest that does not come": {edge.ReadOn{For: time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
			begin(w)
			<-r.Context().Done()
			say(w, "37")
		}, toll.Chargeable, 100},
		"said at the beginning": {edge.ReadOn{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Tollhouse-Usage", "words=12")
			begin(w)
			<-r.Context().Done() // at once: there is nothing to wait for
		}, toll.Chargeable, 12},
		"the service breaks off": {edge.ReadOn{}, func(w http.ResponseWriter, _ *http.Request) {
			begin(w)
			much(w, 16)
			panic(http.ErrAbortHandler)
		}, toll.NotBillable, nothing},
		"the service fails": {edge.ReadOn{Bytes: 1 << 20}, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			begin(w)
			for much(w, 1) {
			}
		}, toll.NotBillable, 100}, // of its event, and of no quota or bill
	} {
		for _, protocol := range []string{"http/1.1", "h2"} {
			t.Run(name+" over "+protocol, func(t *testing.T) {
				t.Parallel()
				s := secure(t, reserving(t, c.serve))
				s.chain.ReadOn = c.bounds
				seen, event := s.leftAlone(t, protocol)
				words := int64(nothing)
				for _, u := range event.Units {
					if u.Unit == "words" {
						words = u.Count
					}
				}
				if event.Class != c.class || words != c.words || seen.Delivered {
					t.Errorf("its event is %s with %d words, delivered %v; want %s with %d", event.Class, words, seen.Delivered, c.class, c.words)
				}
				want := max(0, c.words)
				if c.class != toll.Chargeable {
					want = 0
				}
				if words, flight := s.holds(); words != want || flight != 0 {
					t.Errorf("%d words are used and %d calls in flight afterwards, want %d and 0", words, flight, want)
				}
				if kept := c.words == 100; seen.KeptReserved != kept {
					t.Errorf("the log says that the reservation was kept: %v, want %v", seen.KeptReserved, kept)
				}
				if event.BytesOut > 20<<20 {
					t.Errorf("%d bytes went out", event.BytesOut)
				}
			})
		}
	}
}

func TestNothingIsReadOnWhereNothingIsReserved(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*house){
		"a cost without a reservation": func(h *house) {
			h.limited.Costs = map[string]toll.Cost{"": {Rate: 1, Uses: []toll.Amount{{Unit: "credits", Count: 5}}}}
		},
		"no cost": func(h *house) { h.limited.Costs = nil },
	} {
		ended := make(chan struct{})
		h := reserving(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("part"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done() // the client is gone, and so is the call
			close(ended)
		})
		change(h)
		h.limit(t, toll.Policy{Name: "words", Kind: toll.Quota, Unit: "words", Count: 1000, Every: toll.Monthly})
		_, event := secure(t, h).leftAlone(t, "http/1.1")
		<-ended
		if event.Class != toll.Chargeable || event.Units != nil && event.Units[0].Unit == "words" {
			t.Errorf("%s: its event is %+v", name, event)
		}
	}
}

// TestAStreamKeepsItsReservationWhenItsTimeIsOver is beside the stream that the
// gateway ends for its own sake: that one is not held against the customer.
func TestAStreamKeepsItsReservationWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit time.Duration
		end   func(*house)
		words int64
	}{
		"all its time": {50 * time.Millisecond, func(*house) {}, 100},
		"the program ends": {0, func(h *house) {
			if err := h.chain.EndStreams(context.Background()); err != nil {
				t.Error(err)
			}
		}, 0},
	} {
		h := reserving(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = w.Write([]byte("data: part\n\n"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, func(s *toll.Service) { s.Timeouts.Stream = c.limit })
		request, err := http.NewRequest("GET", h.url+"/v1/ner/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Api-Key", h.key)
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := response.Body.Read(make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		c.end(h)
		<-h.seen
		response.Body.Close()
		if words, flight := h.holds(); words != c.words || flight != 0 {
			t.Errorf("%s: %d words and %d calls are held, want %d and 0", name, words, flight, c.words)
		}
	}
}

func TestWhatIsReservedForTheBillAloneIsPaidToo(t *testing.T) {
	t.Parallel()
	h := reserving(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("part"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	h.limit(t) // pay as you go: no quota holds anything
	h.chain.ReadOn = edge.ReadOn{For: time.Millisecond}
	_, event := secure(t, h).leftAlone(t, "h2")
	if len(event.Units) != 1 || event.Units[0] != (toll.Amount{Unit: "words", Count: 100}) || event.Class != toll.Chargeable {
		t.Errorf("its event is %s with %v, want the 100 words", event.Class, event.Units)
	}
}
