package edge_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// reserving has each call reserve 100 of 1,000 words.
func reserving(t *testing.T, handler http.HandlerFunc, change ...func(*toll.Service)) *house {
	t.Helper()
	var service toll.Service
	h := open(t, handler, append(change, func(s *toll.Service) {
		s.Costs = map[string]toll.Cost{"": {Reserve: []toll.Amount{{Unit: "words", Count: 100}}}}
		service = *s
	})...)
	h.limited = service
	h.limit(t,
		toll.Policy{Name: "words", Kind: toll.Quota, Unit: "words", Count: 1000, Every: toll.Monthly},
		toll.Policy{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: 100},
	)
	return h
}

// limit gives the plan of everybody other policies.
func (h *house) limit(t *testing.T, policies ...toll.Policy) {
	t.Helper()
	plan := toll.PlanVersion{ID: "free@1", Plan: toll.Plan{Name: "free", Includes: []string{"ner"}, Policies: policies}}
	if err := h.gate.Switch(gate.Rules{Services: []toll.Service{h.limited}, Plans: []toll.PlanVersion{plan}}); err != nil {
		t.Fatal(err)
	}
}

// holds are the words that are used or reserved, and the calls in flight.
func (h *house) holds() (words, flight int64) {
	for _, ls := range h.gate.LimitStates("cus_1", time.Now()) {
		switch ls.Policy.Name {
		case "words":
			words = ls.Used
		case "parallel":
			flight = ls.Used
		}
	}
	return words, flight
}

func TestWhatIsReservedIsInTheJournalBeforeTheServiceIsAsked(t *testing.T) {
	t.Parallel()
	var h *house
	var opened int
	var words int64
	h = reserving(t, func(w http.ResponseWriter, _ *http.Request) {
		opened = len(h.recorder.Opened())
		words, _ = h.holds()
		w.Header().Set("Tollhouse-Usage", "words=170")
	})
	h.call(t, "POST", "/v1/ner/extractions", "text")
	if opened != 1 || words != 100 {
		t.Errorf("while the service worked, the journal had %d open and %d words were used; want 1 and 100", opened, words)
	}
	if words, flight := h.holds(); words != 170 || flight != 0 {
		t.Errorf("%d words and %d calls in flight afterwards, want 170 and 0", words, flight)
	}
}

func TestAClientThatLeavesKeepsNothingReserved(t *testing.T) {
	t.Parallel()
	asked, gone := make(chan struct{}), make(chan struct{})
	h := reserving(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(gone)
	})
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", h.url+"/v1/ner/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Api-Key", h.key)
	go func() { <-asked; leave() }()
	if response, err := transport.RoundTrip(request); err == nil {
		response.Body.Close()
		t.Fatal("a client that left has an answer")
	}
	<-gone
	<-h.seen
	if words, flight := h.holds(); words != 0 || flight != 0 {
		t.Errorf("%d words and %d calls are still held", words, flight)
	}
}

// breaks is a backend that panics: nothing of ours may, and if it does the
// counters must not pay for it.
type breaks struct{}

func (breaks) Forward(context.Context, *exchange.Request) (*exchange.Response, error) {
	panic(errors.New("a mistake of ours"))
}

func TestAPanicBehindTheGateKeepsNothingReservedOrLeased(t *testing.T) {
	t.Parallel()
	h := reserving(t, func(http.ResponseWriter, *http.Request) {})
	h.chain.Switch(edge.Backends{"ner": breaks{}})
	for range 20 {
		request, err := http.NewRequest("GET", h.url+"/v1/ner/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Api-Key", h.key)
		if response, err := transport.RoundTrip(request); err == nil {
			response.Body.Close()
		}
		<-h.seen
	}
	if words, flight := h.holds(); words != 0 || flight != 0 {
		t.Errorf("%d words and %d calls are still held", words, flight)
	}
}
