package piece

import (
	"strconv"

	"github.com/a-h/templ"
)

// Example is a piece in its states, as the gallery and the golden files show it.
type Example struct {
	Name  string
	View  templ.Component
	Frame string // the class of what the gallery puts it into: "" for one under the other
}

// Examples lists every piece with the states it has. Texts are examples; the
// IDs differ, so that all can stand on one page.
func Examples() []Example {
	return []Example{
		{"button", templ.Join(
			Button{Kind: "primary", Label: "Create key", Busy: "Creating…", Icon: "plus"}.View(),
			Button{Label: "Cancel", Href: "/keys"}.View(),
			Button{Kind: "danger", Label: "Revoke"}.View(),
			Button{Kind: "quiet", Small: true, Label: "Roll", Icon: "rotate-cw", Href: "/keys/key_1/roll"}.View(),
			Button{Kind: "primary", Label: "Create key", Busy: "Creating…", Attrs: templ.Attributes{"disabled": true}}.View(),
		), "row"},
		{"badge", templ.Join(
			Badge{Label: "Draft"}.View(),
			Badge{Kind: "good", Icon: "circle-check", Label: "Active"}.View(),
			Badge{Kind: "warn", Icon: "rotate-cw", Label: "Rolled"}.View(),
			Badge{Kind: "bad", Icon: "circle-pause", Label: "Suspended"}.View(),
			Badge{Kind: "accent", Label: "Test"}.View(),
			Badge{Kind: "accent", Label: "Pro plan", Href: "/plan"}.View(),
		), "row"},
		{"field", templ.Join(
			Field{ID: "f1", Name: "name", Label: "Name", Hint: "So that you know it again.", Required: true}.View(),
			Field{ID: "f2", Name: "email", Type: "email", Label: "E-mail", Value: "nobody", Hint: "At work.", Error: "This is no e-mail address."}.View(),
		), ""},
		{"file", templ.Join(
			File{ID: "u1", Name: "file", Label: "File", Hint: "At most 100 kB.", Accept: ".tsv,.txt", Required: true, Progress: "How much has been sent"}.View(),
			Area{ID: "u2", Name: "text", Label: "Message", Hint: "At most 10,000 characters.", Rows: 4, Most: 10000, Error: "Write something."}.View(),
		), ""},
		{"choice", templ.Join(
			Choice{ID: "c1", Name: "mode", Label: "Mode", Value: "test", Hint: "Test calls are never billed.", Options: []Option{{"live", "Live"}, {"test", "Test"}}}.View(),
			Choice{ID: "c2", Name: "unit", Label: "Unit", Hidden: true, Options: []Option{{"requests", "Requests"}}}.View(),
		), ""},
		{"table", exampleTable(), ""},
		{"tile", templ.Join(
			Tile{Label: "Requests this month", Value: "12,481", Note: "12% more than last month so far", Spark: []int64{3, 8, 5, 13, 21, 13, 34}}.View(),
			Tile{Label: "Refused", Value: "7", Note: "Pro"}.View(),
			Tile{Label: "Cost so far", Value: "$29.00", Note: "Pro", Href: "/plan"}.View(),
		), "tiles"},
		{"meter", templ.Join(
			Meter{Name: "Requests this month", Used: 312, Limit: 1000, Text: "312 of 1,000", Foot: "Resets in 10 days"}.View(),
			Meter{Name: "Words this month", Used: 912, Limit: 1000, Text: "912 of 1,000", State: "Nearly used up", Foot: "Resets in 10 days"}.View(),
			Meter{Name: "At the same time", Used: 2, Limit: 2, Text: "2 of 2", State: "Used up"}.View(),
			Meter{Name: "Per minute", Used: 0, Limit: 10, Text: "0 of 10"}.View(),
		), ""},
		{"chart", templ.Join(exampleChart().Legend(), exampleChart().View(), exampleChart().Figures()), ""},
		{"secret", Secret{ID: "s1", Label: "ci", Hint: "Copy it now: it is not shown again.", Text: "th_live_0000000000000000000000000000000000", Copy: "Copy", Done: "Copied"}.View(), ""},
		{"code", Code{ID: "code1", Label: "Example in curl", Text: "curl https://api.example.com/v1/ner/extractions \\\n  -H \"Authorization: Bearer $TOLLHOUSE_KEY\"", Copy: "Copy", Done: "Copied", Tabs: []Tab{{"curl", "?code=curl", true}, {"Go", "?code=go", false}}}.View(), ""},
		{"toast", Toast("Key ci was revoked.", "Dismiss"), ""},
		{"panel", templ.Join(
			Panel{Kind: "bad", Title: "Something went wrong on our side.", Text: "Try again; if it stays, tell us the request ID.", Request: "Request ID 01J9ZZZZZZZZZZZZZZZZZZZZZZ"}.View(),
			Panel{Kind: "bad", Title: "Please correct this:", Items: []Item{{"A name is needed.", "#f1"}}, Summary: true}.View(),
			Panel{Kind: "warn", Title: "This customer is suspended", Text: "Every call is refused."}.View(),
			Panel{Kind: "warn", Title: "The newest configuration is not in force", Exact: "tollhouse.yml:12:5: plans.pro: unknown field `prize`"}.View(),
		), ""},
		{"empty", Empty{Title: "No keys yet", Text: "A key lets a program call the services of your plan.", Action: &Button{Kind: "primary", Label: "Create key", Href: "/keys/new"}}.View(), ""},
		{"pager", Pager{Label: "Pages", Count: "50 customers on this page", First: "/customers", Next: "/customers?after=x", Words: PagerWords{"First page", "Next page"}, Part: "#results"}.View(), ""},
		{"filters", exampleFilters(), ""},
		{"chips", Chips("Range", []Tab{{"24 hours", "?range=24h", false}, {"30 days", "/usage", true}}), "row"},
		{"confirm", Confirm{Title: "Revoke the key ci?", Text: "Calls with it are refused at once. This cannot be undone.", Action: "/keys/key_1/revoke", Do: Button{Kind: "danger", Label: "Revoke"}, Cancel: "Cancel", Back: "/keys"}.View(), ""},
		{"card", exampleCard(), ""},
		{"compare", exampleCompare().View(), ""},
		{"bill", exampleBill().View(), ""},
		{"icon", templ.Join(Icon("gauge"), Icon("key-round"), Icon("chart-column"), Icon("users")), "row"},
	}
}

func exampleChart() Chart {
	c := Chart{
		ID: "example", Label: "Requests, last 7 days", Table: "Figures", Head: "Day", Total: "Total",
		Series:  []Series{{"s2", "Answered (2xx)", 70}, {"s4", "Refused by the service (4xx)", 14}, {"s5", "Failed (5xx)", 7}},
		Number:  func(n int64) string { return strconv.FormatInt(n, 10) },
		Compact: func(n int64) string { return strconv.FormatInt(n, 10) },
	}
	for i := range int64(7) {
		day := strconv.FormatInt(i+1, 10) + " Nov"
		c.Bars = append(c.Bars, Bar{Label: day + " 2026", Short: day, Values: []int64{4 + 2*i, 2, 1}})
	}
	return c
}

func exampleCompare() Compare {
	return Compare{
		Caption: "Compare plans", Mine: "Your plan",
		Columns: []CompareColumn{{"Free", false}, {"Pro", true}},
		Groups: []CompareGroup{
			{"", []CompareRow{{"Fee", false, []CompareCell{{Lines: []string{"No fee"}, Strong: true}, {Lines: []string{"$29.00 a month"}, Strong: true}}}}},
			{"Features", []CompareRow{{"models", true, []CompareCell{{Icon: "minus", Says: "No", Muted: true}, {Icon: "check", Says: "Yes"}}}}},
			{"Usage", []CompareRow{{"Words", false, []CompareCell{{Lines: []string{"No charge"}, Muted: true}, {Lines: []string{"First 1,000: free", "After that: $0.02 per 1,000"}}}}}},
		},
	}
}

func exampleBill() Bill {
	return Bill{
		Caption: "Bill for November 2026, so far", Item: "Item", Quantity: "Quantity", Price: "Price", Amount: "Amount", Sum: "Total so far", Total: "$49.00",
		Lines: []BillLine{
			{Item: "Pro, fee", Amount: "$29.00"},
			{Item: "Words", Quantity: "1,001,000", Amount: "$20.00", Parts: []BillLine{
				{Item: "Included", Quantity: "1,000", Price: "free"},
				{Item: "Billed", Quantity: "1,000,000", Price: "$0.02 per 1,000", Amount: "$20.00"},
			}},
			{Item: "Requests", Quantity: "0", Price: "$1.00 per 1,000", Amount: "$0.00"},
		},
	}
}
