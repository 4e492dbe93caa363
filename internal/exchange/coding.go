package exchange

import (
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Negotiate chooses the coding of an answer (RFC 9110 §12.5.3): what the client
// gives most weight to, and among equals the first of offered. "" is none: the
// client takes none of them, prefers the answer as it is, or did not ask.
func Negotiate(acceptEncoding []string, offered []toll.Coding) toll.Coding {
	if len(acceptEncoding) == 0 {
		return ""
	}
	const unsaid = -1
	plain, others := unsaid, unsaid
	var weights [3]int // of offered; there are no more codings
	if len(offered) > len(weights) {
		offered = offered[:len(weights)]
	}
	for i := range weights {
		weights[i] = unsaid
	}
	for name, weight := range Weighted(acceptEncoding) {
		switch {
		case name == "*":
			others = weight
		case strings.EqualFold(name, "identity"):
			plain = weight
		default:
			for i, coding := range offered {
				if isCoding(name, coding) {
					weights[i] = weight
				}
			}
		}
	}
	best, chosen := Unwanted, toll.Coding("")
	for i, coding := range offered {
		weight := weights[i]
		if weight == unsaid {
			weight = others
		}
		if weight > best {
			best, chosen = weight, coding
		}
	}
	if plain > best {
		return ""
	}
	return chosen
}

// isCoding tells whether name means coding; x-gzip is an old name of gzip (RFC
// 9110 §8.4.1.3).
func isCoding(name string, coding toll.Coding) bool {
	return strings.EqualFold(name, string(coding)) || coding == toll.Gzip && strings.EqualFold(name, "x-gzip")
}
