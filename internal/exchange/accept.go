package exchange

import (
	"iter"
	"strings"
)

// What a request's Accept and Accept-Encoding fields say is a list of members,
// each with a weight. Weights are counted in thousandths here: Unwanted, not at
// all, to Preferred, the most.
const (
	Unwanted  = 0
	Preferred = 1000
)

// Weighted walks over the members of such fields with their weights (RFC 9110
// §12.4.2). Parameters other than q are left out. A member with a malformed
// weight is left out too: it does not say what its sender wants.
func Weighted(fields []string) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for _, field := range fields {
			for field != "" {
				var member string
				member, field, _ = strings.Cut(field, ",")
				name, parameters, _ := strings.Cut(member, ";")
				if name = strings.Trim(name, " \t"); name == "" {
					continue
				}
				weight, ok := weightIn(parameters)
				if ok && !yield(name, weight) {
					return
				}
			}
		}
	}
}

// weightIn finds q among a member's parameters; without it the weight is 1.
func weightIn(parameters string) (weight int, ok bool) {
	for parameters != "" {
		var one string
		one, parameters, _ = strings.Cut(parameters, ";")
		name, value, _ := strings.Cut(one, "=")
		if name = strings.Trim(name, " \t"); name == "q" || name == "Q" {
			return parseWeight(strings.Trim(value, " \t"))
		}
	}
	return Preferred, true
}

// parseWeight reads a qvalue: "0" to "1" with at most three decimals.
func parseWeight(s string) (weight int, ok bool) {
	if s == "" || s[0] != '0' && s[0] != '1' || len(s) > 1 && s[1] != '.' || len(s) > 5 {
		return 0, false
	}
	weight = int(s[0]-'0') * Preferred
	for i, unit := 2, Preferred/10; i < len(s); i, unit = i+1, unit/10 {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		weight += int(s[i]-'0') * unit
	}
	return weight, weight <= Preferred
}
