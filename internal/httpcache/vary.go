package httpcache

import (
	"net/textproto"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// selecting is a field of the request that chose an answer, and what it said
// (RFC 9111 §4.1).
type selecting struct{ name, value string }

// maxSelecting bounds how many fields an answer may vary by.
const maxSelecting = 16

// varyStar tells whether an answer varies by what no request can show, or by
// more than is kept.
func varyStar(h exchange.Header) bool {
	n := 0
	for _, field := range h.Values("Vary") {
		for name := range strings.SplitSeq(field, ",") {
			if name = strings.Trim(name, " \t"); name == "*" {
				return true
			} else if name != "" {
				n++
			}
		}
	}
	return n > maxSelecting
}

// selectingOf notes by which fields of the request the answer was chosen.
func selectingOf(answer, request exchange.Header) []selecting {
	var list []selecting
	for _, field := range answer.Values("Vary") {
		for name := range strings.SplitSeq(field, ",") {
			if name = textproto.CanonicalMIMEHeaderKey(strings.Trim(name, " \t")); name == "" {
				continue
			}
			if !slices.ContainsFunc(list, func(s selecting) bool { return s.name == name }) {
				list = append(list, selecting{strings.Clone(name), strings.Clone(selectingValue(request, name))})
			}
		}
	}
	slices.SortFunc(list, func(a, b selecting) int { return strings.Compare(a.name, b.name) })
	return list
}

// chosenBy tells whether a request would have chosen the same answer.
func chosenBy(list []selecting, request exchange.Header) bool {
	for i := range list {
		if selectingValue(request, list[i].name) != list[i].value {
			return false
		}
	}
	return true
}

// selectingValue is what a request says in a field, with what means the same
// said in the same way: several lines are one list, and what codings are
// accepted does not depend on their order.
func selectingValue(request exchange.Header, name string) string {
	values := request.Values(name)
	if len(values) == 0 {
		return ""
	}
	value := strings.Trim(values[0], " \t")
	if len(values) > 1 {
		value = strings.Join(values, ", ")
	}
	if name == "Accept-Encoding" {
		return codings(value)
	}
	if value == "" {
		return "\x00" // there and empty is not the same as not there
	}
	return value
}

// usual are the Accept-Encoding values of today's clients and what they come
// to; others are worked out.
var usual = map[string]string{
	"gzip":                    "gzip",
	"gzip, deflate":           "deflate,gzip",
	"gzip, deflate, br":       "br,deflate,gzip",
	"gzip, deflate, br, zstd": "br,deflate,gzip,zstd",
	"identity":                "identity",
}

// codings sorts the members of an Accept-Encoding. A weight changes which one
// is preferred, so a field with weights stays as it is.
func codings(value string) string {
	if same, ok := usual[value]; ok {
		return same
	}
	value = strings.ToLower(value)
	if strings.Contains(value, ";") {
		return value
	}
	members := strings.Split(value, ",")
	for i := range members {
		members[i] = strings.Trim(members[i], " \t")
	}
	slices.Sort(members)
	return strings.Join(slices.Compact(members), ",")
}
