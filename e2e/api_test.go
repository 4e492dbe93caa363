package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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

// outsideEvent is a usage event from outside, of so many words.
func outsideEvent(id, customer string, words int) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/worker","type":"job.done","subject":%q,"data":{"words":%d}}`, id, customer, words)
}

func TestUsageEventsFromOutsideCountOnceInQuotaUsageAndAudit(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p, f := demo(t, data, "--empty")
	customers := ask[struct{ Customers []customer }](t, "customer", "list", "--data", data, "--plan", "free").Customers
	if len(customers) != 1 {
		t.Fatalf("customers of the free plan: %+v", customers)
	}
	id := customers[0].ID
	token := ask[apiToken](t, "token", "create", "--data", data, "--for", f.Operator.Email, "--name", "job", "--scope", "events:write").Token
	at := strings.TrimSuffix(f.ConsoleURL, "/") + "/api/v1/events"
	const one, many = "Content-Type: application/cloudevents+json", "Content-Type: application/cloudevents-batch+json"

	var all sync.WaitGroup
	var counted atomic.Int64
	batch := "[" + outsideEvent("1", id, 100) + "," + outsideEvent("2", id, 20) + "," + outsideEvent("3", id, 3) + "]"
	for range 8 {
		all.Go(func() {
			var taken struct{ Counted, Repeated int64 }
			answer := callAPI(t, "POST", at, token, batch, many)
			if answer.status != 200 || json.Unmarshal(answer.body, &taken) != nil || taken.Counted+taken.Repeated != 3 {
				t.Errorf("%d %s", answer.status, answer.body)
			}
			counted.Add(taken.Counted)
		})
	}
	all.Wait()
	if counted.Load() != 3 {
		t.Errorf("the same batch, eight times at once: %d counted, want 3", counted.Load())
	}
	if answer := callAPI(t, "POST", at, token, outsideEvent("2", id, 21), one); answer.status != 409 || !strings.Contains(string(answer.body), `"id":"2"`) {
		t.Errorf("another content: %d %s", answer.status, answer.body)
	}
	if answer := callAPI(t, "POST", at, token, outsideEvent("4", "cus_nobody", 1), one); answer.status != 422 || !strings.Contains(string(answer.body), `"subject"`) {
		t.Errorf("nobody's: %d %s", answer.status, answer.body)
	}
	if answer := callAPI(t, "POST", at, token, strings.Replace(outsideEvent("5", id, 0), "words\":0", "requests\":990", 1), one); answer.status != 200 {
		t.Errorf("requests: %d %s", answer.status, answer.body)
	}

	shown := ask[struct {
		Usage []struct {
			Customer, Unit string
			Count          int64
		}
	}](t, "usage", "show", "--data", data, "--customer", id)
	used := map[string]int64{}
	for _, u := range shown.Usage {
		used[u.Unit] = u.Count
	}
	if used["words"] != 123 || used["requests"] != 990 {
		t.Errorf("usage show: %+v", shown)
	}
	audit := ask[map[string]struct{ Received, Billed, Included int64 }](t, "usage", "audit", "--data", data)
	if a := audit["words"]; a.Received != 123 || a.Billed+a.Included != 123 {
		t.Errorf("usage audit: %+v", audit)
	}
	// The free plan has a thousand requests a month: 990 came from outside.
	passed := 0
	for range 40 {
		response, body := post(t, f, f.APIKey, sentence)
		if response.StatusCode == 200 {
			passed++
		}
		if strings.Contains(body, "monthly") {
			break
		}
		if response.StatusCode == 429 {
			break // the rate limit: ten at once
		}
	}
	if passed > 10 {
		t.Errorf("%d requests passed behind 990 of 1000", passed)
	}
	if response, body := post(t, f, f.APIKey, sentence); response.StatusCode != 429 || !strings.Contains(body, "monthly") || !strings.Contains(strings.Join(response.Header.Values("RateLimit"), ","), `"monthly";r=0`) {
		t.Errorf("the quota does not see what came from outside: %d %s %v", response.StatusCode, body, response.Header)
	}
	p.kill()
	_, f = demo(t, data, "--empty")
	if answer := callAPI(t, "POST", strings.TrimSuffix(f.ConsoleURL, "/")+"/api/v1/events", token, batch, many); answer.status != 200 || !strings.Contains(string(answer.body), `"repeated":3`) {
		t.Errorf("after kill -9: %d %s", answer.status, answer.body)
	}
}

func TestABatchOfAHundredThousandEventsWithOneMistake(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	_, f := demo(t, data, "--empty")
	id := ask[struct{ Customers []customer }](t, "customer", "list", "--data", data, "--plan", "payg").Customers[0].ID
	token := ask[apiToken](t, "token", "create", "--data", data, "--for", f.Operator.Email, "--name", "job", "--scope", "events:write", "--scope", "usage:read").Token
	api := strings.TrimSuffix(f.ConsoleURL, "/") + "/api/v1"
	const many = 100_000
	var b strings.Builder
	b.WriteByte('[')
	for i := range many {
		if i > 0 {
			b.WriteByte(',')
		}
		words := 2
		if i == 77_777 {
			words = -2
		}
		b.WriteString(outsideEvent(fmt.Sprint(i), id, words))
	}
	b.WriteByte(']')
	batch := b.String()
	type taken struct {
		Counted, Repeated, Refused int
		Errors                     []struct {
			Index     int
			ID, Field string
		}
	}
	const contentType = "Content-Type: application/cloudevents-batch+json"
	began := time.Now()
	answer := callAPI(t, "POST", api+"/events", token, batch, contentType)
	var got taken
	answer.into(t, &got)
	if answer.status != 422 || len(got.Errors) != 1 || got.Errors[0].Index != 77_777 || got.Errors[0].Field != "data.words" {
		t.Fatalf("%d %s", answer.status, answer.body)
	}
	refusedAfter := time.Since(began)
	began = time.Now()
	got = taken{}
	answer = callAPI(t, "POST", api+"/events?partial=true", token, batch, contentType)
	answer.into(t, &got)
	if answer.status != 200 || got.Counted != many-1 || got.Refused != 1 || got.Errors[0].Index != 77_777 {
		t.Fatalf("%d %s", answer.status, answer.body)
	}
	takenAfter := time.Since(began)
	began, got = time.Now(), taken{}
	callAPI(t, "POST", api+"/events?partial=true", token, batch, contentType).into(t, &got)
	if got.Repeated != many-1 || got.Counted != 0 {
		t.Fatalf("again: %+v", got)
	}
	t.Logf("%d events, %d bytes: refused after %s, taken after %s, known after %s", many, len(batch), refusedAfter, takenAfter, time.Since(began))
	var usage struct{ Points []struct{ Count int64 } }
	callAPI(t, "GET", api+"/usage?unit=words&customer="+id, token, "").into(t, &usage)
	if len(usage.Points) != 1 || usage.Points[0].Count != 2*(many-1) {
		t.Errorf("usage: %+v", usage)
	}
}

func TestAMembersTokenReadsItsOwnUsageAsJSONTableAndStream(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	_, f := demo(t, data)
	token := ask[apiToken](t, "token", "create", "--data", data, "--for", f.Customer.Email, "--name", "dashboard", "--scope", "usage:read", "--expires", "1h").Token
	api := strings.TrimSuffix(f.ConsoleURL, "/") + "/api/v1"
	request, err := http.NewRequestWithContext(t.Context(), "GET", api+"/usage/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	stream := bufio.NewScanner(response.Body)
	next := func() (live struct {
		Month  map[string]int64
		Limits []struct {
			Name string
			Used int64
		}
	}) {
		t.Helper()
		for stream.Scan() {
			if text, is := strings.CutPrefix(stream.Text(), "data: "); is {
				if err := json.Unmarshal([]byte(text), &live); err != nil {
					t.Fatal(err)
				}
				return live
			}
		}
		t.Fatalf("the stream ended: %v", stream.Err())
		return live
	}
	before := next()
	if response, body := post(t, f, f.APIKey, sentence); response.StatusCode != 200 {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	for after := next(); after.Month["requests"] != before.Month["requests"]+1; after = next() {
		if after.Month["requests"] > before.Month["requests"] {
			t.Fatalf("before %+v, after %+v", before, after)
		}
	}
	if len(before.Limits) == 0 {
		t.Error("the stream tells of no limits")
	}
	var all, own struct {
		Points []struct {
			Group string
			Count int64
		}
	}
	callAPI(t, "GET", api+"/usage?by=customer&from=2020-01-01", token, "").into(t, &own)
	operator := ask[apiToken](t, "token", "create", "--data", data, "--for", f.Operator.Email, "--name", "o", "--scope", "usage:read").Token
	callAPI(t, "GET", api+"/usage?by=customer&from=2020-01-01", operator, "").into(t, &all)
	if len(own.Points) != 1 || len(all.Points) != 3 {
		t.Errorf("own %+v, all %+v", own, all)
	}
	table := callAPI(t, "GET", api+"/usage.csv?by=service&step=day&zone=Asia/Kolkata&from=2020-01-01", token, "")
	if lines := strings.Split(string(table.body), "\r\n"); table.status != 200 || lines[0] != "start,service,unit,count" || len(lines) < 3 || !strings.Contains(lines[1], "+05:30,") {
		t.Errorf("%d %s", table.status, table.body)
	}
}
