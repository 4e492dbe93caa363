package exchange_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

func TestAPartIsWhatRangeSays(t *testing.T) {
	t.Parallel()
	const whole, none, outside = "whole", "whole", "416"
	for _, c := range []struct {
		field string
		bytes int64
		want  string
	}{
		{"bytes=0-499", 1000, "bytes 0-499/1000"},
		{"bytes=500-", 1000, "bytes 500-999/1000"},
		{"bytes=-1", 1000, "bytes 999-999/1000"},
		{"bytes=0-0", 1000, "bytes 0-0/1000"},
		{"bytes=999-", 1000, "bytes 999-999/1000"},
		{"BYTES=0-5", 1000, "bytes 0-5/1000"},
		{" bytes= 0-5 ", 1000, "bytes 0-5/1000"},
		{"bytes=,0-5, ,", 1000, "bytes 0-5/1000"},
		{"bytes=0-99999", 1000, "bytes 0-999/1000"},
		{"bytes=0-99999999999999999999999", 1000, "bytes 0-999/1000"},
		{"bytes=-99999999999999999999999", 1000, "bytes 0-999/1000"},
		{"bytes=2000-,0-5", 1000, "bytes 0-5/1000"}, // one of two is there

		{"bytes=1000-", 1000, outside},
		{"bytes=1000-1001, 2000-", 1000, outside},
		{"bytes=99999999999999999999999-", 1000, outside},
		{"bytes=-0", 1000, outside},
		{"bytes=0-", 0, outside},

		{"bytes=0-1,5-9", 1000, whole}, // several: the whole answers them too
		{"bytes=" + strings.Repeat("9999-,", 17), 1000, whole},
		{"bytes=-5", 0, whole},
		{"bytes=5-4", 1000, none},
		{"bytes=0-1,5-4", 1000, none},
		{"bytes=", 1000, none},
		{"bytes=-", 1000, none},
		{"bytes=,", 1000, none},
		{"bytes", 1000, none},
		{"bytes=a-b", 1000, none},
		{"bytes=+1-2", 1000, none},
		{"bytes=1--2", 1000, none},
		{"bytes=0x1-2", 1000, none},
		{"bytes = 0-1", 1000, none},
		{"items=0-1", 1000, none},
		{"", 1000, none},
	} {
		r, ok, err := exchange.Range(exchange.Fields{"Range": {c.field}}, exchange.Validators{}, c.bytes)
		got := whole
		var e *exchange.RangeError
		switch {
		case errors.As(err, &e):
			if got = outside; e.Whole != c.bytes {
				t.Errorf("%q: the error says %d bytes, not %d", c.field, e.Whole, c.bytes)
			}
		case ok:
			got = r.ContentRange(c.bytes)
		}
		if got != c.want {
			t.Errorf("%q of %d bytes: %s, want %s", c.field, c.bytes, got, c.want)
		}
	}
	if _, ok, err := exchange.Range(exchange.Fields{"Range": {"bytes=0-1", "bytes=0-1"}}, exchange.Validators{}, 10); ok || err != nil {
		t.Error("two Range fields are taken for one")
	}
}

func TestAPartIsOnlyGivenOfTheStateThatTheClientHas(t *testing.T) {
	t.Parallel()
	changed := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	v := exchange.Validators{ETag: `"a"`, LastModified: exchange.FormatDate(changed), Date: changed.Add(time.Hour)}
	young, weak := v, v
	young.Date = changed
	weak.ETag = `W/"a"`
	for _, c := range []struct {
		of      exchange.Validators
		ifRange string
		same    bool
	}{
		{v, "", true},
		{v, `"a"`, true},
		{v, `"b"`, false},
		{v, `W/"a"`, false},
		{weak, `W/"a"`, false},
		{weak, `"a"`, false},
		{v, exchange.FormatDate(changed), true},
		{v, exchange.FormatDate(changed.Add(time.Second)), false}, // exactly, not "since"
		{young, exchange.FormatDate(changed), false},              // it may have changed twice in that second
		{exchange.Validators{}, `""`, false},
		{exchange.Validators{}, `x`, false},
	} {
		if got := c.of.Same(c.ifRange); got != c.same {
			t.Errorf("If-Range %s of %+v: %v, want %v", c.ifRange, c.of, got, c.same)
		}
	}
}

// FuzzRange holds that a part lies within its body, whatever is asked for, and
// that a single well-formed range is the one that was asked for.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-499", "bytes=-5", "bytes=5-", "bytes=0-0,-1", "bytes=9223372036854775807-", "bytes=-9223372036854775808", "bytes=1-0", "bytes=\x00", "bytes=,,,0-1", "bytes=18446744073709551616-"} {
		f.Add(s, int64(1000))
		f.Add(s, int64(0))
		f.Add(s, int64(1))
	}
	f.Fuzz(func(t *testing.T, field string, whole int64) {
		if whole < 0 {
			return
		}
		r, ok, err := exchange.Range(exchange.Fields{"Range": {field}}, exchange.Validators{}, whole)
		if ok && err != nil {
			t.Fatalf("%q of %d: a part and an error", field, whole)
		}
		if !ok {
			return
		}
		if r.Start < 0 || r.Length < 1 || r.Start > whole-r.Length {
			t.Fatalf("%q of %d: %+v is not within it", field, whole, r)
		}
		first, last, _ := strings.Cut(strings.TrimPrefix(field, "bytes="), "-")
		start, err1 := strconv.ParseInt(first, 10, 64)
		end, err2 := strconv.ParseInt(last, 10, 64)
		if err1 == nil && err2 == nil && first[0] != '+' && (start != r.Start || min(end, whole-1) != r.Start+r.Length-1) {
			t.Fatalf("%q of %d: %+v", field, whole, r)
		}
	})
}
