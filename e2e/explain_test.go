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
