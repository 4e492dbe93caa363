package config

import "strings"

// nearest gives the known name that a mistyped one was most likely meant to be,
// or "" when none is near: at most a third of its letters away (one at least),
// where a letter added, left out, changed or swapped with its neighbour is one.
// Case, `-`, `_` and blanks make no difference.
func nearest(typed string, known []string) string {
	if len(typed) > 60 {
		return ""
	}
	plain := flatten(typed)
	best, most := "", max(1, len(plain)/3)+1
	for _, name := range known {
		if d := distance(plain, flatten(name)); d < most {
			best, most = name, d
		}
	}
	return best
}

func flatten(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '-', '_', ' ':
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// distance is the optimal string alignment distance of two texts, by bytes.
func distance(a, b string) int {
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}
