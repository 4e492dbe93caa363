package gate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestRemembersWhyARequestWasRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ask := h.ask()
	for i := range 6 { // the quota is 5
		ask.RequestID = fmt.Sprintf("request-%d", i)
		if h.Admit(&ask, &h.pass) == gate.Admitted {
			if _, err := h.pass.Record(&gate.Outcome{Status: 200, Answered: true}); err != nil {
				t.Fatal(err)
			}
			h.pass.Done()
		}
	}
	if _, ok := h.Refusal("request-4"); ok {
		t.Error("a request that was admitted is among the refusals")
	}
	r, ok := h.Refusal("request-5")
	if !ok {
		t.Fatal("the refused request is not remembered")
	}
	if r.Reason != toll.RefusedLimit || r.Customer != h.customer.ID || r.Key != h.key.ID || r.Service != "ner" || r.Plan != "free" || !r.At.Equal(ask.Now) || len(r.Findings) != 3 {
		t.Errorf("remembered: %+v", r)
	}
	for _, f := range r.Findings {
		if said := f.Policy.Name == "monthly"; f.Refused != said || (f.RetryAfter > 0) != said {
			t.Errorf("policy %s: refused %v, retry after %s", f.Policy.Name, f.Refused, f.RetryAfter)
		}
	}
}

func TestAFloodOfRefusalsTakesBoundedMemoryAndDrivesOutItsOwn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range 100_000 {
		ask := h.ask()
		ask.RequestID, ask.Authorization, ask.Now = fmt.Sprintf("flood-%d", i), "", ask.Now.Add(time.Duration(i))
		h.Admit(&ask, &h.pass)
	}
	if _, ok := h.Refusal("flood-0"); ok {
		t.Error("the oldest of 100,000 refusals is still remembered: is there a bound?")
	}
	if _, ok := h.Refusal("flood-99999"); !ok {
		t.Error("the newest refusal is forgotten")
	}
}
