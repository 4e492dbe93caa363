package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const tighter = `
listen: { http: "127.0.0.1:0" }
services:
  ner: { path: /v1/ner, upstreams: ["http://127.0.0.1:9"], access: key, units: [words, characters] }
plans:
  pro:
    includes: [ner]
    price: { amount: "49.00", currency: USD, every: month }
    quotas: [ { name: tight, unit: requests, limit: 100, every: month } ]
`

func TestRehearsingAPlanSaysWhoWouldBeRefusedAndWhatChangesInRevenue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "next.yml")
	demo(t, data)
	if err := os.WriteFile(file, []byte(tighter), 0o600); err != nil {
		t.Fatal(err)
	}
	type rehearsed struct {
		Calls, Refused int64
		Customers      []struct {
			Calls, Refused int64
			By             map[string]int64
			Now, Then      string
		}
		Revenue []struct{ Now, Then, Change string }
	}
	rehearse := func(month string, more ...string) rehearsed {
		return ask[rehearsed](t, append([]string{"plan", "rehearse", "--data", data, "--plan", "pro", "--against", month}, more...)...)
	}
	// The demo's usage reaches a month back: where this month is too young, last month has it.
	month := "this-month"
	same := rehearse(month)
	if same.Calls < 200 {
		month = "last-month"
		same = rehearse(month)
	}
	if same.Refused != 0 || same.Calls < 200 || len(same.Customers) != 1 || len(same.Revenue) != 1 || same.Revenue[0].Change != "0.00 USD" {
		t.Errorf("the plan that it has: %+v", same)
	}
	got := rehearse(month, "--config", file)
	if got.Calls != same.Calls || got.Refused == 0 || got.Customers[0].By["tight"] != got.Refused || got.Calls-got.Refused < 100 {
		t.Errorf("a quota of 100: %+v", got)
	}
	if got.Revenue[0].Change != "20.00 USD" || got.Customers[0].Then != "49.00 USD" {
		t.Errorf("a price of 49: %+v", got.Revenue)
	}
	for want, args := range map[string][]string{
		"no plan": {"--plan", "pro", "--config", file, "--plan", "gold"},
		"--of":    {"--plan", "pro", "--of", "nobody"},
		"2026-10": {"--plan", "pro", "--against", "October"},
	} {
		if line := refused(t, 1, append([]string{"plan", "rehearse", "--data", data}, args...)...); !strings.Contains(line, want) {
			t.Errorf("rehearse %v: %q does not hold %q", args, line, want)
		}
	}
}
