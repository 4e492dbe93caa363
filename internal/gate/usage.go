package gate

import (
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// AppendUsage reads one Tollhouse-Usage field ("words=123, characters=871")
// and appends its amounts to dst. Only units that the service declares count;
// each value is a whole number from 0 to toll.MaxCount without sign. What is
// malformed, undeclared, negative, too large or named twice is left out and
// counted in refused.
func AppendUsage(dst []toll.Amount, field string, units []string) (_ []toll.Amount, refused int) {
	for field != "" {
		var item string
		item, field, _ = strings.Cut(field, ",")
		item = strings.Trim(item, " \t")
		if item == "" {
			continue
		}
		name, value, ok := strings.Cut(item, "=")
		count, valid := parseCount(value)
		unit, declared := declaredUnit(units, name)
		if !ok || !valid || !declared || named(dst, unit) {
			refused++
			continue
		}
		dst = append(dst, toll.Amount{Unit: unit, Count: count})
	}
	return dst, refused
}

// declaredUnit returns the service's own string for a unit, so that an event
// holds no part of a header's memory.
func declaredUnit(units []string, name string) (string, bool) {
	for _, u := range units {
		if u == name && u != toll.UnitRequests {
			return u, true
		}
	}
	return "", false
}

func named(amounts []toll.Amount, unit string) bool {
	for i := range amounts {
		if amounts[i].Unit == unit {
			return true
		}
	}
	return false
}

func parseCount(s string) (int64, bool) {
	if s == "" || len(s) > 19 {
		return 0, false
	}
	var n uint64
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + uint64(s[i]-'0')
	}
	return int64(n), n <= toll.MaxCount
}
