package httpcache_test

import (
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/httpcache"
)

func TestCacheControlIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	const none = -1
	for _, c := range []struct {
		field   string
		numbers [6]int64 // max-age, s-maxage, min-fresh, max-stale, stale-while-revalidate, stale-if-error
	}{
		{"", [6]int64{none, none, none, none, none, none}},
		{"max-age=60", [6]int64{60, none, none, none, none, none}},
		{`Max-Age="60"`, [6]int64{60, none, none, none, none, none}},
		{"max-age=60,s-maxage=1, min-fresh=2 ,max-stale=3,stale-while-revalidate=4,stale-if-error=5", [6]int64{60, 1, 2, 3, 4, 5}},
		{"max-age", [6]int64{0, none, none, none, none, none}},
		{"max-age=", [6]int64{0, none, none, none, none, none}},
		{"max-age=-1", [6]int64{0, none, none, none, none, none}},
		{"max-age=1.5", [6]int64{0, none, none, none, none, none}},
		{"max-age = 60", [6]int64{none, none, none, none, none, none}},
		{"max-age= 60", [6]int64{0, none, none, none, none, none}},
		{"max-age=1, max-age=2", [6]int64{1, none, none, none, none, none}},
		{`x="a, max-age=1", max-age=2`, [6]int64{2, none, none, none, none, none}},
		{`x="a\", max-age=1", max-age=2`, [6]int64{2, none, none, none, none, none}},
		{`x="never closed, max-age=1`, [6]int64{none, none, none, none, none, none}},
		{"max-age=2147483647", [6]int64{2147483647, none, none, none, none, none}},
		{"max-age=9999999999999999999999", [6]int64{2147483648, none, none, none, none, none}},
		{"max-stale", [6]int64{none, none, none, 2147483647, none, none}},
		{"min-fresh=x, stale-while-revalidate=x", [6]int64{none, none, none, none, none, none}},
		{",,;;==,", [6]int64{none, none, none, none, none, none}},
	} {
		if got, _ := httpcache.ParseDirectives([]string{c.field}); got != c.numbers {
			t.Errorf("%q: %v, want %v", c.field, got, c.numbers)
		}
	}
}

func FuzzCacheControl(f *testing.F) {
	for _, seed := range []string{
		"max-age=60", "no-store, private", `x="a, no-store", max-age="1"`, "max-stale", `"`, `a="\`, "=,=,=", "max-age=99999999999999999999", "\x00,\xff=\"",
	} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		numbers, flags := httpcache.ParseDirectives([]string{one, two})
		for i, n := range numbers {
			if n < -1 || n > 1<<31 {
				t.Errorf("number %d is %d", i, n)
			}
		}
		// Two lines are one list, unless a quoted string is left open.
		if strings.Count(one, `"`)%2 == 0 && !strings.Contains(one, `\`) && !oddMember(one) {
			if joined, same := httpcache.ParseDirectives([]string{one + "," + two}); joined != numbers || same != flags {
				t.Errorf("%q and %q: %v %b, joined %v %b", one, two, numbers, flags, joined, same)
			}
		}
		// A prohibition is never lost by what stands after it.
		if _, with := httpcache.ParseDirectives([]string{"no-store, private", one}); !prohibits(with) {
			t.Errorf("no-store, private is lost before %q", one)
		}
	})
}

// oddMember tells whether a quote stands where it opens no string.
func oddMember(s string) bool { return strings.Contains(s, `"`) }

// prohibits tells whether no-store and private are both said.
func prohibits(flags uint16) bool {
	_, want := httpcache.ParseDirectives([]string{"no-store, private"})
	return flags&want == want
}
