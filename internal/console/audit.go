package console

import (
	"encoding/csv"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// auditView is a page of the audit log with the state of its URL.
type auditView struct {
	Query   toll.EntryQuery
	Entries []toll.Entry
	Pager   piece.Pager
	CSV     string
	Narrow  bool
}

const (
	entriesOnPage = 50
	maxFilter     = 100 // characters of a filter
)

func readEntryQuery(q url.Values) toll.EntryQuery {
	text := func(name string) string {
		s := strings.TrimSpace(q.Get(name))
		if r := []rune(s); len(r) > maxFilter {
			return string(r[:maxFilter])
		}
		return s
	}
	out := toll.EntryQuery{Who: text("who"), Action: text("action"), Customer: text("customer"), Object: text("object"), Limit: entriesOnPage}
	switch o := toll.Outcome(q.Get("outcome")); o {
	case toll.Done, toll.Refused:
		out.Outcome = o
	}
	if t, err := time.Parse(time.DateOnly, q.Get("since")); err == nil {
		out.Since = t
	}
	if n, err := strconv.ParseInt(q.Get("before"), 10, 64); err == nil && n > 0 {
		out.Before = n
	}
	return out
}

func entriesURL(path string, e toll.EntryQuery) string {
	q := url.Values{}
	for name, value := range map[string]string{"who": e.Who, "action": e.Action, "customer": e.Customer, "object": e.Object, "outcome": string(e.Outcome)} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if !e.Since.IsZero() {
		q.Set("since", e.Since.Format(time.DateOnly))
	}
	if e.Before > 0 {
		q.Set("before", strconv.FormatInt(e.Before, 10))
	}
	return withQuery(path, q)
}

func (c *Console) audit(v *visit) (*answer, error) {
	t := auditView{Query: readEntryQuery(v.r.URL.Query())}
	page, err := c.o.Office.Entries(v.r.Context(), v.person, t.Query)
	if err != nil {
		return nil, err
	}
	t.Entries = page.Entries
	first := t.Query
	first.Before = 0
	t.Narrow, t.CSV = entriesURL("/audit", first) != "/audit", entriesURL("/audit.csv", first)
	t.Pager = piece.Pager{
		Label: v.T("pager.label"), Count: v.words.N("audit.count", int64(len(t.Entries))), Part: "#results",
		Words: piece.PagerWords{First: v.T("pager.first"), Next: v.T("pager.next")},
	}
	if t.Query.Before > 0 {
		t.Pager.First = entriesURL("/audit", first)
	}
	if page.Next > 0 {
		next := first
		next.Before = page.Next
		t.Pager.Next = entriesURL("/audit", next)
	}
	return &answer{title: v.T("audit.title"), menu: "audit", body: auditPage(v, t), parts: parts{"results": auditResults(v, t)}}, nil
}

// mostExported bounds one download; what is older is reached by the filters.
const mostExported = 100_000

// auditCSV gives the entries of the same filter, the newest first.
func (c *Console) auditCSV(v *visit) (*answer, error) {
	q := readEntryQuery(v.r.URL.Query())
	q.Limit = 500
	page, err := c.o.Office.Entries(v.r.Context(), v.person, q)
	if err != nil {
		return nil, err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="audit-%s.csv"`, v.now.UTC().Format(time.DateOnly)))
	h.Set("Cache-Control", hx.NoStore.String())
	out := csv.NewWriter(v.w)
	_ = out.Write([]string{"seq", "at", "kind", "who", "role", "as", "way", "through", "ip", "action", "customer", "object", "before", "after", "request_id", "outcome", "hash"})
	for written := 0; ; {
		for i := range page.Entries {
			e := &page.Entries[i]
			_ = out.Write([]string{
				strconv.FormatInt(e.Seq, 10), e.At.UTC().Format(time.RFC3339Nano), cell(string(e.Kind)), cell(e.Who), cell(e.Role), cell(e.As), cell(string(e.Way)), cell(e.Through), cell(e.IP),
				cell(e.Action), cell(e.Customer), cell(e.Object), cell(e.Before), cell(e.After), cell(e.RequestID), cell(string(e.Outcome)), fmt.Sprintf("%x", e.Hash),
			})
		}
		if written += len(page.Entries); page.Next == 0 || written >= mostExported || out.Error() != nil {
			break
		}
		q.Before = page.Next
		if page, err = c.o.Office.Entries(v.r.Context(), v.person, q); err != nil {
			return nil, err
		}
	}
	out.Flush() // an error means that the client left
	return nil, hx.Done
}
