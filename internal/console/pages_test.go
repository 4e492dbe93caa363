package console

import (
	"encoding/csv"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/words"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Each page as htmx gets it, one element a line, as a golden file: who changes
// a page sees in the diff what changed for people.
func TestPagesLookAsTheirGoldenFiles(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct{ email, path string }{
		"signin":    {"", "/sign-in?next=/usage"},
		"overview":  {"owner@initech.example", "/overview"},
		"keys":      {"owner@acme.example", "/keys"},
		"newkey":    {"owner@acme.example", "/keys/new"},
		"usage":     {"owner@acme.example", "/usage?range=7d"},
		"plan":      {"owner@globex.example", "/plan"},
		"planfree":  {"owner@initech.example", "/plan"},
		"planasked": {"owner@acme.example", "/plan"},
		"asklimit":  {"owner@acme.example", "/plan/limit"},
		"approvals": {"support@house.example", "/approvals"},
		"reject":    {"support@house.example", "/approvals/APPROVAL/reject"},
		"audit":     {"support@house.example", "/audit?action=customer."},
		"customers": {"support@house.example", "/customers?sort=created&order=desc"},
		"ranking":   {"support@house.example", "/usage/customers?unit=words"},
		"customer":  {"support@house.example", "/customers/CUSTOMER"},
		"notfound":  {"owner@acme.example", "/nowhere"},
		"requests":  {"owner@globex.example", "/requests"},
		"models":    {"owner@acme.example", "/models"},
		"modelsall": {"support@house.example", "/models"},
		"support":   {"support@house.example", "/support"},
		"thread":    {"owner@acme.example", "/support/threads/THREAD"},
		"import":    {"admin@house.example", "/import"},

		"explainrefused":  {"owner@acme.example", "/requests?id=" + refusedID},
		"explainanswered": {"viewer@acme.example", "/requests?id=" + answeredID},
		"explainunknown":  {"owner@initech.example", "/requests?id=" + refusedID},
		"explainoperator": {"viewer@house.example", "/requests?id=" + nobodysID},
	} {
		w := newWorld(t)
		b := w.browser()
		if x.email != "" {
			b = w.as(x.email)
		}
		r := b.htmx("main#content").get(strings.NewReplacer("CUSTOMER", w.empty.ID, "APPROVAL", w.approval.ID, "THREAD", w.thread.ID).Replace(x.path))
		html := strip(r)
		for _, k := range []toll.Key{w.key, w.otherKey} {
			html = strings.ReplaceAll(html, "…"+k.Hint, "…HINT")
		}
		golden(t, name+".html", strings.ReplaceAll(onceField.ReplaceAllString(html, `name="hx-once" value="TOKEN"`), "><", ">\n<")+"\n")
	}
}

func rows(t *testing.T, r *httptest.ResponseRecorder) [][]string {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(r.Body.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTheChartTheTableAndTheCSVSayTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	for _, query := range []string{"", "?range=24h", "?range=7d&unit=words", "?range=90d&service=ner", "?range=nonsense&unit=nonsense"} {
		var sum, want int64
		for _, row := range rows(t, b.get("/usage.csv"+query))[1:] {
			var n int64
			if _, err := fmt.Sscan(row[5], &n); err != nil {
				t.Fatal(err)
			}
			sum += n
		}
		from, to := spanOf(strings.TrimPrefix(strings.Split(query+"&", "&")[0], "?range=")).bounds(w.clock())
		unit := toll.UnitRequests
		if strings.Contains(query, "unit=words") {
			unit = "words"
		}
		points, err := w.usage.Series(t.Context(), meter.Question{From: from, To: to, Customer: w.customer.ID, Unit: unit})
		w.ok(err)
		for _, p := range points {
			want += p.Count
		}
		body := b.get("/usage" + query).Body.String()
		total := b.w.text(want)
		if sum != want || want == 0 || !strings.Contains(body, `<dd class="value">`+total+`</dd>`) {
			t.Errorf("%q: the CSV adds up to %d, the meter says %d, the page does not say %s", query, sum, want, total)
		}
		if bars := strings.Count(body, `class="slot"`); bars != spanOf(strings.TrimPrefix(strings.Split(query+"&", "&")[0], "?range=")).count || strings.Count(body, "<tr>") < bars {
			t.Errorf("%q has %d bars and %d rows", query, bars, strings.Count(body, "<tr>"))
		}
	}
}

// text writes a number as an English page does.
func (w *world) text(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func TestCSVIsNoFormula(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	evil := `=HYPERLINK("https://evil.example","x")`
	c, err := w.office.CreateCustomer(t.Context(), account.System, account.NewCustomer{Name: evil, Plan: "free"})
	w.ok(err)
	w.usage.cells = append(w.usage.cells, use{hour: w.clock().Truncate(time.Hour), customer: c.ID, service: "ner", status: "2xx", unit: toll.UnitRequests, class: toll.Chargeable, count: 3})
	r := w.as("viewer@house.example").get("/customers/" + c.ID + "/usage.csv")
	got := rows(t, r)
	if len(got) != 2 || got[1][1] != "'"+evil || got[1][5] != "3" {
		t.Errorf("the rows are %q", got)
	}
	if d := r.Header().Get("Content-Disposition"); !strings.HasPrefix(d, "attachment;") {
		t.Errorf("it is not offered as a file: %q", d)
	}
	for in, want := range map[string]string{"": "", "a": "a", "=1": "'=1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx", "é": "é", "ÿ=": "ÿ="} {
		if got := cell(in); got != want {
			t.Errorf("the cell of %q is %q, want %q", in, got, want)
		}
	}
}

func TestTheMonthsCostIsWhatTheBillSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if body := w.as("billing@acme.example").get("/overview").Body.String(); !strings.Contains(body, "$29.00") {
		t.Error("the cost is not shown")
	}
	if body := w.as("developer@acme.example").get("/overview").Body.String(); strings.Contains(body, "$29.00") {
		t.Error("a developer, who may not read bills, reads the cost")
	}
}

func TestTheCodeSampleIsACallThatWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	for lang, want := range map[string]string{"": "curl http://localhost:8080/v1/ner/extractions", "go": "http.NewRequest(&#34;POST&#34;", "python": "urllib.request", "javascript": "await fetch", "cobol": "curl "} {
		body := b.htmx("section#sample").get("/overview?code=" + lang).Body.String()
		if !strings.Contains(body, want) || !strings.Contains(body, "TOLLHOUSE_KEY") || strings.Contains(body, "<h1") {
			t.Errorf("the sample in %q is %s", lang, body)
		}
	}
	if body := b.get("/overview").Body.String(); !strings.Contains(body, "curl http://localhost:8080/v1/ner/extractions") {
		t.Error("the overview does not show the sample")
	}
	for _, body := range []string{`it's`, "back`tick", `a "quote" \ and`} {
		for _, l := range codeLanguages {
			if s := l.write("POST", "http://h/x", "text/plain", body); s == "" || strings.Contains(s, "%!") {
				t.Errorf("%s of %q is %q", l.id, body, s)
			}
		}
	}
	if got := writeCurl("POST", "http://h/x", "text/plain", "it's"); !strings.Contains(got, `-d 'it'\''s'`) {
		t.Errorf("the shell would end the text: %s", got)
	}
}

func TestCustomersAreFoundSortedAndPaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 60 {
		_, err := w.office.CreateCustomer(t.Context(), account.System, account.NewCustomer{Name: fmt.Sprintf("Customer %02d", i), Plan: "free"})
		w.ok(err)
	}
	b := w.as("viewer@house.example")
	page := b.get("/customers").Body.String()
	if n := strings.Count(page, `class="link block"`); n != customersOnPage {
		t.Errorf("a page has %d customers, want %d", n, customersOnPage)
	}
	next := strings.ReplaceAll(between(page, `href="/customers?after=`, `"`), "&amp;", "&")
	if next == "" {
		t.Fatal("there is no next page")
	}
	second := b.get("/customers?after=" + next).Body.String()
	if n := strings.Count(second, `class="link block"`); n != 13 || strings.Contains(second, "Customer 00") {
		t.Errorf("the second page has %d customers", n)
	}
	if !strings.Contains(second, "First page") {
		t.Error("the second page does not lead back")
	}
	found := b.htmx("div#results").get("/customers?q=globex&plan=payg&status=active").Body.String()
	if n := strings.Count(found, `class="link block"`); n != 1 || !strings.Contains(found, "Globex") {
		t.Errorf("the search finds %d", n)
	}
	if none := b.get("/customers?q=globex&status=suspended").Body.String(); !strings.Contains(none, "No customer fits") {
		t.Error("a search without a hit does not say so")
	}
	down := b.get("/customers?order=desc").Body.String()
	if strings.Index(down, "Initech") > strings.Index(down, "Acme") && strings.Contains(down, "Acme") || !strings.Contains(down, `aria-sort="descending"`) {
		t.Error("the order is not by name, downwards")
	}
	if r := b.get("/customers?after=%00bogus"); r.Code != 422 && r.Code != 200 {
		t.Errorf("a bogus cursor is %d", r.Code)
	}
	evil := b.get(`/customers?q="><script>alert(1)</script>`).Body.String()
	if strings.Contains(evil, "<script>alert") {
		t.Error("what is searched for becomes HTML")
	}
}

func between(s, from, to string) string {
	_, s, ok := strings.Cut(s, from)
	if !ok {
		return ""
	}
	s, _, _ = strings.Cut(s, to)
	return s
}

func TestFiguresAreComparedInWordsThatSaySomething(t *testing.T) {
	t.Parallel()
	v := &visit{words: words.In("en")}
	for _, x := range []struct {
		now, before int64
		want        string
	}{
		{0, 0, "Nothing at this point last month"},
		{5, 0, "Nothing at this point last month"},
		{110, 100, "10% more than last month so far"},
		{90, 100, "10% less than last month so far"},
		{100, 100, "As many as last month so far"},
		{3380, 5, "5 at this point last month"},
		{0, 7, "100% less than last month so far"},
	} {
		if got := v.change("change", x.now, x.before); got != x.want {
			t.Errorf("%d after %d is %q, want %q", x.now, x.before, got, x.want)
		}
	}
}
