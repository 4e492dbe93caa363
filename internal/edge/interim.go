package edge

import (
	"maps"
	"net/http"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// takesInterims tells whether a client can be sent interim answers: HTTP/1.0
// knows none (RFC 9110 §15.2). One that waits for "100 Continue" gets no other,
// for net/http writes that one whenever the body is first read, and the two
// would mix.
func takesInterims(hr *http.Request) bool {
	return hr.ProtoAtLeast(1, 1) && (hr.ProtoMajor > 1 || hr.Header.Get("Expect") == "")
}

// interim sends an interim answer, and leaves nothing of it in the final one
// (RFC 8297 §2). What a service says to the gateway stays here.
func (o *responseWriter) interim(status int, h exchange.Header) {
	target := o.w.Header()
	kept := maps.Clone(target) // the final answer's, as far as they are known
	clear(target)
	for name, value := range h.All() {
		if !ours(name) {
			target.Add(name, value)
		}
	}
	if o.frames != nil {
		defer o.stall.begin(o.w)()
	}
	o.w.WriteHeader(status)
	clear(target)
	maps.Copy(target, kept)
}
