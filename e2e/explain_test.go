package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestExplainSaysWhatBecameOfARequest(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	p, f := demo(t, data, "--empty")
	var ids []string
	for range 11 { // ten a minute
		response, _ := post(t, f, f.APIKey, sentence)
		ids = append(ids, response.Header.Get("X-Request-Id"))
	}
	type explained struct {
		Outcome, Reason, Says, Customer, Plan, Service, Endpoint string
		CustomerName                                             string `json:"customer_name"`
		KeyName                                                  string `json:"key_name"`
		Status                                                   int
		At                                                       time.Time
		Counted                                                  map[string]int64
		Policies                                                 []struct {
			Name, Of, Said string
			PassesAt       time.Time `json:"passes_at"`
		}
	}
	got := ask[explained](t, "explain", "--data", data, ids[0])
	if got.Outcome != "answered" || got.Status != 200 || got.Counted["requests"] != 1 || got.Counted["words"] == 0 || got.Plan != "free" || len(got.Policies) < 3 {
		t.Errorf("an answered request: %+v", got)
	}
	if got.CustomerName == "" || got.KeyName == "" {
		t.Errorf("an answered request without names: %+v", got)
	}
	said := map[string]bool{}
	for _, p := range got.Policies {
		said[p.Name] = p.Said == "passed"
	}
	if !said["minute"] || !said["monthly"] || !said["burst"] {
		t.Errorf("the policies of an answered request: %+v", got.Policies)
	}

	got = ask[explained](t, "explain", "--data", data, ids[10])
	if got.Outcome != "refused" || got.Reason != "limit" || got.Endpoint != "POST /extractions" || !strings.Contains(got.Says, "minute") {
		t.Errorf("a refused request: %+v", got)
	}
	for _, p := range got.Policies {
		if refused := p.Name == "minute"; (p.Said == "refused") != refused || p.PassesAt.After(got.At) != refused {
			t.Errorf("policy %s: said %q, passes at %s", p.Name, p.Said, p.PassesAt)
		}
	}
	if out, _, status := tollhouse(t, "explain", "--data", data, ids[10]); status != 0 || !strings.Contains(out, "Refused by minute (10 per minute).") {
		t.Errorf("for people: exit %d\n%s", status, out)
	}

	response, _ := post(t, f, "th_live_nonsense", sentence)
	if got := ask[explained](t, "explain", "--data", data, response.Header.Get("X-Request-Id")); got.Reason != "key-malformed" || got.Customer != "" {
		t.Errorf("a malformed key: %+v", got)
	}
	// The same on the pages: the customer sees their own, operators all, in words.
	customer, operator := visit(t, f.ConsoleURL), visit(t, f.ConsoleURL)
	customer.post(t, "/sign-in", "email", f.Customer.Email, "password", f.Customer.Password)
	operator.post(t, "/sign-in", "email", f.Operator.Email, "password", f.Operator.Password)
	for id, want := range map[string]string{ids[0]: "Answered, and counted for quota and bill", ids[10]: "Refused by a limit: Calls per minute"} {
		for who, v := range map[string]*visitor{"the customer": customer, "an operator": operator} {
			if status, page := v.get(t, "/requests?id="+id); status != 200 || !strings.Contains(page, want) {
				t.Errorf("to %s %s is %d and does not say %q", who, id, status, want)
			}
		}
	}
	if status, page := customer.get(t, "/requests"); status != 200 || !strings.Contains(page, ids[10]) {
		t.Errorf("the newest refusals (%d) lack %s", status, ids[10])
	}
	malformed := response.Header.Get("X-Request-Id")
	if status, _ := customer.get(t, "/requests?id="+malformed); status != 404 {
		t.Errorf("a request of nobody is %d to a customer", status)
	}
	if status, page := operator.get(t, "/requests?id="+malformed); status != 200 || !strings.Contains(page, "Refused: the key is malformed") {
		t.Errorf("a request of nobody is %d to an operator", status)
	}
	for id, want := range map[string]string{
		"nonsense!":     "it takes a request's ID, which is the X-Request-ID of its answer, for example 01J9",
		"cus_01J9ZK6V7": "that is a customer's ID", f.APIKey: "that is an API key or a token",
	} {
		if line := refused(t, 1, "explain", "--data", data, id); !strings.Contains(line, want) || strings.Contains(line, f.APIKey) {
			t.Errorf("what is no request's ID: %q, want %q", line, want)
		}
	}
	if line := refused(t, 1, "explain", "--data", data, "nonsense"); !strings.Contains(line, "An ID that Tollhouse gave has 26 letters and digits") {
		t.Errorf("an ID of nobody's: %q", line)
	}
	if line := refused(t, 1, "explain", "--data", data, "01J00000000000000000000000"); !strings.Contains(line, "no request") {
		t.Errorf("an unknown request: %q", line)
	}
	if line := refused(t, 2, "explain", "--data", data); !strings.Contains(line, "X-Request-ID") {
		t.Errorf("no request named: %q", line)
	}
	if status := p.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
	if got := ask[explained](t, "explain", "--data", data, ids[0]); got.Outcome != "answered" {
		t.Errorf("an answered request, once no server runs: %+v", got)
	}
	if line := refused(t, 1, "explain", "--data", data, ids[10]); !strings.Contains(line, "no server runs") {
		t.Errorf("a refused request, once no server runs: %q", line)
	}
}
