package console

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// TestRanksWhoUsedMost: customers by their names with links, public services,
// one that is gone by its ID, the largest first; the table says the same.
func TestRanksWhoUsedMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	month := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w.usage.cells = nil
	for customer, n := range map[string]int64{w.customer.ID: 30, w.other.ID: 60, "": 9, "=gone": 1} {
		w.usage.cells = append(w.usage.cells, use{hour: month.Add(30 * time.Hour), customer: customer, service: "ner", status: "2xx", unit: "words", class: toll.Chargeable, count: n})
	}
	w.usage.cells = append(w.usage.cells, use{hour: month.Add(-time.Hour), customer: w.other.ID, unit: "words", count: 1000}, use{hour: month.AddDate(0, 1, 0), customer: w.other.ID, unit: "words", count: 1000})
	b := w.as("viewer@house.example")
	body := b.get("/usage/customers?month=2026-01&unit=words").Body.String()
	at := -1
	for _, want := range []string{
		`href="/customers/` + w.other.ID + `/usage"`, "60%", `href="/customers/` + w.customer.ID + `/usage"`, "30%", "Public services", "9%", "=gone", "1%",
	} {
		next := strings.Index(body, want)
		if next < at || next < 0 {
			t.Errorf("%q stands at %d, and what comes before it at %d", want, next, at)
		}
		at = next
	}
	if !strings.Contains(body, `href="/usage/customers.csv?month=2026-01&amp;unit=words"`) || !strings.Contains(body, "January 2026") {
		t.Error("the table of the same month is not there")
	}
	r := b.get("/usage/customers.csv?month=2026-01&unit=words")
	want := [][]string{
		{"month", "place", "customer_id", "customer", "unit", "count"},
		{"2026-01", "1", w.other.ID, w.other.Name, "words", "60"}, {"2026-01", "2", w.customer.ID, w.customer.Name, "words", "30"},
		{"2026-01", "3", "", "", "words", "9"}, {"2026-01", "4", "'=gone", "", "words", "1"},
	}
	if got := rows(t, r); !reflect.DeepEqual(got, want) || r.Header().Get("Content-Disposition") != `attachment; filename="usage-by-customer-2026-01.csv"` {
		t.Errorf("the table: %v, %v", got, r.Header())
	}
}

// TestRanksThisMonthWhereNoOtherIsMeant: what is no month of the past is this one.
func TestRanksThisMonthWhereNoOtherIsMeant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("viewer@house.example")
	this := w.now.UTC().Format("2006-01")
	for _, query := range []string{"", "?month=", "?month=2999-01", "?month=0001-01", "?month=yesterday", "?month=2026-13", "?unit=tons"} {
		r := b.get("/usage/customers.csv" + query)
		if got := rows(t, r); len(got) < 2 || got[1][0] != this || got[1][4] != toll.UnitRequests {
			t.Errorf("%s: %v", query, got)
		}
	}
}
