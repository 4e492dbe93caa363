package edge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/gate/gatetest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

const proxySecret = "a secret of 22 characters or more"

// door is the listener for foreign proxies, on a real socket.
type door struct {
	t         testing.TB
	url, key  string
	gate      *gate.Gate
	recorder  *gatetest.Recorder
	decisions *gate.Decisions
	authorize *edge.Authorize
	seen      chan edge.Seen
	log       *strings.Builder
	logs      sync.Mutex
}

func (d *door) Write(p []byte) (int, error) {
	d.logs.Lock()
	defer d.logs.Unlock()
	return d.log.Write(p)
}

func openDoor(t testing.TB) *door {
	t.Helper()
	d := &door{t: t, recorder: new(gatetest.Recorder), seen: make(chan edge.Seen, 1000), log: new(strings.Builder)}
	d.gate = gate.New(d.recorder, toll.NewIDs(nil))
	bill := [6]bool{2: true, 3: true, 4: true}
	services := []toll.Service{
		{Name: "api", Host: "api.example", Access: toll.AccessKey, MaxBody: 1, MaxURL: 2000, Bill: bill, Endpoints: []string{"POST /extractions"}, Delegated: toll.Delegated{On: true}, XRateLimit: true},
		{Name: "told", Host: "told.example", Access: toll.AccessKey, MaxBody: 1, Bill: bill, Units: []string{"words"}, Delegated: toll.Delegated{On: true, Settle: true, Within: time.Minute}},
		{Name: "site", Host: "site.example", Access: toll.AccessPublic, MaxBody: 1, Bill: bill, Delegated: toll.Delegated{On: true}, Deny: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
			Policies: []toll.Policy{{Name: "each", Kind: toll.RateLimit, Partition: toll.PerIP, Count: 1, Window: time.Hour}}},
		{Name: "own", Host: "own.example", Access: toll.AccessPublic, MaxBody: 1, Bill: bill},
	}
	plan := toll.PlanVersion{ID: "free@1", Plan: toll.Plan{
		Name: "free", Includes: []string{"api", "told"},
		Policies: []toll.Policy{{Name: "minute", Kind: toll.RateLimit, Count: 3, Window: time.Minute}},
	}}
	if err := d.gate.Switch(gate.Rules{Services: services, Plans: []toll.PlanVersion{plan}}); err != nil {
		t.Fatal(err)
	}
	d.key = d.customer("cus_1")
	d.decisions = gate.NewDecisions(clock)
	chain := &edge.Chain{
		Gate: d.gate, Clock: clock, Unmetered: func() bool { return false },
		Answers: edge.Answers{UpgradeURL: "http://console.example/plan"},
		Observe: func(s *edge.Seen) { copied := *s; d.seen <- copied },
	}
	d.authorize = &edge.Authorize{
		Chain: chain, IDs: toll.NewIDs(nil), Secret: proxySecret, Decisions: d.decisions,
		Proxies: func() edge.Proxies { return edge.Proxies{netip.MustParsePrefix("192.0.2.0/24")} },
		Log:     slog.New(slog.NewTextHandler(d, nil)),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := edge.NewServer(d.authorize, slog.New(slog.DiscardHandler))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	d.url = "http://" + listener.Addr().String()
	return d
}

// customer makes one with a key.
func (d *door) customer(id string) (key string) {
	d.gate.PutCustomer(toll.Customer{ID: id, Status: toll.CustomerActive, Subscription: toll.Subscription{Plan: "free"}})
	text, hash, hint, err := apikey.New(toll.Live, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	d.gate.PutKey(toll.Key{ID: "key_" + id, CustomerID: id, Mode: toll.Live, Hash: hash, Hint: hint})
	return text.Reveal()
}

// question is what a proxy sends; "" takes a field away.
func (d *door) question(fields ...string) map[string][]string {
	h := map[string][]string{
		"Tollhouse-Authorize": {proxySecret}, "X-Forwarded-Method": {"POST"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"api.example"},
		"X-Forwarded-Uri": {"/extractions?a=b"}, "X-Forwarded-For": {"198.51.100.7"}, "Authorization": {"Bearer " + d.key},
	}
	changed := map[string]bool{}
	for i := 0; i < len(fields); i += 2 {
		name, value := fields[i], fields[i+1]
		if !changed[name] {
			delete(h, name)
		}
		changed[name] = true
		if value != "" {
			h[name] = append(h[name], value)
		}
	}
	return h
}

func (d *door) send(method, path string, h map[string][]string, body string) (*http.Response, string) {
	d.t.Helper()
	request, err := http.NewRequest(method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header = h
	response, err := transport.RoundTrip(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return response, string(all)
}

func (d *door) ask(fields ...string) (*http.Response, string) {
	d.t.Helper()
	return d.send("GET", "/authorize", d.question(fields...), "")
}

func TestADecisionSaysWhoCallsAndIsRecorded(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	for _, method := range []string{"GET", "POST", "HEAD"} { // a proxy asks with whatever it has
		response, body := d.send(method, "/authorize", d.question(), "")
		if response.StatusCode != 200 || body != "" {
			t.Fatalf("%s: %s %s", method, response.Status, body)
		}
		h := response.Header
		for name, want := range map[string]string{
			"Tollhouse-Customer": "cus_1", "Tollhouse-Key": "key_cus_1", "Tollhouse-Plan": "free", "Tollhouse-Mode": "live", "Tollhouse-Features": "",
			"Cache-Control": "no-store", "Ratelimit-Policy": `"minute";q=3;w=60`, "X-Ratelimit-Limit": "3",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s %q, want %q", method, name, got, want)
			}
		}
		if _, there := h["Tollhouse-Features"]; !there {
			t.Error("what is empty is not said, so that a proxy would leave what the client says")
		}
		if len(h.Get("X-Request-Id")) != 26 || len(h.Get("Tollhouse-Decision")) != 26 {
			t.Errorf("%s: %v", method, h)
		}
		events := d.recorder.Events()
		e := events[len(events)-1]
		if e.ID.String() != h.Get("Tollhouse-Decision") || e.Endpoint != "POST /extractions" || e.Method != "POST" || e.Class != toll.Chargeable || e.Status != 0 || e.RequestID != h.Get("X-Request-Id") {
			t.Errorf("the books have %+v", e)
		}
		s := <-d.seen
		if s.Status != 200 || s.Request.Client != netip.MustParseAddr("198.51.100.7") || s.Request.Host != "api.example" || s.Path != "/extractions" {
			t.Errorf("seen %+v of %+v", s, s.Request)
		}
	}
	response, body := d.ask("Accept", "text/html")
	if response.StatusCode != 429 || response.Header.Get("Retry-After") == "" || !strings.HasPrefix(body, "<!doctype html>") {
		t.Errorf("the fourth: %s %v %.40q", response.Status, response.Header, body)
	}
	if n := len(d.recorder.Events()); n != 3 {
		t.Errorf("%d events", n)
	}
}

func TestOnlyWhoShowsTheSecretIsAnswered(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	for name, fields := range map[string][]string{
		"none":                   {"Tollhouse-Authorize", ""},
		"a wrong one":            {"Tollhouse-Authorize", "another secret of 22 characters"},
		"a part":                 {"Tollhouse-Authorize", proxySecret[:20]},
		"one more character":     {"Tollhouse-Authorize", proxySecret + "x"},
		"two":                    {"Tollhouse-Authorize", proxySecret, "Tollhouse-Authorize", "x"},
		"it twice":               {"Tollhouse-Authorize", proxySecret, "Tollhouse-Authorize", proxySecret},
		"it as the caller's key": {"Tollhouse-Authorize", "", "Authorization", "Bearer " + proxySecret},
	} {
		response, body := d.ask(fields...)
		if response.StatusCode != 403 || !strings.Contains(body, "#authorize-secret") || strings.Contains(body, proxySecret) || response.Header.Get("Tollhouse-Customer") != "" {
			t.Errorf("%s: %s %s", name, response.Status, body)
		}
	}
	for _, path := range []string{"/settle", "/", "/metrics"} {
		if response, _ := d.send("POST", path, map[string][]string{"Authorization": {"Bearer x"}}, "{}"); response.StatusCode != 403 {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
	if n := strings.Count(d.log.String(), "without its secret"); n != 1 {
		t.Errorf("the log tells of it %d times: %s", n, d.log)
	}
	if len(d.recorder.Events()) != 0 || len(d.recorder.Refusals()) != 0 {
		t.Error("something was decided")
	}
	if response, _ := d.send("GET", "/elsewhere", d.question(), ""); response.StatusCode != 404 {
		t.Errorf("another path: %s", response.Status)
	}
}

func TestAQuestionIsUnderstoodOrRefused(t *testing.T) {
	t.Parallel()
	forms := map[string]map[string][]string{
		"nginx":               {"X-Original-Method": {"POST"}, "X-Original-Uri": {"/extractions?a=b"}, "X-Forwarded-Host": {"api.example"}, "X-Forwarded-For": {"198.51.100.7"}},
		"ingress-nginx":       {"X-Original-Method": {"POST"}, "X-Original-Url": {"https://api.example/extractions?a=b"}, "X-Forwarded-For": {"198.51.100.7"}},
		"both, and the same":  {"X-Original-Method": {"POST"}, "X-Forwarded-Method": {"POST"}, "X-Original-Uri": {"/extractions"}, "X-Forwarded-Uri": {"/extractions"}, "X-Original-Url": {"http://API.example/extractions"}, "X-Forwarded-Host": {"api.example"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-For": {"198.51.100.7"}},
		"cleared":             {"X-Original-Method": {""}, "X-Forwarded-Method": {"POST"}, "X-Original-Url": {""}, "X-Forwarded-Uri": {"/extractions"}, "X-Forwarded-Host": {"api.example"}, "X-Forwarded-For": {"198.51.100.7"}},
		"a port and capitals": {"X-Forwarded-Method": {"POST"}, "X-Forwarded-Uri": {"/extractions"}, "X-Forwarded-Host": {"API.Example.:8443"}, "X-Forwarded-For": {"198.51.100.7:1234"}},
		"an absolute form":    {"X-Forwarded-Method": {"POST"}, "X-Forwarded-Uri": {"http://api.example/extractions?a=b"}, "X-Forwarded-Host": {"api.example"}, "X-Forwarded-For": {"[2001:db8::7]"}},
		"a WebSocket":         {"X-Forwarded-Method": {"POST"}, "X-Forwarded-Uri": {"/extractions"}, "X-Forwarded-Proto": {"wss"}, "X-Forwarded-Host": {"api.example"}, "X-Forwarded-For": {"198.51.100.7"}},
		"a trusted way":       {"X-Forwarded-Method": {"POST"}, "X-Forwarded-Uri": {"/extractions"}, "X-Forwarded-Host": {"api.example"}, "X-Forwarded-For": {"6.6.6.6, 198.51.100.7, 192.0.2.8", "192.0.2.9"}},
	}
	for name, h := range forms {
		d := openDoor(t)
		h["Tollhouse-Authorize"], h["X-Api-Key"] = []string{proxySecret}, []string{d.key}
		response, body := d.send("GET", "/authorize", h, "")
		if response.StatusCode != 200 {
			t.Errorf("%s: %s %s", name, response.Status, body)
			continue
		}
		s := <-d.seen
		if e := d.recorder.Events()[0]; e.Service != "api" || e.Endpoint != "POST /extractions" || s.Request.Client.Is4() && s.Request.Client != netip.MustParseAddr("198.51.100.7") {
			t.Errorf("%s: %+v from %s", name, e, s.Request.Client)
		}
	}

	d := openDoor(t)
	for name, fields := range map[string][]string{
		"no method":               {"X-Forwarded-Method", ""},
		"no path":                 {"X-Forwarded-Uri", ""},
		"no host":                 {"X-Forwarded-Host", ""},
		"no client":               {"X-Forwarded-For", ""},
		"two methods":             {"X-Original-Method", "GET"},
		"two paths":               {"X-Original-Uri", "/other"},
		"two hosts":               {"X-Original-Url", "https://told.example/extractions?a=b"},
		"two schemes":             {"X-Original-Url", "http://api.example/extractions?a=b"},
		"two paths, one whole":    {"X-Original-Url", "https://api.example/extractions"},
		"a field twice":           {"X-Forwarded-Uri", "/extractions", "X-Forwarded-Uri", "/other"},
		"hosts in a list":         {"X-Forwarded-Host", "api.example, told.example"},
		"a host twice":            {"X-Forwarded-Host", "api.example", "X-Forwarded-Host", "told.example"},
		"a host with a path":      {"X-Forwarded-Host", "api.example/x"},
		"a host with a user":      {"X-Forwarded-Host", "user@api.example"},
		"an absolute form's host": {"X-Forwarded-Uri", "http://told.example/extractions"},
		"a strange scheme":        {"X-Forwarded-Proto", "gopher"},
		"a method with a space":   {"X-Forwarded-Method", "GET /"},
		"no address":              {"X-Forwarded-For", "198.51.100.7, unknown"},
		"half an address":         {"X-Original-Url", "https://"},
		"an ambiguous path":       {"X-Forwarded-Uri", "/a%2fextractions"},
		"dots":                    {"X-Forwarded-Uri", "/a/../extractions"},
		"a NUL":                   {"X-Forwarded-Uri", "/%00"},
		"no slash":                {"X-Forwarded-Uri", "extractions"},
		"an asterisk":             {"X-Forwarded-Uri", "*"},
		"an authority":            {"X-Forwarded-Uri", "api.example:443"},
	} {
		response, body := d.ask(fields...)
		if response.StatusCode != 400 || !strings.Contains(body, "#authorize-question") && !strings.Contains(body, "#bad-path") {
			t.Errorf("%s: %s %s", name, response.Status, body)
		}
	}
	for name, c := range map[string]struct {
		fields []string
		status int
		about  string
	}{
		"an unknown host":         {[]string{"X-Forwarded-Host", "nobody.example"}, 404, "No delegated service"},
		"one that we forward":     {[]string{"X-Forwarded-Host", "own.example"}, 404, "No delegated service"},
		"no key":                  {[]string{"Authorization", ""}, 401, "#key-missing"},
		"no key of ours":          {[]string{"Authorization", "Bearer th_live_x"}, 401, "#key-malformed"},
		"two keys":                {[]string{"X-Api-Key", "th_live_another"}, 401, "#key-malformed"},
		"an address that may not": {[]string{"X-Forwarded-Host", "site.example", "X-Forwarded-For", "203.0.113.5"}, 403, "#address-refused"},
		"a long path":             {[]string{"X-Forwarded-Uri", "/" + strings.Repeat("x", 3000)}, 414, "#url-too-long"},
		"a long method":           {[]string{"X-Forwarded-Method", strings.Repeat("M", 33)}, 501, "#bad-method"},
	} {
		if response, body := d.ask(c.fields...); response.StatusCode != c.status || !strings.Contains(body, c.about) {
			t.Errorf("%s: %s %s", name, response.Status, body)
		}
	}
	if n := len(d.recorder.Events()); n != 0 {
		t.Errorf("%d of them were recorded", n)
	}
}

// Whoever is the last entry is the client, also where it has the address of the
// proxy itself: else it could name another one before it.
func TestAClientOnTheProxysMachineIsNoProxy(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	response, body := d.ask("X-Forwarded-Host", "site.example", "X-Forwarded-For", "6.6.6.6, 127.0.0.1")
	if response.StatusCode != 200 {
		t.Fatalf("%s %s", response.Status, body)
	}
	if s := <-d.seen; s.Request.Client.String() != "127.0.0.1" {
		t.Errorf("the client is %s", s.Request.Client)
	}
	if h := response.Header; h.Get("Tollhouse-Customer") != "" || len(h["Tollhouse-Customer"]) != 1 {
		t.Errorf("a public service's caller is %q", h["Tollhouse-Customer"])
	}
	if response, _ = d.ask("X-Forwarded-Host", "site.example", "X-Forwarded-For", "7.7.7.7, 127.0.0.1"); response.StatusCode != 429 {
		t.Errorf("its second call: %s", response.Status)
	}
}

func TestAHeadOf64KiBIsRefusedAndEndsNothing(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		_, _ = fmt.Fprintf(conn, "GET /authorize HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", 70<<10))
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != 431 {
		t.Fatalf("%v %v", response, err)
	}
	response.Body.Close()
	if response, body := d.ask("X-Long", strings.Repeat("x", 60<<10)); response.StatusCode != 200 {
		t.Errorf("a shorter one: %s %s", response.Status, body)
	}
}

func TestRefusalsSurviveAProxyThatKnowsOnly401And403(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	ask := func(fields ...string) (*http.Response, problem) {
		t.Helper()
		response, _ := d.send("GET", "/authorize?deny=403", d.question(append(fields, "Accept", "text/html", "Hx-Request", "true")...), "")
		var p problem
		if said := response.Header.Get("Tollhouse-Problem"); said != "" {
			if err := json.Unmarshal([]byte(said), &p); err != nil {
				t.Errorf("Tollhouse-Problem %q: %v", said, err)
			}
			if strings.Trim(said, " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~") != "" {
				t.Errorf("Tollhouse-Problem is not ASCII: %q", said)
			}
		}
		return response, p
	}
	response, p := ask("Authorization", "")
	if response.StatusCode != 401 || response.Header.Get("Tollhouse-Status") != "401" || p.Status != 401 || response.Header.Get("Www-Authenticate") == "" || !strings.Contains(p.Detail, "“") {
		t.Errorf("no key: %s %v %+v", response.Status, response.Header, p)
	}
	for status, fields := range map[string][]string{
		"404": {"X-Forwarded-Host", "nobody.example"}, "400": {"X-Forwarded-Uri", ""}, "414": {"X-Forwarded-Uri", "/" + strings.Repeat("x", 3000)},
	} {
		if response, p := ask(fields...); response.StatusCode != 403 || response.Header.Get("Tollhouse-Status") != status || fmt.Sprint(p.Status) != status {
			t.Errorf("%s comes as %s, %s, %+v", status, response.Status, response.Header.Get("Tollhouse-Status"), p)
		}
	}
	for range 3 {
		if response, _ := ask(); response.StatusCode != 200 || response.Header.Get("Tollhouse-Status") != "" {
			t.Errorf("admitted: %s %v", response.Status, response.Header)
		}
	}
	response, p = ask()
	if response.StatusCode != 403 || response.Header.Get("Tollhouse-Status") != "429" || response.Header.Get("Retry-After") == "" || response.Header.Get("Ratelimit") == "" || p.Status != 429 {
		t.Errorf("beyond the limit: %s %v %+v", response.Status, response.Header, p)
	}
	if response, _ := d.send("GET", "/authorize?deny=200", d.question(), ""); response.StatusCode != 400 {
		t.Errorf("an unknown mode: %s", response.Status)
	}
	if response, _ := d.send("GET", "/authorize?a=%zz&b", d.question(), ""); response.StatusCode != 429 {
		t.Errorf("a client's query that a proxy left there: %s", response.Status)
	}
}

func TestASettlementIsTakenOnce(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	response, body := d.ask("X-Forwarded-Host", "told.example")
	if response.StatusCode != 200 {
		t.Fatalf("%s %s", response.Status, body)
	}
	id := response.Header.Get("Tollhouse-Decision")
	if len(d.recorder.Events()) != 0 || len(d.recorder.Opened()) != 1 || len(d.seen) != 0 {
		t.Error("it is recorded before it is settled")
	}
	settle := func(document string) (*http.Response, string) {
		t.Helper()
		return d.send("POST", "/settle", map[string][]string{"Authorization": {"bearer " + proxySecret}}, document)
	}
	for name, document := range map[string]string{
		"nothing": "", "no JSON": "decision=1", "a list": "[]", "two": `{"decision":"` + id + `","status":200} {}`, "an unknown field": `{"decision":"` + id + `","status":200,"unit":{}}`,
		"no decision": `{"status":200}`, "no status": `{"decision":"` + id + `"}`, "a strange status": `{"decision":"` + id + `","status":99}`, "a negative size": `{"decision":"` + id + `","status":200,"bytes_in":-1}`,
		"a strange duration": `{"decision":"` + id + `","status":200,"duration":"12"}`, "a text for a number": `{"decision":"` + id + `","status":"200"}`, "too long": `{"decision":"` + strings.Repeat(" ", 70<<10) + `"}`,
	} {
		if response, body := settle(document); response.StatusCode != 400 || !strings.Contains(body, "#settlement-unclear") {
			t.Errorf("%s: %s %s", name, response.Status, body)
		}
	}
	if response, body := settle(`{"decision":"01ARZ3NDEKTSV4RRFFQ69G5FAV","status":200}`); response.StatusCode != 404 || !strings.Contains(body, "#decision-unknown") {
		t.Errorf("another decision: %s %s", response.Status, body)
	}
	if response, _ := d.send("GET", "/settle", d.question(), ""); response.StatusCode != 405 || response.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %s", response.Status)
	}
	response, first := settle(`{"decision":"` + strings.ToLower(id) + `","status":201,"units":{"words":12,"letters":1,"words,words":2,"half":0.5},"bytes_in":3,"bytes_out":4,"duration":"0.035s"}`)
	if want := `{"decision":"` + id + `","status":201,"class":"chargeable","units":{"words":12},"refused_usage":3}` + "\n"; response.StatusCode != 200 || first != want {
		t.Fatalf("%s %s, want %s", response.Status, first, want)
	}
	if response, again := settle(`{"decision":"` + id + `","status":500}`); response.StatusCode != 200 || again != first {
		t.Errorf("again: %s %s", response.Status, again)
	}
	e := d.recorder.Events()
	if len(e) != 1 || e[0].ID.String() != id || e[0].Status != 201 || e[0].Latency != 35*time.Millisecond || e[0].BytesIn != 3 || e[0].BytesOut != 4 {
		t.Errorf("the books have %+v", e)
	}
	if s := <-d.seen; s.Status != 201 || s.Request.Host != "told.example" || s.BadUsage != 3 || !strings.Contains(s.SaidUsage, "letters=1") || len(d.seen) != 0 {
		t.Errorf("seen %+v", s)
	}
}

func TestASettlementDuringTheEndIsStillTaken(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	response, _ := d.ask("X-Forwarded-Host", "told.example")
	id := response.Header.Get("Tollhouse-Decision")
	drained := make(chan struct{})
	go func() { d.authorize.Drain(context.Background()); close(drained) }()
	for {
		if response, _ = d.ask(); response.StatusCode == 503 {
			break
		}
	}
	select {
	case <-drained:
		t.Error("it does not wait for the one that is open")
	default:
	}
	if response, body := d.send("POST", "/settle", map[string][]string{"Tollhouse-Authorize": {proxySecret}}, `{"decision":"`+id+`","status":200}`); response.StatusCode != 200 {
		t.Errorf("%s %s", response.Status, body)
	}
	<-drained
	d2 := openDoor(t)
	d2.ask("X-Forwarded-Host", "told.example")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	d2.authorize.Drain(ended) // and not for ever
}

func TestWhatCannotBeJournalledIsNotLetIn(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	d.recorder.BeforeRecord = func() { d.recorder.Fail(errors.New("disk full")) } // between the decision and the event
	response, body := d.ask()
	if response.StatusCode != 503 || !strings.Contains(body, "#journal-full") || response.Header.Get("Tollhouse-Customer") != "" {
		t.Errorf("%s %v %s", response.Status, response.Header, body)
	}
	if s := <-d.seen; s.Err == nil || s.Status != 503 {
		t.Errorf("seen %+v", s)
	}
}
