package main

import (
	"crypto/sha256"
	"time"

	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// ours is Tollhouse's: what is counted stands in the key's own record.
type ours struct {
	label    string
	set      *limit.Set
	identify bool
	ring     *apikey.Ring[*limit.State]
	states   []limit.State
}

// worker is what one goroutine has of its own, as a request has in the gate.
type worker struct {
	admission  limit.Admission
	last, none uint32 // of reads; none is always 0
}

// oneRate is what the peers can do; wholePlan what a plan has.
var (
	oneRate   = []toll.Policy{{Name: "minute", Kind: toll.RateLimit, Count: perMinute, Window: window}}
	wholePlan = []toll.Policy{
		{Name: "minute", Kind: toll.RateLimit, Count: perMinute, Window: window},
		{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: 1 << 40},
		{Name: "monthly", Kind: toll.Quota, Count: 1 << 60, Unit: toll.UnitRequests, Every: toll.Monthly},
	}
)

// newOurs makes one that decides only (the key was found before, as in the
// gate), or that identifies first: the key's text to its record.
func newOurs(label string, policies []toll.Policy, identify bool, texts *texts) (contender, error) {
	set, err := limit.Compile(policies, time.UTC)
	if err != nil {
		return nil, err
	}
	o := &ours{label: label, set: set, identify: identify, states: make([]limit.State, texts.len())}
	if identify {
		o.ring = apikey.NewRing[*limit.State]()
	}
	for i := range o.states {
		if identify {
			text := texts.at(i)
			o.ring.Put(toll.Key{ID: text[8:38], Hash: sha256.Sum256([]byte(text))}, &o.states[i])
		}
	}
	return o, nil
}

func (o *ours) name() string { return "**Tollhouse**: " + o.label }

func (o *ours) decide(w *worker, i int, text string, now time.Time) bool {
	var state *limit.State
	if o.identify {
		e, ok := o.ring.Lookup(text)
		if !ok {
			return false
		}
		state = e.Owner
	} else {
		state = &o.states[i]
	}
	a := &w.admission
	ok := a.Admit(now, limit.Partitions{Customer: state}, "ner", "POST /extractions", o.set)
	a.Settle(true, nil)
	a.Release()
	return ok
}

func (*ours) close() {}
