package edge

import (
	"math/rand/v2"
	"strconv"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// The time after which a client comes again whose event stream ended with the
// program, in milliseconds. Each gets another, so that not all come at once.
const (
	soonest = 1000
	latest  = 3000
)

// comeAgain is the end of an event stream that its service did not end: the
// client connects anew after a while, with the last ID that it has (HTML, §9.2).
// last is what the stream's last byte was. An event that is not whole is no
// event to its client, for no empty line follows.
func comeAgain(last byte) []byte {
	var b []byte
	if last != '\n' && last != '\r' {
		b = append(b, '\n')
	}
	b = append(b, "retry: "...)
	b = strconv.AppendInt(b, soonest+rand.Int64N(latest-soonest), 10)
	return append(b, '\n')
}

// mayAdd tells whether something of ours can stand in a stream.
func mayAdd(h exchange.Header) bool { return h.Get("Content-Encoding") == "" }
