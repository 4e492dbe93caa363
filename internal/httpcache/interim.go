package httpcache

import "github.com/tollhouse/tollhouse/internal/exchange"

// interim is an interim answer of the upstream on its way to a flight's leader.
// It is nobody else's: those who wait along may have come later, and what is
// stored is the final answer alone.
type interim struct {
	status int
	fields exchange.Fields
}

// maxInterims is how many may wait for the leader to take them; more are dropped.
const maxInterims = 8

// tellLeader lets a flight's request tell its leader of interim answers, where
// the leader's client takes any.
func (f *flight) tellLeader(client, flying *exchange.Request) {
	flying.Interim = nil
	if client.Interim == nil {
		return
	}
	f.interims = make(chan interim, maxInterims)
	flying.Interim = func(status int, h exchange.Header) {
		fields := exchange.Fields{}
		for name, value := range h.All() {
			fields.Add(name, value)
		}
		select {
		case f.interims <- interim{status, fields}:
		default:
		}
	}
}

// drainInterims passes on what came before the head did.
func (f *flight) drainInterims(to *exchange.Request) {
	for {
		select {
		case i := <-f.interims:
			to.Interim(i.status, i.fields)
		default:
			return
		}
	}
}
