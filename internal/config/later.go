package config

import (
	"fmt"
	"sort"
	"strings"
)

// later is what this version reads and checks, and does not act upon. The
// issue that builds a row deletes it here; nothing else has to change, except
// that a row with instead also stands in for a word until then.
var later = []struct {
	pattern string // the field, with * for a free name
	word    string // only when it has this value; "" for any
	says    string // goes on after "accepted, but this version …"
	instead string // the word that takes its place meanwhile
}{
	{pattern: "name", says: "does not show it on pages yet"},
	{pattern: "plans.*.spend_cap", says: "does not refuse calls by it yet"},
	{pattern: "secrets.stripe", says: "does not speak to Stripe yet"},
}

// checkLater makes a notice of each field that is accepted and not acted upon.
func (c *checker) checkLater() {
	for _, u := range c.used {
		for _, row := range later {
			if row.pattern != u.pattern || (row.word != "" && row.word != u.value.text) {
				continue
			}
			c.notice(u.key, "%s: accepted, but this version %s", u.path, row.says)
		}
	}
}

// standIn gives the word that holds in this version for a word of the file.
func standIn(pattern, word string) string {
	for _, row := range later {
		if row.pattern == pattern && row.word == word && row.instead != "" {
			return row.instead
		}
	}
	return word
}

// notYet tells editors and docs of a field, or a word of it, that is not acted
// upon; "" else.
func notYet(pattern string) string {
	var says []string
	for _, row := range later {
		switch {
		case row.pattern != pattern:
		case row.word != "":
			says = append(says, row.word+": accepted, but this version "+row.says+".")
		default:
			says = append(says, "Accepted, but this version "+row.says+".")
		}
	}
	return strings.Join(says, " ")
}

// notice is a line for people that stops nothing.
type notice struct {
	line, column int
	text         string
}

// notice keeps a notice about a node.
func (c *checker) notice(n *node, format string, args ...any) {
	if len(c.notices) >= maxProblems {
		return
	}
	c.notices = append(c.notices, notice{n.line, n.column, oneLine(fmt.Sprintf(format, args...))})
}

// noticeLines gives all notices by place: "tollhouse.yml:57: …".
func (c *checker) noticeLines() []string {
	sort.SliceStable(c.notices, func(i, j int) bool {
		a, b := c.notices[i], c.notices[j]
		if a.line != b.line {
			return a.line < b.line
		}
		return a.column < b.column
	})
	var out []string
	for _, n := range c.notices {
		out = append(out, fmt.Sprintf("%s:%d: %s", c.src.name, n.line, n.text))
	}
	return out
}
