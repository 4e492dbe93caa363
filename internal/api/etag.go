package api

import (
	"strconv"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Versioned is the answer of what has a version: its ETag (RFC 9110 §8.8.3).
type Versioned struct {
	ETag string `header:"ETag" doc:"The version, for If-Match"`
}

func version(v int64) Versioned { return Versioned{`"` + strconv.FormatInt(v, 10) + `"`} }

// Condition is what a change may be bound to (RFC 9110 §13.1.1).
type Condition struct {
	IfMatch string `header:"If-Match" maxLength:"100" doc:"The ETag that was seen: when the row has another one by now the answer is a 409 with what is there, and nothing is changed. Missing or *: whatever is there is changed" example:"\"7\""`
}

// seen is the version that a change is bound to, 0 for none.
func (c *Condition) seen() (int64, error) {
	text := strings.TrimSpace(c.IfMatch)
	if text == "" || text == "*" {
		return 0, nil
	}
	inner, opened := strings.CutPrefix(text, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	n, err := strconv.ParseInt(inner, 10, 64)
	if !opened || !closed || err != nil || n < 1 {
		return 0, toll.FieldError("If-Match", "Send one ETag of an answer as it was, in its quotes.")
	}
	return n, nil
}

// stale adds to a conflict what is there now, for whoever bound a change to
// something older.
func stale(err error, seen, now int64, current any) error {
	if toll.CodeOf(err) != toll.Conflict || seen == 0 || seen == now {
		return err
	}
	p := problemOf(err)
	p.Current = current
	p.header = map[string][]string{"Etag": {version(now).ETag}}
	return p
}
