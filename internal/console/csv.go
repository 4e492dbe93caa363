package console

import (
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/hx"
)

// cell makes a text safe for a spreadsheet: one that a spreadsheet would take
// for a formula gets an apostrophe before it (CWE-1236).
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}

// usageCSV gives the figures of the usage page, by the same filter, with exact
// times. Numbers are plain: they are for programs.
func (c *Console) usageCSV(v *visit) (*answer, error) {
	customer, err := c.o.Office.Customer(v.r.Context(), v.person, v.customerID())
	if err != nil {
		return nil, err
	}
	f, _, _ := c.readFilter(v)
	points, err := c.o.Questions.Series(v.r.Context(), c.question(v, f, customer.ID))
	if err != nil {
		return nil, fmt.Errorf("ask for usage: %w", err)
	}
	name := fmt.Sprintf("usage-%s-%s.csv", f.span.id, v.now.UTC().Format(time.DateOnly))
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", hx.NoStore.String())
	out := csv.NewWriter(v.w)
	_ = out.Write([]string{"start", "customer", "service", "unit", "status", "count"})
	for _, p := range points {
		_ = out.Write([]string{p.Start.UTC().Format(time.RFC3339), cell(customer.Name), cell(f.service), cell(f.unit), cell(p.Group), strconv.FormatInt(p.Count, 10)})
	}
	out.Flush() // an error means that the client left
	return nil, hx.Done
}
