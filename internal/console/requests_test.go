package console

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// strip without the page's own request ID, and without what was asked for.
func plainOf(r *httptest.ResponseRecorder, asked string) string {
	return strings.ReplaceAll(strings.ReplaceAll(r.Body.String(), r.Header().Get("X-Request-ID"), "ID"), asked, "ASKED")
}

func TestARequestOfAnotherCustomerReadsAsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const none = "01KAH2V7Q3M8X2C4B5N6P7R8SZ"
	for _, b := range []*browser{w.as("owner@globex.example"), w.as("owner@globex.example").htmx("div#results")} {
		unknown := b.get("/requests?id=" + none)
		for _, id := range []string{refusedID, answeredID, failedID, nobodysID} {
			r := b.get("/requests?id=" + id)
			if r.Code != 404 || plainOf(r, id) != plainOf(unknown, none) {
				t.Errorf("%s is %d and reads otherwise than one that nobody knows:\n%s", id, r.Code, r.Body)
			}
		}
		if r := b.get("/requests?id=" + theirsID); r.Code != 200 || !strings.Contains(r.Body.String(), "not in the plan") {
			t.Errorf("their own is %d: %s", r.Code, r.Body)
		}
		if body := b.get("/requests?customer=" + w.customer.ID).Body.String(); strings.Contains(body, refusedID) || !strings.Contains(body, theirsID) {
			t.Error("the list shows a foreign refusal, or not their own")
		}
	}
}

// careless is a lookup that does not keep customers apart.
type careless struct{ *lookup }

func (c careless) Explain(ctx context.Context, id, _ string) (toll.Explanation, error) {
	return c.lookup.Explain(ctx, id, "")
}

func (c careless) Refused(_ string, most int) []toll.Explanation { return c.lookup.Refused("", most) }

func TestTheConsoleAsksItselfWhoseARequestIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := w.lookup()
	w = newWorld(t, func(o *Options) { o.Requests = careless{all} })
	all.all = w.lookup().all
	b := w.as("owner@globex.example")
	for _, path := range []string{"/requests", "/requests?id=" + refusedID, "/requests?id=" + nobodysID} {
		if body := b.get(path).Body.String(); strings.Contains(body, "/requests?id="+refusedID) || strings.Contains(body, "/requests?id="+nobodysID) || strings.Contains(body, `id="explained"`) {
			t.Errorf("%s shows what is not theirs", path)
		}
	}
}

func TestExplainSaysWhichLimitRefusedAndWhenItPasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for lang, wants := range map[string][]string{
		"en": {"Refused by a limit: Calls per minute, ner POST /extractions", "One more passes at 20 Nov 2026, 14:07:03\u00a0UTC (in 1 minute).", "Only reports: would refuse", "65,604", "production"},
		"fr": {"Refusée par une limite", "Une de plus passera le", "dans 1 minute", "65\u202f604"},
		"es": {"Rechazada por un límite", "Una más pasará el", "en 1 minuto", "65.604"},
	} {
		_, err := w.office.CreateMember(t.Context(), systemPerson, memberSpeaking(w.customer.ID, lang))
		w.ok(err)
		body := w.as(lang + "@acme.example").get("/requests?id=" + refusedID).Body.String()
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("in %s it does not say %q", lang, want)
			}
		}
	}
	b := w.as("developer@acme.example")
	for id, want := range map[string]string{
		answeredID: "Requests: 1, Words: 10", failedID: "The service failed (502): not counted", expiredID: "Refused: the key has expired",
	} {
		if body := b.get("/requests?id=" + id).Body.String(); !strings.Contains(body, want) {
			t.Errorf("%s does not say %q", id, want)
		}
	}
	w.pass(1 << 40)
	if body := b.get("/requests?id=" + refusedID).Body.String(); !strings.Contains(body, "one more would have passed: send it again") {
		t.Error("once it passes it does not say so")
	}
	if r := b.get("/requests?id=" + strings.Repeat("x", 300)); r.Code != 404 {
		t.Errorf("an ID of 300 characters is %d", r.Code)
	}
}

func TestExplainSaysWhatACallNeedsAndThatItNeverPasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for lang, wants := range map[string][2][]string{
		"en": {{"The call needs 20,000, and the limit never holds so many", "10,000; the call needs 20,000", "Never"}, {"The call needs 500, and 120 were left. One more passes at", "120; the call needs 500"}},
		"fr": {{"il ne peut pas passer", "Jamais"}, {"il en restait 120"}},
		"es": {{"no puede pasar", "Nunca"}, {"quedaban 120"}},
	} {
		_, err := w.office.CreateMember(t.Context(), systemPerson, memberSpeaking(w.customer.ID, lang))
		w.ok(err)
		b := w.as(lang + "@acme.example")
		for i, id := range []string{neverID, largeID} {
			body := b.get("/requests?id=" + id).Body.String()
			for _, want := range wants[i] {
				if !strings.Contains(body, want) {
					t.Errorf("%s in %s does not say %q", id, lang, want)
				}
			}
		}
		if body := b.get("/requests?id=" + neverID).Body.String(); strings.Contains(body, "as soon as") {
			t.Error("it promises a time that never comes")
		}
	}
	if body := w.as("viewer@house.example").get("/requests?id=" + neverID).Body.String(); !strings.Contains(body, w.customer.Name+"</a>") || !strings.Contains(body, w.customer.ID) {
		t.Error("an operator does not see whose it was, by name and ID")
	}
}

func TestOperatorsSeeEveryRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("viewer@house.example")
	for _, id := range []string{refusedID, answeredID, theirsID, nobodysID} {
		if r := b.get("/requests?id=" + id); r.Code != 200 || !strings.Contains(r.Body.String(), `id="explained"`) {
			t.Errorf("%s is %d", id, r.Code)
		}
	}
	if body := b.get("/requests").Body.String(); !strings.Contains(body, nobodysID) || !strings.Contains(body, theirsID) {
		t.Error("the list lacks somebody's refusal")
	}
	body := b.get("/requests?customer=" + w.other.ID).Body.String()
	if strings.Contains(body, refusedID) || !strings.Contains(body, theirsID) {
		t.Error("the list of one customer shows another's, or not its own")
	}
	if r := b.get("/requests?customer=none"); r.Code != 404 {
		t.Errorf("a customer that is not there is %d", r.Code)
	}
	if body := b.get("/customers/" + w.customer.ID).Body.String(); !strings.Contains(body, "/requests?customer="+w.customer.ID) {
		t.Error("a customer's page does not lead to its refusals")
	}
	if body := w.as("owner@acme.example").get("/overview").Body.String(); !strings.Contains(body, `href="/requests"`) {
		t.Error("the overview does not lead to what explains its refusals")
	}
	if body := w.as("billing@acme.example").get("/overview").Body.String(); strings.Contains(body, `href="/requests"`) {
		t.Error("who may not read requests is led to them")
	}
}

func memberSpeaking(customer, lang string) account.NewMember {
	return account.NewMember{CustomerID: customer, Email: lang + "@acme.example", Name: lang, Role: toll.MemberDeveloper, Password: password, Language: lang}
}
