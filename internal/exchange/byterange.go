package exchange

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ByteRange is a part of a body: so many bytes from Start on, at least one.
type ByteRange struct{ Start, Length int64 }

// ContentRange is the field that says which part it is of a body of so many
// bytes (RFC 9110 §14.4).
func (r ByteRange) ContentRange(whole int64) string {
	b := strconv.AppendInt([]byte("bytes "), r.Start, 10)
	b = strconv.AppendInt(append(b, '-'), r.Start+r.Length-1, 10)
	return string(strconv.AppendInt(append(b, '/'), whole, 10))
}

// RangeError is why a request that wants a part of a body gets none: it begins
// behind its end. The answer for it is 416 (RFC 9110 §15.5.17).
type RangeError struct {
	Whole int64 // how many bytes there are
}

// Error says what was wrong, for the log.
func (e *RangeError) Error() string {
	return fmt.Sprintf("the range wanted lies outside of a body of %d bytes", e.Whole)
}

// maxRanges is how many ranges of one request are looked at.
const maxRanges = 16

// Range tells which part of a body of so many bytes a GET wants (RFC 9110
// §14.2). ok is false when it is to get the whole one: it wants no part, or not
// of this state (If-Range), or what it says is no range of bytes or is several,
// for which a whole answer is always right. The error is a *RangeError.
func Range(request Header, v Validators, whole int64) (r ByteRange, ok bool, err error) {
	fields := request.Values("Range")
	if len(fields) != 1 || !v.Same(request.Get("If-Range")) {
		return ByteRange{}, false, nil
	}
	return parseRange(fields[0], whole)
}

// parseRange reads the value of a Range.
func parseRange(field string, whole int64) (found ByteRange, ok bool, err error) {
	unit, set, _ := strings.Cut(strings.Trim(field, " \t"), "=")
	if !strings.EqualFold(unit, "bytes") {
		return ByteRange{}, false, nil
	}
	n, inside := 0, 0
	for spec := range strings.SplitSeq(set, ",") {
		if spec = strings.Trim(spec, " \t"); spec == "" {
			continue // an empty member of a list (§5.6.1.2)
		}
		if n++; n > maxRanges {
			return ByteRange{}, false, nil
		}
		r, wanted, good := rangeSpec(spec, whole)
		if !good {
			return ByteRange{}, false, nil
		}
		if wanted {
			found = r
			inside++
		}
	}
	switch {
	case n == 0 || inside > 1:
		return ByteRange{}, false, nil
	case inside == 0 && whole == 0 && n == 1 && strings.HasPrefix(strings.TrimLeft(set, " \t,"), "-"):
		return ByteRange{}, false, nil // the last bytes of nothing: all of it
	case inside == 0:
		return ByteRange{}, false, &RangeError{Whole: whole}
	}
	return found, true, nil
}

// rangeSpec reads "first-last", "first-" or "-suffix" (RFC 9110 §14.1.1). inside
// tells that some of it is within the body, good that it is one of these.
func rangeSpec(spec string, whole int64) (r ByteRange, inside, good bool) {
	first, last, dash := strings.Cut(spec, "-")
	if !dash {
		return r, false, false
	}
	if first == "" {
		suffix, ok := digits(last)
		n := min(suffix, whole)
		return ByteRange{whole - n, n}, n > 0, ok
	}
	start, ok := digits(first)
	if !ok {
		return r, false, false
	}
	end := int64(math.MaxInt64)
	if last != "" {
		if end, ok = digits(last); !ok || end < start {
			return r, false, false
		}
	}
	if start >= whole {
		return r, false, true
	}
	return ByteRange{start, min(end, whole-1) - start + 1}, true, true
}

// digits reads a whole number; one that is too large for any body is the largest.
func digits(s string) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n > (math.MaxInt64-9)/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
