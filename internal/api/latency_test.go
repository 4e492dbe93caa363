package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestTellsHowLongRequestsTookPerEndpointAndStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	var events []toll.Event
	for n := range 100 { // 10 to 1,000 ms, half of them an hour later
		events = append(events, toll.Event{
			Customer: "cus_own", Latency: time.Duration(n+1) * 10 * time.Millisecond,
			Time: at(t, "2026-11-02T10:00:00Z").Add(time.Duration(n/50) * time.Hour),
		})
	}
	events = append(events, toll.Event{Customer: "cus_foreign", Service: "daybook", Endpoint: "other", Latency: time.Second, Time: at(t, "2026-11-03T00:00:00Z")})
	w.used(t, events...)

	// Two points on a page at most, so that pages are the whole answer too.
	asked := func(query string) string {
		var lines []string
		for next, pages := "", 0; next != "" || pages == 0; pages++ {
			out := w.ask(t, "GET", "/api/v1/usage/latency?limit=2&"+query+"&cursor="+url.QueryEscape(next), token, "")
			var got latencyAnswer
			if err := json.Unmarshal(out.Body.Bytes(), &got); err != nil || out.Code != 200 || len(got.Points) > 2 {
				t.Fatalf("%s: %d %s", query, out.Code, out.Body)
			}
			for _, p := range got.Points {
				lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s", p.Start.Format("02T15"), p.Group))+fmt.Sprintf(": %d %v %v %v", p.Requests, p.P50, p.P95, p.P99))
			}
			next = got.Next
		}
		return strings.Join(lines, "\n")
	}
	for query, want := range map[string]string{
		"":                           "01T00 daybook other: 1 1 1 1\n01T00 ner POST /extractions: 100 0.5 0.95 0.99",
		"by=all":                     "01T00: 101 0.51 0.96 1",
		"by=service":                 "01T00 daybook: 1 1 1 1\n01T00 ner: 100 0.5 0.95 0.99",
		"step=day":                   "02T00 ner POST /extractions: 100 0.5 0.95 0.99\n03T00 daybook other: 1 1 1 1",
		"step=hour":                  "02T10 ner POST /extractions: 50 0.25 0.48 0.5\n02T11 ner POST /extractions: 50 0.75 0.98 1\n03T00 daybook other: 1 1 1 1",
		"step=hour&by=all":           "02T10: 50 0.25 0.48 0.5\n02T11: 50 0.75 0.98 1\n03T00: 1 1 1 1",
		"service=daybook":            "01T00 daybook other: 1 1 1 1",
		"service=ner&endpoint=other": "",
		"from=2026-11-02T11:00:00Z&to=2026-11-03": "02T11 ner POST /extractions: 50 0.75 0.98 1",
		"from=2026-10-01&to=2026-11-01":           "",
	} {
		if got := asked(query); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", query, got, want)
		}
	}
}

func TestRefusesAQuestionAboutLatencyThatIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	for query, field := range map[string]string{
		"step=15m": "step", "by=customer": "by", "from=soon": "from", "from=2026-11-02&to=2026-11-02": "to", "step=hour&from=2026-01-01&to=2026-03-01": "from",
		"limit=0": "limit", "limit=1001": "limit", "cursor=x": "cursor", "zone=UTC": "zone", "customer=cus_own": "customer", "from=2001-01-01": "from",
	} {
		out := w.ask(t, "GET", "/api/v1/usage/latency?"+query, token, "")
		if out.Code != 422 || !strings.Contains(out.Body.String(), field) {
			t.Errorf("%s: %d %s, want a 422 that names %s", query, out.Code, out.Body, field)
		}
	}
}
