package httpcache

import (
	"math"
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// flags are the directives of Cache-Control that have no number.
type flags uint16

const (
	noStore flags = 1 << iota
	noCache
	private
	public
	mustRevalidate
	proxyRevalidate
	mustUnderstand
	onlyIfCached
)

// absent is the value of a number that was not said.
const absent = int64(-1)

// anyStale is max-stale without a number: however stale.
const anyStale = math.MaxInt32

// directives are what a message's Cache-Control says (RFC 9111 §5.2). Numbers
// are seconds, absent when they were not said.
type directives struct {
	flags
	said                 bool // there was a directive at all
	targeted             bool // they are of CDN-Cache-Control, and Cache-Control and Expires do not count
	maxAge, sMaxAge      int64
	minFresh, maxStale   int64
	whileRevalidate      int64 // RFC 5861 §3
	ifError              int64 // RFC 5861 §4
	sharedWithCredential bool  // public, s-maxage or must-revalidate (RFC 9111 §3.5)
}

func (f flags) has(g flags) bool { return f&g != 0 }

// parseDirectives reads the Cache-Control fields of a message. It accepts what
// it can read and never fails: a directive is a name, with or without a token
// or quoted string after '='. Of a directive that stands twice the first
// counts (§4.2.1); a number that is none counts as 0 where that is the careful
// reading, and as not said where it is not.
func parseDirectives(fields []string) directives {
	d := directives{maxAge: absent, sMaxAge: absent, minFresh: absent, maxStale: absent, whileRevalidate: absent, ifError: absent}
	for _, field := range fields {
		for field != "" {
			var name, argument string
			var has bool
			name, argument, has, field = nextDirective(field)
			if name != "" {
				d.said = true
				d.take(name, argument, has)
			}
		}
	}
	d.sharedWithCredential = d.has(public|mustRevalidate) || d.sMaxAge >= 0
	return d
}

// answerDirectives are what an answer says to a shared cache: CDN-Cache-Control
// where there is one that says something (RFC 9213), Cache-Control otherwise.
func answerDirectives(h exchange.Header) directives {
	if fields := h.Values("Cdn-Cache-Control"); len(fields) > 0 && dictionary(fields) {
		d := parseDirectives(fields)
		d.targeted = true
		return d
	}
	return parseDirectives(h.Values("Cache-Control"))
}

// dictionary tells whether fields are what RFC 9213 §2.1 asks for: a dictionary
// of RFC 9651, with numbers where there are numbers. One that is none does not
// count at all.
func dictionary(fields []string) bool {
	members := 0
	for _, field := range fields {
		for field != "" {
			var name, argument string
			var has bool
			name, argument, has, field = nextDirective(field)
			argument, _, _ = strings.Cut(argument, ";") // parameters say nothing to us
			if !isKey(name) {
				return false
			}
			switch name {
			case "max-age", "s-maxage", "stale-while-revalidate", "stale-if-error":
				if _, ok := deltaSeconds(argument); !ok || argument[0] == '"' {
					return false
				}
			default:
				if has && argument == "" || strings.ContainsAny(argument, " \t") && argument[0] != '"' {
					return false
				}
			}
			members++
		}
	}
	return members > 0
}

// isKey tells whether s is a key of RFC 9651 §3.1.2.
func isKey(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		lower := c >= 'a' && c <= 'z' || c == '*'
		if !lower && (i == 0 || (c < '0' || c > '9') && c != '_' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

// nextDirective takes the first member off a list (RFC 9110 §5.6.1). A comma
// within quotes does not end it.
func nextDirective(s string) (name, argument string, has bool, rest string) {
	end := 0
	quoted, equals := false, -1
	for ; end < len(s); end++ {
		switch c := s[end]; {
		case quoted && c == '\\':
			end++
		case c == '"' && equals >= 0:
			quoted = !quoted
		case quoted:
		case c == '=' && equals < 0:
			equals = end
		}
		if end < len(s) && s[end] == ',' && !quoted {
			break
		}
	}
	end = min(end, len(s))
	member := s[:end]
	if end < len(s) {
		rest = s[end+1:]
	}
	if equals < 0 || equals >= end {
		return strings.Trim(member, " \t"), "", false, rest
	}
	// No white space belongs around '=' (RFC 9111 §5.2): a name with some before
	// it is no name of ours, an argument with some after it no number.
	return strings.TrimLeft(member[:equals], " \t"), strings.TrimRight(member[equals+1:], " \t"), true, rest
}

// simple are the directives whose argument, where there is one, does not
// matter: no-cache="field" and private="field" are read as the whole, as §5.2.2.4
// and §5.2.2.7 allow.
var simple = [...]struct {
	name string
	flag flags
}{
	{"public", public},
	{"no-cache", noCache},
	{"no-store", noStore},
	{"private", private},
	{"must-revalidate", mustRevalidate},
	{"proxy-revalidate", proxyRevalidate},
	{"must-understand", mustUnderstand},
	{"only-if-cached", onlyIfCached},
}

func (d *directives) take(name, argument string, has bool) {
	for i := range simple {
		if strings.EqualFold(name, simple[i].name) {
			d.flags |= simple[i].flag
			return
		}
	}
	switch {
	case strings.EqualFold(name, "max-age"):
		first(&d.maxAge, argument, 0)
	case strings.EqualFold(name, "s-maxage"):
		first(&d.sMaxAge, argument, 0)
	case strings.EqualFold(name, "min-fresh"):
		first(&d.minFresh, argument, absent)
	case strings.EqualFold(name, "max-stale"):
		if !has {
			if d.maxStale == absent {
				d.maxStale = anyStale
			}
			return
		}
		first(&d.maxStale, argument, absent)
	case strings.EqualFold(name, "stale-while-revalidate"):
		first(&d.whileRevalidate, argument, absent)
	case strings.EqualFold(name, "stale-if-error"):
		first(&d.ifError, argument, absent)
	}
}

// first sets a number that was not said before.
func first(to *int64, argument string, otherwise int64) {
	if *to != absent {
		return
	}
	n, ok := deltaSeconds(argument)
	if !ok {
		n = otherwise
	}
	*to = n
}

// deltaSeconds reads a number of seconds, also in quotes (§5.2). What is too
// large is 2^31 (§1.2.2).
func deltaSeconds(s string) (int64, bool) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	if s == "" {
		return 0, false
	}
	var n int64
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		if n = n*10 + int64(s[i]-'0'); n > math.MaxInt32 {
			n = math.MaxInt32 + 1
		}
	}
	return n, true
}
