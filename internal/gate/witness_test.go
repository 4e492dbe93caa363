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

func TestTheRefusalsOfACustomerAreItsOwnAndTheNewestFirst(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range 8 { // the quota is 5
		ask := h.ask()
		ask.RequestID, ask.Now = fmt.Sprintf("request-%d", i), ask.Now.Add(time.Duration(i)*time.Second)
		if h.Admit(&ask, &h.pass) == gate.Admitted {
			if _, err := h.pass.Record(&gate.Outcome{Status: 200, Answered: true}); err != nil {
				t.Fatal(err)
			}
			h.pass.Done()
		}
	}
	nobodys := h.ask()
	nobodys.RequestID, nobodys.Authorization = "request-6", "" // the same ID, of nobody
	h.Admit(&nobodys, &h.pass)

	var got []string
	for _, r := range h.Refusals(h.customer.ID, 2) {
		got = append(got, r.RequestID)
	}
	if fmt.Sprint(got) != "[request-7 request-6]" {
		t.Errorf("the newest two are %v", got)
	}
	if r, ok := h.RefusalOf(h.customer.ID, "request-6"); !ok || r.Customer != h.customer.ID || len(r.Findings) == 0 {
		t.Errorf("found %v, %+v", ok, r)
	}
	if _, ok := h.RefusalOf("cus_other", "request-6"); ok {
		t.Error("another customer finds it")
	}
	if n := len(h.Refusals("", 100)); n != 4 {
		t.Errorf("%d refusals of everybody, want 3 and nobody's", n)
	}
}
