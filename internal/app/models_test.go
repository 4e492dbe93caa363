package app

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// person is somebody with a browser at the demo's console.
type person struct {
	t    *testing.T
	base string
	http *http.Client
}

func signIn(t *testing.T, base string, who SignIn) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, base: strings.TrimSuffix(base, "/"), http: &http.Client{Jar: jar}}
	status, page := p.post("/sign-in", url.Values{"email": {who.Email}, "password": {who.Password}})
	if status != http.StatusOK || !strings.Contains(page, "sign-out") {
		t.Fatalf("signing in: %d", status)
	}
	return p
}

func (p *person) do(method, path, kind string, body io.Reader) (int, string, http.Header) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.base+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := p.http.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(page), response.Header
}

func (p *person) get(path string) (int, string) {
	status, page, _ := p.do(http.MethodGet, path, "", nil)
	return status, page
}

func (p *person) post(path string, form url.Values) (int, string) {
	status, page, _ := p.do(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	return status, page
}

// send posts a form with a file.
func (p *person) send(path string, fields map[string]string, name, content string) (int, string) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for field, value := range fields {
		_ = form.WriteField(field, value)
	}
	file, _ := form.CreateFormFile("file", name)
	_, _ = io.WriteString(file, content)
	_ = form.Close()
	status, page, _ := p.do(http.MethodPost, path, form.FormDataContentType(), &body)
	return status, page
}

// startDemo runs the demo in this process until the test ends. Its clock goes
// ahead when pass is called.
func startDemo(t *testing.T) (a *App, facts DemoFacts, pass func(time.Duration)) {
	t.Helper()
	var ahead atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	ctx, stop := context.WithCancel(context.Background())
	type begun struct {
		app   *App
		facts DemoFacts
	}
	ready, ended := make(chan begun, 1), make(chan error, 1)
	data := t.TempDir()
	go func() {
		ended <- Demo(ctx, DemoOptions{Listen: "127.0.0.1:0", Data: data, Empty: true, Clock: clock, Out: io.Discard, Log: io.Discard, Ready: func(a *App, f DemoFacts) { ready <- begun{a, f} }})
	}()
	select {
	case b := <-ready:
		t.Cleanup(func() {
			stop()
			if err := <-ended; err != nil {
				t.Errorf("the demo ended with %v", err)
			}
		})
		return b.app, b.facts, func(d time.Duration) { ahead.Add(int64(d)) }
	case err := <-ended:
		stop()
		t.Fatalf("the demo did not start: %v", err)
		return nil, DemoFacts{}, nil
	}
}

// extractions asks ner through the gateway.
func extractions(t *testing.T, facts DemoFacts, key string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, facts.URL+"/v1/ner/extractions", strings.NewReader(`{"text": "yesterday zorblax hired somebody"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Tollhouse-Customer", "cus_forged") // the gateway takes it off
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("extractions: %s %s %v", response.Status, body, err)
	}
	return string(body)
}

var modelID = regexp.MustCompile(`/models/(mod_[0-9A-Z]+)/file`)

// A customer uploads a term list, an operator approves it, and from then on the
// API finds its terms for this customer and for no other; rejected, it does not any more.
func TestAnApprovedTermListIsUsedForItsCustomerAlone(t *testing.T) {
	t.Parallel()
	a, facts, pass := startDemo(t)
	owner, operator := signIn(t, facts.ConsoleURL, facts.Customer), signIn(t, facts.ConsoleURL, facts.Operator)
	const found = `"type":"ORGANISATION","text":"zorblax"`
	free, pro := facts.APIKeys["pro"], facts.APIKeys["payg"] // of others; the free key's owner is asked below, in its ten calls a minute
	if got := extractions(t, facts, facts.APIKey); strings.Contains(got, found) {
		t.Fatalf("found before anything was uploaded: %s", got)
	}
	status, page := owner.send("/models", map[string]string{"for": "ner terms"}, "terms.tsv", "Zorblax\tORGANISATION\n")
	if status != http.StatusOK || !strings.Contains(page, "Waiting for approval") {
		t.Fatalf("uploading: %d %s", status, page)
	}
	id := modelID.FindStringSubmatch(page)[1]
	if status, page := owner.send("/models", map[string]string{"for": "ner terms"}, "terms.png", "\x89PNG\r\n\x1a\n\x00"); status != http.StatusUnprocessableEntity || !strings.Contains(page, "Line 1") {
		t.Errorf("a picture is answered with %d", status)
	}
	if status, page := owner.send("/models", map[string]string{"for": "ner terms"}, "more.tsv", strings.Repeat("#\n", 500_000)+"#"); status != http.StatusUnprocessableEntity || !strings.Contains(page, "larger than 1000000 bytes") {
		t.Errorf("a byte too many is answered with %d", status)
	}
	if got := extractions(t, facts, facts.APIKey); strings.Contains(got, found) {
		t.Errorf("found before it was approved: %s", got)
	}
	if status, _ := operator.post("/models/"+id+"/approve", nil); status != http.StatusOK {
		t.Fatalf("approving: %d", status)
	}
	comes := func(want bool) {
		t.Helper()
		pass(3 * time.Second) // ner believes an answer for two
		if got := extractions(t, facts, facts.APIKey); strings.Contains(got, found) != want {
			t.Errorf("the answer is %s", got)
		}
	}
	comes(true)
	for _, key := range []string{free, pro} {
		if got := extractions(t, facts, key); strings.Contains(got, found) {
			t.Errorf("another customer's call finds it: %s", got)
		}
	}

	status, content, header := owner.do(http.MethodGet, "/models/"+id+"/file", "", nil)
	if status != http.StatusOK || content != "Zorblax\tORGANISATION\n" || !strings.HasPrefix(header.Get("Content-Disposition"), "attachment;") ||
		header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("the download is %d %q with %v", status, content, header)
	}

	secret, err := a.ModelsSecret("ner")
	if err != nil || len(secret) < 22 {
		t.Fatalf("the secret has %d characters, %v", len(secret), err)
	}
	ask := func(path, secret, tag string) (*http.Response, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, facts.AdminURL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if secret != "" {
			request.Header.Set("Authorization", "Bearer "+secret)
		}
		request.Header.Set("If-None-Match", tag)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response, string(body)
	}
	one, err := a.models.ApprovedModel(t.Context(), "ner", id)
	if err != nil {
		t.Fatal(err)
	}
	list := "/services/ner/models?customer=" + one.CustomerID
	for path, secrets := range map[string][]string{list: {"", "wrong", facts.APIKey}, "/services/ner/models/" + id: {"", "wrong"}, "/services/daybook/models?customer=" + one.CustomerID: {"", secret.Reveal()}} {
		for _, shown := range secrets {
			if response, body := ask(path, shown, ""); response.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s without its secret: %s %s", path, response.Status, body)
			}
		}
	}
	first, body := ask(list, secret.Reveal(), "")
	if first.StatusCode != http.StatusOK || !strings.Contains(body, id) {
		t.Fatalf("the list: %s %s", first.Status, body)
	}
	if again, body := ask(list, secret.Reveal(), first.Header.Get("ETag")); again.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("asked again by its ETag: %s %q", again.Status, body)
	}
	file, body := ask("/services/ner/models/"+id, secret.Reveal(), "")
	if file.StatusCode != http.StatusOK || body != "Zorblax\tORGANISATION\n" {
		t.Errorf("the content: %s %q", file.Status, body)
	}
	if again, _ := ask("/services/ner/models/"+id, secret.Reveal(), `"x", W/`+file.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("the content asked again by its ETag: %s", again.Status)
	}
	if response, body := ask("/services/ner/models?customer=cus_none", secret.Reveal(), ""); response.StatusCode != http.StatusNotFound {
		t.Errorf("of nobody: %s %s", response.Status, body)
	}
	for _, path := range []string{list, "/services/ner/models/" + id} { // not where customers are
		if status, _ := owner.get(path); status != http.StatusNotFound {
			t.Errorf("%s on the public listener: %d", path, status)
		}
	}

	if status, page := operator.post("/models/"+id+"/reject", url.Values{"reason": {"It is <b>another's</b> name."}}); status != http.StatusOK || strings.Contains(page, "<b>another") {
		t.Fatalf("rejecting: %d", status)
	}
	if changed, body := ask(list, secret.Reveal(), first.Header.Get("ETag")); changed.StatusCode != http.StatusOK || strings.Contains(body, id) {
		t.Errorf("the list then: %s %s", changed.Status, body)
	}
	if gone, _ := ask("/services/ner/models/"+id, secret.Reveal(), file.Header.Get("ETag")); gone.StatusCode != http.StatusNotFound {
		t.Errorf("the content then: %s", gone.Status)
	}
	comes(false)
	if _, page := owner.get("/models"); !strings.Contains(page, "It is &lt;b&gt;another&#39;s&lt;/b&gt; name.") {
		t.Error("the customer does not read why")
	}
}

// A key of another system works at the gate once it was imported, and not before.
func TestAnImportedKeyOpensTheGate(t *testing.T) {
	t.Parallel()
	a, facts, _ := startDemo(t)
	const foreign = "sk-legacy-6f9d2c81a7b34e50" // as another system made it
	call := func() int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, facts.URL+"/v1/ner/extractions", strings.NewReader(`{"text": "John Doe"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-API-Key", foreign)
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	if got := call(); got != http.StatusUnauthorized {
		t.Fatalf("before the import: %d", got)
	}
	at := Installation{Data: a.cfg.Data, Config: a.cfg}
	for _, in := range []ImportFile{
		{Kind: "customer", Content: []byte("external_id,name,plan\nold-42,Legacy Ltd,pro\n"), Do: true},
		{Kind: "key", Content: []byte("customer,name,key\nold-42,production," + foreign + "\n"), Do: true},
	} {
		type result struct {
			Done   bool
			Faults []any
		}
		out, err := Call[result](t.Context(), at, "import", in)
		if err != nil || !out.Done {
			t.Fatalf("importing: %+v, %v", out, err)
		}
	}
	if got := call(); got != http.StatusOK {
		t.Errorf("after the import: %d", got)
	}
	operator := signIn(t, facts.ConsoleURL, facts.Operator)
	status, page := operator.send("/import", map[string]string{"kind": "key"}, "keys.csv", "customer,name,key\nold-42,production,"+foreign+"\nold-43,x,"+foreign+"1\nold-42,x,short\n")
	if status != http.StatusUnprocessableEntity || strings.Count(page, foreign) > 0 || !strings.Contains(page, "old-43") {
		t.Errorf("a file with mistakes is %d, and the key stands %d times in the page", status, strings.Count(page, foreign))
	}
	status, page = operator.send("/import", map[string]string{"kind": "customer"}, "customers.csv", "external_id,name,plan\nold-42,Legacy Ltd,pro\nold-44,New Ltd,free\n")
	if status != http.StatusOK || !strings.Contains(page, "1 would be imported.") || !strings.Contains(page, "old-44") {
		t.Errorf("a preview is %d:\n%s", status, page)
	}
	status, page = operator.post("/import", url.Values{"kind": {"customer"}, "do": {"yes"}, "content": {"external_id,name,plan\r\nold-42,Legacy Ltd,pro\r\nold-44,New Ltd,free\r\n"}})
	if status != http.StatusOK || !strings.Contains(page, "1 was imported.") {
		t.Errorf("the import is %d", status)
	}
	if status, page := operator.get("/customers?q=New+Ltd"); status != http.StatusOK || !strings.Contains(page, "New Ltd") {
		t.Errorf("the imported customer is not listed (%d)", status)
	}
}
