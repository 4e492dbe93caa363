package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// apiAnswer is an answer of the management API.
type apiAnswer struct {
	status int
	header http.Header
	body   []byte
}

// into reads the answer's JSON.
func (a apiAnswer) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
}

// callAPI makes one request to the management API; headers are "Name: value".
func callAPI(t *testing.T, method, url, token, body string, headers ...string) apiAnswer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return apiAnswer{response.StatusCode, response.Header, content}
}

type apiToken struct{ ID, Token, State, Name string }

func TestAnAPITokenOpensTheManagementAPIUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	_, f := demo(t, data, "--empty")
	at := strings.TrimSuffix(f.ConsoleURL, "/") + "/api/v1/token"
	made := ask[apiToken](t, "token", "create", "--data", data, "--for", f.Operator.Email, "--name", "job", "--scope", "events:write", "--scope", "usage:read")
	if !strings.HasPrefix(made.Token, "th_api_") || !strings.HasPrefix(made.ID, "tok_") {
		t.Fatalf("made %+v", made)
	}
	answer := callAPI(t, "GET", at, made.Token, "")
	if answer.status != 200 || !strings.Contains(string(answer.body), `"role":"admin"`) {
		t.Errorf("a good token: %d %s", answer.status, answer.body)
	}
	for what, text := range map[string]string{"nothing": "", "a customer's key": f.APIKey, "a broken token": made.Token[:42] + "!"} {
		if answer := callAPI(t, "GET", at, text, ""); answer.status != 401 || answer.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", what, answer.status, answer.body)
		}
	}
	list := ask[struct{ Tokens []apiToken }](t, "token", "list", "--data", data, "--for", f.Operator.Email)
	if len(list.Tokens) != 1 || list.Tokens[0].State != "valid" || list.Tokens[0].Token != "" {
		t.Errorf("listed %+v", list)
	}
	if line := refused(t, 1, "token", "create", "--data", data, "--for", f.Customer.Email, "--name", "n", "--scope", "events:write"); !strings.Contains(line, "events:write") {
		t.Errorf("a member's token for events: %q", line)
	}
	ask[apiToken](t, "token", "revoke", made.ID, "--data", data)
	if answer := callAPI(t, "GET", at, made.Token, ""); answer.status != 401 {
		t.Errorf("a revoked token: %d %s", answer.status, answer.body)
	}
	if response, body := post(t, f, made.Token, sentence); response.StatusCode != 401 {
		t.Errorf("an API token as a key: %d %s", response.StatusCode, body)
	}
	if answer := callAPI(t, "GET", at[:len(at)-len("token")]+"openapi.json", "", ""); answer.status != 200 {
		t.Errorf("the contract: %d", answer.status)
	}
}
