package nerapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/examples/ner/nerapi"
)

type answer struct {
	status int
	header http.Header
	body   string
}

type extraction struct {
	Start int    `json:"start"`
	End   int    `json:"end"`
	Type  string `json:"type"`
	Text  string `json:"text"`
}

type extractions struct {
	Extractions []extraction `json:"extractions"`
}

type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
		Value    any    `json:"value"`
	} `json:"errors"`
}

// client talks to a real server, and checks every answer against the contract
// that the same server hands out.
type client struct {
	t        *testing.T
	base     string
	contract contract
}

type contract struct {
	OpenAPI string `json:"openapi"`
	Servers []struct {
		URL string `json:"url"`
	} `json:"servers"`
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Content map[string]struct {
				Schema json.RawMessage `json:"schema"`
			} `json:"content"`
		} `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]json.RawMessage `json:"schemas"`
	} `json:"components"`
}

func newClient(t *testing.T, o nerapi.Options) *client {
	t.Helper()
	server := httptest.NewServer(nerapi.New(o))
	t.Cleanup(server.Close)
	c := &client{t: t, base: server.URL}
	document := c.send(http.MethodGet, "/openapi.json", "", nil)
	if err := json.Unmarshal([]byte(document.body), &c.contract); err != nil {
		t.Fatalf("the contract is not JSON: %v", err)
	}
	return c
}

func (c *client) send(method, path, body string, header http.Header) answer {
	c.t.Helper()
	request, err := http.NewRequest(method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(raw)}
}

// extract posts a body and holds the answer to the contract.
func (c *client) extract(body string) answer {
	c.t.Helper()
	a := c.send(http.MethodPost, "/extractions", body, nil)
	c.fits(a)
	return a
}

// fits validates an answer against the schema that the served document has for
// its status and type.
func (c *client) fits(a answer) {
	c.t.Helper()
	responses := c.contract.Paths["/extractions"]["post"].Responses
	content, documented := responses[strconv.Itoa(a.status)].Content[a.header.Get("Content-Type")]
	if !documented {
		c.t.Fatalf("the contract has no %d %s answer", a.status, a.header.Get("Content-Type"))
	}
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	for name, raw := range c.contract.Components.Schemas {
		registry.Map()[name] = schemaOf(c.t, raw)
	}
	var value any
	if err := json.Unmarshal([]byte(a.body), &value); err != nil {
		c.t.Fatalf("the answer is not JSON: %v: %s", err, a.body)
	}
	var result huma.ValidateResult
	huma.Validate(registry, schemaOf(c.t, content.Schema), huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, value, &result)
	for _, err := range result.Errors {
		c.t.Errorf("%d answer does not fit the contract: %v\n%s", a.status, err, a.body)
	}
}

// schemaOf reads a schema of the served document into huma's type, which has
// names of its own for two things.
func schemaOf(t *testing.T, raw json.RawMessage) *huma.Schema {
	t.Helper()
	var loose any
	if err := json.Unmarshal(raw, &loose); err != nil {
		t.Fatal(err)
	}
	named, err := json.Marshal(rename(loose))
	if err != nil {
		t.Fatal(err)
	}
	var s huma.Schema
	if err := json.Unmarshal(named, &s); err != nil {
		t.Fatal(err)
	}
	prepare(&s)
	return &s
}

func rename(value any) any {
	object, ok := value.(map[string]any)
	if !ok {
		return value
	}
	out := map[string]any{}
	for name, inner := range object {
		kinds, several := inner.([]any)
		switch {
		case name == "$ref":
			out["ref"] = inner
		case name == "type" && several:
			out["type"], out["nullable"] = kinds[0], len(kinds) == 2 && kinds[1] == "null"
		default:
			out[name] = rename(inner)
		}
	}
	return out
}

// prepare computes what huma keeps beside a schema to check values with.
func prepare(s *huma.Schema) {
	s.PrecomputeMessages()
	for _, property := range s.Properties {
		prepare(property)
	}
	if s.Items != nil {
		prepare(s.Items)
	}
}

func (a answer) extractions(t *testing.T) []extraction {
	t.Helper()
	var e extractions
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.status != http.StatusOK {
		t.Fatalf("got %d %s (%v), want 200", a.status, a.body, err)
	}
	return e.Extractions
}

func (a answer) problem(t *testing.T, status int) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != status || p.Status != status {
		t.Fatalf("got %d %s (%v), want %d", a.status, a.body, err, status)
	}
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Fatalf("a problem came as %q", kind)
	}
	if p.Title == "" || p.Detail == "" {
		t.Fatalf("a problem without title or detail: %s", a.body)
	}
	return p
}
