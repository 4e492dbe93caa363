package api

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// used stores events: each of a customer, at a moment, of so many words.
func (w *world) used(t testing.TB, events ...toll.Event) {
	t.Helper()
	ids := toll.NewIDs(nil)
	for i := range events {
		e := &events[i]
		e.ID, e.Plan, e.PlanVersion, e.Class = ids.New(noon), "pro", "pro@1", toll.Chargeable
		e.Service, e.Endpoint = cmp.Or(e.Service, "ner"), cmp.Or(e.Endpoint, "POST /extractions")
		e.Status = cmp.Or(e.Status, 200)
	}
	lane := fmt.Sprint("node/", len(w.memory.Lanes()))
	must(t, w.memory.Drain(t.Context(), &meter.Batch{Lane: lane, Next: meter.Position{Segment: 1, Offset: 1}, Events: events}))
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, text)
	must(t, err)
	return moment
}

func wordsOf(n int64) []toll.Amount { return []toll.Amount{{Unit: "words", Count: n}} }

// usage asks one question, page by page.
func (w *world) usage(t testing.TB, token, query string) (points []usagePoint, pages int) {
	t.Helper()
	next := ""
	for {
		out := w.ask(t, "GET", "/api/v1/usage?"+query+"&cursor="+url.QueryEscape(next), token, "")
		var got usageAnswer
		if err := json.Unmarshal(out.Body.Bytes(), &got); err != nil || out.Code != 200 {
			t.Fatalf("%s: %d %s", query, out.Code, out.Body)
		}
		points = append(points, got.Points...)
		pages++
		if next = got.Next; next == "" {
			return points, pages
		}
	}
}

// written says points in one line each.
func written(points []usagePoint) string {
	var lines []string
	for _, p := range points {
		lines = append(lines, strings.Join(strings.Fields(p.Start.Format(time.RFC3339)+" "+p.Group+" "+fmt.Sprint(p.Count)), " "))
	}
	return strings.Join(lines, "\n")
}

func TestAnswersInDaysAndHoursOfTheZoneThatIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	w.used(t,
		toll.Event{Customer: "cus_own", Time: at(t, "2026-10-31T23:30:00-04:00"), Units: wordsOf(1)},
		toll.Event{Customer: "cus_own", Time: at(t, "2026-11-01T00:30:00-04:00"), Units: wordsOf(10)},
		toll.Event{Customer: "cus_own", Time: at(t, "2026-11-01T01:30:00-04:00"), Units: wordsOf(100)},
		toll.Event{Customer: "cus_own", Time: at(t, "2026-11-01T01:30:00-05:00"), Units: wordsOf(1000)}, // the hour that is there twice
		toll.Event{Customer: "cus_own", Time: at(t, "2026-11-01T23:59:59-05:00"), Units: wordsOf(10000)},
		toll.Event{Customer: "cus_own", Time: at(t, "2026-11-02T00:00:00-05:00"), Units: wordsOf(100000)},
	)
	for query, want := range map[string]string{
		"zone=America/New_York&step=day&unit=words&from=2026-10-01&to=2026-12-01": "2026-10-31T00:00:00-04:00 1\n" +
			"2026-11-01T00:00:00-04:00 11110\n2026-11-02T00:00:00-05:00 100000",
		"zone=America/New_York&step=hour&unit=words&from=2026-11-01&to=2026-11-02": "2026-11-01T00:00:00-04:00 10\n" +
			"2026-11-01T01:00:00-04:00 100\n2026-11-01T01:00:00-05:00 1000\n2026-11-01T23:00:00-05:00 10000",
		"zone=Asia/Kolkata&step=day&unit=words&from=2026-10-01&to=2026-12-01": "2026-11-01T00:00:00+05:30 1111\n2026-11-02T00:00:00+05:30 110000",
		"zone=Asia/Kathmandu&step=hour&unit=words&from=2026-11-01T11:00:00%2B05:45&to=2026-11-01T13:00:00%2B05:45": "2026-11-01T11:00:00+05:45 100\n" +
			"2026-11-01T12:00:00+05:45 1000",
		"zone=UTC&unit=words&from=2026-11-01&to=2026-11-02":                   "2026-11-01T00:00:00Z 1111",
		"zone=UTC&step=15m&from=2026-11-01T05:20:00Z&to=2026-11-01T06:31:00Z": "2026-11-01T05:30:00Z 1\n2026-11-01T06:30:00Z 1",
	} {
		points, _ := w.usage(t, token, query)
		if got := written(points); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", query, got, want)
		}
	}
}

// TestPagesAndTableAreTheWholeAnswer holds pages and CSV to a plain recount.
func TestPagesAndTableAreTheWholeAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	zones := []string{"UTC", "Asia/Kolkata", "America/New_York", "Asia/Kathmandu", "Europe/Madrid"}
	begin := at(t, "2026-10-24T00:00:00Z") // Madrid and New York change their clocks after it
	var events []toll.Event
	for i := range 120 {
		events = append(events, toll.Event{
			Customer: fmt.Sprint("cus_", i%7), Time: begin.Add(time.Duration(i*i%613) * 17 * time.Minute), Units: wordsOf(int64(i)),
			Service: []string{"ner", "ocr"}[i%2], Status: []int{200, 404, 500}[i%3],
		})
	}
	w.used(t, events...)
	rapid.Check(t, func(rt *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(rt, "zone")
		step := rapid.SampledFrom([]string{"", "15m", "hour", "day"}).Draw(rt, "step")
		by := rapid.SampledFrom([]string{"", "customer", "service", "status", "unit"}).Draw(rt, "by")
		limit := rapid.IntRange(7, 60).Draw(rt, "limit")
		query := "from=2026-10-24&to=2026-11-02&zone=" + zone + "&limit=" + fmt.Sprint(limit)
		for name, value := range map[string]string{"step": step, "by": by} {
			if value != "" {
				query += "&" + name + "=" + value
			}
		}
		if by != "unit" {
			query += "&unit=words"
		}
		got, pages := w.usage(t, token, query)
		want := recount(t, events, zone, step, by)
		if written(got) != written(want) {
			rt.Fatalf("%s:\n%s\nwant\n%s", query, written(got), written(want))
		}
		if most := max(1, (len(want)+limit-1)/limit); pages != most {
			rt.Fatalf("%s: %d points in %d pages", query, len(want), pages)
		}
		out := w.ask(t, "GET", "/api/v1/usage.csv?"+strings.ReplaceAll(query, "&limit="+fmt.Sprint(limit), ""), token, "")
		lines, err := csv.NewReader(out.Body).ReadAll()
		must(t, err)
		if len(lines) != len(want)+1 {
			rt.Fatalf("%s: %d lines for %d points", query, len(lines), len(want))
		}
		for i, p := range want {
			if line := lines[i+1]; line[0] != p.Start.Format(time.RFC3339) || line[len(line)-1] != fmt.Sprint(p.Count) || by != "" && line[1] != p.Group {
				rt.Fatalf("%s: line %v for %+v", query, line, p)
			}
		}
	})
}

// recount is the slow and obvious way.
func recount(t testing.TB, events []toll.Event, zoneName, step, by string) []usagePoint {
	t.Helper()
	zone, err := time.LoadLocation(zoneName)
	must(t, err)
	type key struct {
		start time.Time
		group string
	}
	sums := map[key]int64{}
	from, to := time.Date(2026, 10, 24, 0, 0, 0, 0, zone), time.Date(2026, 11, 2, 0, 0, 0, 0, zone)
	for _, e := range events {
		if e.Time.Before(from) || !e.Time.Before(to) {
			continue
		}
		local := e.Time.In(zone)
		start := from
		switch step {
		case "day":
			start = time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, zone)
		case "hour":
			start = local.Add(-time.Duration(local.Minute())*time.Minute - time.Duration(local.Second())*time.Second)
		case "15m":
			start = local.Add(-time.Duration(local.Minute()%15)*time.Minute - time.Duration(local.Second())*time.Second)
		}
		start = start.Truncate(time.Second)
		group := map[string]string{"customer": e.Customer, "service": e.Service, "status": fmt.Sprint(e.Status/100, "xx"), "unit": "words"}[by]
		if by == "status" {
			group = fmt.Sprintf("%dxx", e.Status/100)
		}
		sums[key{start, group}] += e.Units[0].Count
		if by == "unit" {
			sums[key{start, toll.UnitRequests}]++
		}
	}
	var points []usagePoint
	for k, n := range sums {
		if n != 0 {
			points = append(points, usagePoint{k.start, k.group, n})
		}
	}
	slices.SortFunc(points, func(a, b usagePoint) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Group, b.Group))
	})
	return points
}

func TestGivesTheLargestGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	for i, n := range []int64{5, 100, 7, 100, 1} {
		w.used(t, toll.Event{Customer: fmt.Sprint("cus_", i), Time: noon.Add(-time.Hour), Units: wordsOf(n)})
	}
	points, _ := w.usage(t, token, "by=customer&unit=words&top=3")
	var got []string
	for _, p := range points {
		got = append(got, fmt.Sprint(p.Group, " ", p.Count))
	}
	if want := []string{"cus_1 100", "cus_3 100", "cus_2 7"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	out := w.ask(t, "GET", "/api/v1/usage.csv?by=customer&unit=words&top=2", token, "")
	if want := "start,customer,unit,count\r\n2026-11-01T00:00:00Z,cus_1,words,100\r\n2026-11-01T00:00:00Z,cus_3,words,100\r\n"; out.Body.String() != want {
		t.Errorf("the table: %q, want %q", out.Body, want)
	}
	p := wantProblem(t, "a table of days", w.ask(t, "GET", "/api/v1/usage.csv?by=customer&step=day&top=2", token, ""), 422, "api-invalid")
	if len(p.Errors) != 1 || p.Errors[0].Field != "top" {
		t.Errorf("a table of days: %+v", p.Errors)
	}
}

// TestTheLargestOfThisMonthAreThoseOfAWholeMonth: without to, the question is
// one that the store has a ranking for; one that began earlier ends now.
func TestTheLargestOfThisMonthAreThoseOfAWholeMonth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	for query, want := range map[string]string{
		"by=customer&top=3":                 "2026-11-01T00:00:00Z 2026-12-01T00:00:00Z",
		"by=customer&top=3&from=2026-10-01": "2026-10-01T00:00:00Z " + noon.Format(time.RFC3339Nano),
		"by=customer":                       "2026-11-01T00:00:00Z " + noon.Format(time.RFC3339Nano),
		"by=customer&top=3&to=2026-11-09":   "2026-11-01T00:00:00Z 2026-11-09T00:00:00Z",
	} {
		var got struct{ From, To string }
		out := w.ask(t, "GET", "/api/v1/usage?"+query, token, "")
		if err := json.Unmarshal(out.Body.Bytes(), &got); err != nil || got.From+" "+got.To != want {
			t.Errorf("%s: %d %v, from %s to %s; want %s", query, out.Code, err, got.From, got.To, want)
		}
	}
}

func TestAMemberSeesItsOwnCustomerOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(t, "member/developer")
	token := w.token(t, toll.KindMember, "member_developer", toll.ScopeReadUsage)
	w.used(t,
		toll.Event{Customer: "cus_own", Key: "key_own", Time: noon.Add(-time.Hour), Units: wordsOf(3)},
		toll.Event{Customer: "cus_foreign", Key: "key_foreign", Time: noon.Add(-time.Hour), Units: wordsOf(1000)})
	for _, query := range []string{"by=customer&unit=words", "by=customer&unit=words&customer=cus_own", "by=customer&unit=words&top=5"} {
		if points, _ := w.usage(t, token, query); len(points) != 1 || points[0].Group != "cus_own" || points[0].Count != 3 {
			t.Errorf("%s: %+v", query, points)
		}
	}
	if points, _ := w.usage(t, token, "key=key_foreign"); len(points) > 0 {
		t.Errorf("another's key: %+v", points)
	}
	for _, path := range []string{"/api/v1/usage?customer=cus_foreign", "/api/v1/usage.csv?customer=cus_foreign"} {
		wantProblem(t, path, w.ask(t, "GET", path, token, ""), 404, "api-not-found")
	}
	out := w.ask(t, "GET", "/api/v1/usage.csv?by=customer&unit=words", token, "")
	if want := "start,customer,unit,count\r\n2026-11-01T00:00:00Z,cus_own,words,3\r\n"; out.Body.String() != want {
		t.Errorf("the table: %q, want %q", out.Body, want)
	}
}

func TestRefusesAQuestionThatMakesNoSense(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	for query, field := range map[string]string{
		"from=yesterday": "from", "to=2026-13-01": "to", "from=2026-11-02&to=2026-11-01": "to", "from=0001-01-01": "from",
		"from=9999-01-01&to=9999-01-02": "from", "zone=Mars/Olympus": "zone", "zone=Local": "zone", "zone=../../etc/passwd": "zone",
		"step=week": "step", "by=colour": "by", "status=200": "status", "class=free": "class", "top=-1": "top", "top=5000": "top",
		"limit=0": "limit", "limit=many": "limit", "top=5": "top", "top=5&by=key&step=day": "top", "by=unit&unit=words": "unit",
		"step=15m&from=2026-01-01": "from", "step=hour&from=2020-01-01": "from", "cursor=x": "cursor", "cursor=bnVsbA": "cursor",
		"colour=red": "colour", "unit=" + strings.Repeat("x", 101): "unit",
	} {
		p := wantProblem(t, query, w.ask(t, "GET", "/api/v1/usage?"+query, token, ""), 422, "api-invalid")
		if len(p.Errors) != 1 || p.Errors[0].Field != field {
			t.Errorf("%s: got %+v, want one about %s", query, p.Errors, field)
		}
	}
}

func TestATableIsHarmlessInASpreadsheet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	nasty := []string{`=HYPERLINK("http://evil")`, "+1", "-1", "@SUM(A1)", "\tx", "fine, \"quoted\"\nand long", "%x|calc"}
	for _, s := range nasty {
		w.used(t, toll.Event{Customer: "cus_own", Service: "s", Key: s, Time: noon.Add(-time.Hour)})
	}
	out := w.ask(t, "GET", "/api/v1/usage.csv?by=key", token, "")
	lines, err := csv.NewReader(out.Body).ReadAll()
	must(t, err)
	if len(lines) != len(nasty)+1 || !reflect.DeepEqual(lines[0], []string{"start", "key", "unit", "count"}) {
		t.Fatalf("%v", lines)
	}
	for _, line := range lines[1:] {
		if strings.ContainsAny(line[1][:1], "=+-@\t\r%|") {
			t.Errorf("%q would be a formula", line[1])
		}
	}
	if cd := out.Header().Get("Content-Disposition"); cd != `attachment; filename="usage-2026-11-01.csv"` {
		t.Errorf("Content-Disposition: %s", cd)
	}
}
