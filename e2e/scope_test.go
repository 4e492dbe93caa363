package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// send makes one call to the service with a key, and says the status and the problem.
func (s *served) send(method, key string) (status int, problem string) {
	s.t.Helper()
	request, err := http.NewRequest(method, s.url+"/api/", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("X-API-Key", key)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body := make([]byte, 4096)
	n, _ := response.Body.Read(body)
	return response.StatusCode, string(body[:n])
}

func TestAKeyIsForWhatItWasMadeFor(t *testing.T) {
	t.Parallel()
	s := serveReloadable(t)
	create := func(more ...string) string {
		return ask[key](t, append([]string{"key", "create", "--config", s.file, "--customer", s.customer.ID, "--name", "k"}, more...)...).Key
	}
	reader := create("--method", "GET", "--from", "127.0.0.0/8", "--service", "api")
	if status, problem := s.send("GET", reader); status != 200 {
		t.Errorf("GET with a key for GET: %d %s", status, problem)
	}
	if status, problem := s.send("POST", reader); status != 403 || !strings.Contains(problem, "out-of-scope") {
		t.Errorf("POST with a key for GET: %d %s", status, problem)
	}
	if status, problem := s.send("GET", create("--from", "192.0.2.0/24")); status != 403 || !strings.Contains(problem, "key-origin") {
		t.Errorf("from another address: %d %s", status, problem)
	}
	slow := create("--rate", "2/minute")
	for i := range 3 {
		want := 200
		if i == 2 {
			want = 429
		}
		if status, problem := s.send("GET", slow); status != want || want == 429 && !strings.Contains(problem, `"key"`) {
			t.Errorf("call %d with a key for two a minute: %d %s", i+1, status, problem)
		}
	}
	if status, _ := s.send("GET", s.key); status != 200 {
		t.Errorf("another key of the same customer: %d", status)
	}
	if out, _, _ := tollhouse(t, "key", "list", "--config", s.file, "--customer", s.customer.ID); !strings.Contains(out, "api GET from 127.0.0.0/8") || !strings.Contains(out, "2 per minute") {
		t.Errorf("key list does not say what the keys are for:\n%s", out)
	}
	for want, flags := range map[string][]string{
		"is no address":     {"--from", "office"},
		"is no method":      {"--method", "GE T"},
		"is no rate":        {"--rate", "fast"},
		"no unit is called": {"--quota", "10", "--unit", "wrods"},
	} {
		line := refused(t, 1, append([]string{"key", "create", "--config", s.file, "--customer", s.customer.ID, "--name", "k"}, flags...)...)
		if !strings.Contains(line, want) {
			t.Errorf("%v: %q does not hold %q", flags, line, want)
		}
	}
	// What would be a key without the limit that was meant is no key.
	for _, flags := range [][]string{{"--concurrency", "-1"}, {"--concurrency", "0"}, {"--quota", "0"}, {"--unit", "words"}, {"--every", "day"}} {
		refused(t, 2, append([]string{"key", "create", "--config", s.file, "--customer", s.customer.ID, "--name", "k"}, flags...)...)
	}
}

func TestAnOverrideHoldsAtOnceAndAfterARestart(t *testing.T) {
	t.Parallel()
	s := serveReloadable(t)
	override := func(more ...string) []string {
		return append([]string{"customer", "override", "--config", s.file, s.customer.ID}, more...)
	}
	type overridden struct {
		Policies []struct{ Of, Name, Limit string }
	}
	got := ask[overridden](t, override("--name", "monthly", "--quota", "3")...)
	if said := fmt.Sprint(got.Policies); !strings.Contains(said, "{customer monthly 3 requests a month}") || !strings.Contains(said, "plan load second") {
		t.Errorf("it says %s", said)
	}
	for i := range 4 {
		want := 200
		if i == 3 {
			want = 429
		}
		if status, problem := s.send("GET", s.key); status != want {
			t.Errorf("call %d of three: %d %s", i+1, status, problem)
		}
	}
	if status := s.interrupt(t); status != 0 {
		t.Fatalf("exit %d", status)
	}
	s.process = start(t, "serves at", "serve", "--config", s.file)
	s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]
	if status, _ := s.send("GET", s.key); status != 429 {
		t.Errorf("after a restart: %d, want 429: what was used is forgotten, or the override is", status)
	}
	if out, _, status := tollhouse(t, override("--name", "monthly", "--quota", "4")...); status != 0 || !strings.Contains(out, `has no limit named "monthly"`) {
		t.Errorf("an override beside the plan's: exit %d\n%s", status, out)
	}
	if status, _ := s.send("GET", s.key); status != 200 {
		t.Errorf("with one more: %d", status)
	}
	ask[overridden](t, override("--name", "monthly", "--remove")...)
	if status, _ := s.send("GET", s.key); status != 200 {
		t.Errorf("without the override: %d", status)
	}
	for want, flags := range map[string][]string{
		"no override":  {"--name", "nothing", "--remove"},
		"another kind": {"--name", "second", "--quota", "5"},
		"is no rate":   {"--name", "x", "--rate", "5"},
		"day or month": {"--name", "x", "--quota", "5", "--every", "year"},
	} {
		if line := refused(t, 1, override(flags...)...); !strings.Contains(line, want) {
			t.Errorf("%v: %q does not hold %q", flags, line, want)
		}
	}
	refused(t, 2, override("--name", "x")...)
	refused(t, 2, override("--name", "x", "--rate", "1/second", "--quota", "1")...)
	refused(t, 2, override("--quota", "1")...)
}
