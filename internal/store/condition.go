package store

import (
	"strconv"
	"strings"
)

// conditions collects what a query narrows by, and its arguments.
type conditions struct {
	terms []string
	args  []any
}

// arg adds an argument and returns its placeholder.
func (c *conditions) arg(value any) string {
	c.args = append(c.args, value)
	return "$" + strconv.Itoa(len(c.args))
}

// add narrows by a term.
func (c *conditions) add(term string) { c.terms = append(c.terms, term) }

// name narrows by the interned name in a column, unless it is "". A name that
// was never interned finds nothing.
func (c *conditions) name(column, name string) {
	if name != "" {
		c.add(column + ` = (select id from usage_name where name = ` + c.arg(name) + `)`)
	}
}

// within is a term that narrows by period.
func (c *conditions) within(s span) string {
	return `period >= ` + c.arg(s.from) + ` and period < ` + c.arg(s.to)
}

// and returns all terms and more, joined.
func (c *conditions) and(more ...string) string {
	all := append(append([]string{}, c.terms...), more...)
	return strings.Join(all, " and ")
}

// where returns the clause, "" when nothing is narrowed.
func (c *conditions) where() string {
	if len(c.terms) == 0 {
		return ""
	}
	return " where " + c.and()
}
