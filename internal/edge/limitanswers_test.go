package edge_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// answered is what an answer of a limited service must say beside its status.
type answered struct {
	status   int
	kind     string // the end of the problem's type; "" for the service's own answer
	policies string // RateLimit-Policy; "" for none, of a request that no limit was asked about
	violated string // of a 429
	retry    bool   // it has a Retry-After of a second at least
}

func (want answered) check(t *testing.T, what string, response *http.Response, body string) {
	t.Helper()
	field := response.Header.Get
	if want.kind == "" {
		if response.StatusCode != want.status || field("Cache-Control") != "" {
			t.Errorf("%s: %s with Cache-Control %q, want the service's own %d", what, response.Status, field("Cache-Control"), want.status)
		}
	} else {
		p := problemOf(t, response, body, want.status, want.kind) // Cache-Control: no-store with it
		if got := strings.Join(p.Violated, " "); got != want.violated {
			t.Errorf("%s: violated-policies %q, want %q", what, got, want.violated)
		}
		if want.status == 429 && (p.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" || p.Upgrade == "") {
			t.Errorf("%s: problem %+v", what, p)
		}
	}
	if got := field("RateLimit-Policy"); got != want.policies {
		t.Errorf("%s: RateLimit-Policy %q, want %q", what, got, want.policies)
	}
	if got := field("RateLimit"); strings.Count(got, ";r=") != strings.Count(want.policies, ";q=") {
		t.Errorf("%s: RateLimit %q beside %q", what, got, want.policies)
	}
	wait, err := strconv.Atoi(field("Retry-After"))
	if want.retry != (err == nil && wait >= 1) {
		t.Errorf("%s: Retry-After %q, wanted %v", what, field("Retry-After"), want.retry)
	}
	if got := field("WWW-Authenticate"); (got != "") != (want.status == 401) {
		t.Errorf("%s: WWW-Authenticate %q", what, got)
	}
	t.Logf("%s: %s, type …%s, RateLimit %s, RateLimit-Policy %s, Retry-After %q, Cache-Control %q", what, response.Status, want.kind,
		field("RateLimit"), field("RateLimit-Policy"), field("Retry-After"), field("Cache-Control"))
}

// TestEveryAnswerSaysItsLimitsOrThatNoneWasAsked goes through the answers that
// a limited service's clients get.
func TestEveryAnswerSaysItsLimitsOrThatNoneWasAsked(t *testing.T) {
	t.Parallel()
	inside, goOn := make(chan struct{}), make(chan struct{})
	var service toll.Service
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			inside <- struct{}{}
			<-goOn
		case "/missing":
			w.WriteHeader(404)
		case "/broken":
			w.WriteHeader(500)
		}
	}, func(s *toll.Service) { service = *s })
	limits := func(policies ...toll.Policy) {
		t.Helper()
		plan := toll.Plan{Name: "free", Includes: []string{"ner"}, Policies: policies}
		other := toll.Plan{Name: "other"}
		if err := h.gate.Switch(gate.Rules{Services: []toll.Service{service}, Plans: []toll.PlanVersion{{ID: "free@2", Plan: plan}, {ID: "other@1", Plan: other}}}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what, path string, want answered, fields ...string) {
		t.Helper()
		response, body := h.call(t, "GET", "/v1/ner"+path, "", fields...)
		want.check(t, what, response, body)
	}
	wide := toll.Policy{Name: "hour", Kind: toll.RateLimit, Count: 1000, Window: time.Hour}
	const wideItem = `"hour";q=1000;w=3600`

	limits(wide)
	expect("the service's 200", "/", answered{status: 200, policies: wideItem})
	expect("the service's 404", "/missing", answered{status: 404, policies: wideItem})
	expect("the service's 500", "/broken", answered{status: 500, policies: wideItem})

	limits(wide, toll.Policy{Name: "rate", Kind: toll.RateLimit, Count: 1, Window: time.Hour})
	const rateItems = wideItem + `, "rate";q=1;w=3600`
	expect("the first of a rate", "/", answered{status: 200, policies: rateItems})
	expect("over a rate", "/", answered{status: 429, kind: "quota-exceeded", policies: rateItems, violated: "rate", retry: true})

	limits(wide, toll.Policy{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Count: 1, Every: toll.Monthly})
	const quotaItems = wideItem + `, "monthly";q=1;w=2592000`
	expect("the first of a quota", "/", answered{status: 200, policies: quotaItems})
	expect("over a quota", "/", answered{status: 429, kind: "quota-exceeded", policies: quotaItems, violated: "monthly", retry: true})

	limits(wide, toll.Policy{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: 1})
	const parallelItems = wideItem + `, "parallel";q=1;qu="concurrent-requests"`
	over := make(chan struct{})
	go func() {
		defer close(over)
		expect("the one in flight", "/slow", answered{status: 200, policies: parallelItems})
	}()
	<-inside
	expect("beside the one in flight", "/", answered{status: 429, kind: "quota-exceeded", policies: parallelItems, violated: "parallel", retry: true})
	close(goOn)
	<-over

	limits(toll.Policy{Name: "watched", Kind: toll.RateLimit, Count: 1, Window: time.Hour, Shadow: true})
	for range 3 {
		expect("over a shadow", "/", answered{status: 200})
	}

	limits(wide)
	expect("without a key", "/", answered{status: 401, kind: "key-missing"}, "Authorization", "")
	h.chain.Switch(edge.Backends{"ner": breaks{}}) // from here on nothing may come to the service
	h.gate.PutCustomer(toll.Customer{ID: "cus_1", Status: toll.CustomerActive, Subscription: toll.Subscription{Plan: "other"}})
	expect("on a plan without the service", "/", answered{status: 403, kind: string(toll.RefusedNotIncluded)})
	h.gate.PutCustomer(toll.Customer{ID: "cus_1", Status: toll.CustomerSuspended, Subscription: toll.Subscription{Plan: "free"}})
	expect("of a suspended customer", "/", answered{status: 403, kind: string(toll.RefusedSuspended)})
}

func TestATokenOfTheManagementAPIIsToldWhereItBelongs(t *testing.T) {
	t.Parallel()
	h := open(t, func(http.ResponseWriter, *http.Request) { t.Error("it came to the service") })
	token, _, _, err := apikey.NewToken(nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, told := range map[string]bool{token.Reveal(): true, token.Reveal()[:20]: true, "th_live_" + token.Reveal(): false, "nonsense": false} {
		for _, field := range []string{"Authorization", "X-Api-Key"} {
			value := map[string]string{"Authorization": "Bearer " + text, "X-Api-Key": text}[field]
			fields := []string{"Authorization", "", field, value}
			response, body := h.call(t, "GET", "/v1/ner/", "", fields...)
			p := problemOf(t, response, body, 401, "key-malformed")
			if strings.Contains(p.Detail, "token of the management API") != told || strings.Contains(body, text) {
				t.Errorf("%s %q: %s", field, text, p.Detail)
			}
		}
	}
}

// TestACallThatNeverPassesIsToldWhatItNeedsAndNoTime is beside the one that is
// refused now and passes in the next period.
func TestACallThatNeverPassesIsToldWhatItNeedsAndNoTime(t *testing.T) {
	t.Parallel()
	h := reserving(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Tollhouse-Usage", "words=950") })
	h.call(t, "POST", "/v1/ner/extractions", "text")
	response, body := h.call(t, "POST", "/v1/ner/extractions", "text")
	p := problemOf(t, response, body, 429, "quota-exceeded")
	if want := "Over the quota “words” (1000 words per month): the call needs 100 words, and 50 are left. Try again in "; !strings.HasPrefix(p.Detail, want) {
		t.Errorf("more than is left: %q, want it to begin %q", p.Detail, want)
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err != nil || !strings.Contains(response.Header.Get("RateLimit"), `"words";r=50;t=`+strconv.Itoa(seconds)) {
		t.Errorf("Retry-After %q beside RateLimit %q", response.Header.Get("Retry-After"), response.Header.Get("RateLimit"))
	}

	h.limit(t, toll.Policy{Name: "words", Kind: toll.Quota, Unit: "words", Count: 99, Every: toll.Monthly})
	response, body = h.call(t, "POST", "/v1/ner/extractions", "text")
	p = problemOf(t, response, body, 429, "over-whole-quota")
	if want := "The call needs 100 words at once, and the quota “words” (99 words per month) never holds so many: it cannot pass, now or later. A plan with a larger quota lets it pass."; p.Detail != want {
		t.Errorf("more than the whole: %q, want %q", p.Detail, want)
	}
	if got := response.Header["Retry-After"]; got != nil {
		t.Errorf("it is told to come again after %q", got)
	}
	if got := response.Header.Get("RateLimit"); !strings.HasPrefix(got, `"words";r=0;t=`) {
		t.Errorf("RateLimit %q", got)
	}
	if p.Upgrade == "" || len(p.Violated) != 1 {
		t.Errorf("problem %+v", p)
	}

	h.limit(t, toll.Policy{Name: "none", Kind: toll.Quota, Unit: toll.UnitRequests, Count: 0, Every: toll.Monthly})
	response, body = h.call(t, "POST", "/v1/ner/extractions", "text")
	p = problemOf(t, response, body, 429, "over-whole-quota")
	if want := "The quota “none” is 0 requests: it lets no call pass, now or later. A plan with a larger quota lets it pass."; p.Detail != want {
		t.Errorf("of a quota of nothing: %q, want %q", p.Detail, want)
	}
}
