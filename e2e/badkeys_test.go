package e2e

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/toll"
)

const (
	challengeMissing = `Bearer realm="api"` // RFC 6750 §3.1: no error code when nothing was sent
	challengeInvalid = `Bearer realm="api", error="invalid_token"`
)

// Each request is written byte by byte, for no client would send these.
func TestWhatIsNoKeyIsToldApartAndNeverLogged(t *testing.T) {
	t.Parallel()
	var forwarded atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { forwarded.Add(1); fmt.Fprint(w, "fine") }))
	t.Cleanup(service.Close)
	s := &served{t: t, file: filepath.Join(t.TempDir(), "tollhouse.yml")}
	s.write(fmt.Sprintf(`
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: %q
access_log: %q
services:
  api: { path: /api, upstreams: [%q], access: key }
plans:
  load: { includes: [api], limits: [ { name: second, rate: 1000000/second } ] }
`, filepath.Join(filepath.Dir(s.file), "data"), s.log(), service.URL))
	s.customer = ask[customer](t, "customer", "create", "--config", s.file, "--name", "ACME", "--plan", "load")
	s.key = ask[key](t, "key", "create", "--config", s.file, "--customer", s.customer.ID, "--name", "k").Key
	other := ask[key](t, "key", "create", "--config", s.file, "--customer", s.customer.ID, "--name", "o").Key
	revoked := ask[key](t, "key", "create", "--config", s.file, "--customer", s.customer.ID, "--name", "r")
	ask[any](t, "key", "revoke", "--config", s.file, revoked.ID)
	stranger, _, _, err := apikey.New(toll.Live, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.process = start(t, "serves at", "serve", "--config", s.file)
	s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]

	secrets := []string{s.key, other, revoked.Key, stranger.Reveal()} // and what resembles them
	rest := s.key[len("th_live_"):]
	secrets = append(secrets, rest, rest[1:25])
	header := func(text string) string { return "X-API-Key: " + text + "\r\n" }
	type row struct {
		what, path, fields string
		status             int
		problem, challenge string
	}
	var rows []row
	refused := func(what, fields, problem, challenge string) {
		rows = append(rows, row{what, "/api/x", fields, 401, problem, challenge})
	}
	malformed := func(what, fields string) { refused(what, fields, "key-malformed", challengeInvalid) }
	missing := func(what, fields string) { refused(what, fields, "key-missing", challengeMissing) }

	missing("none", "")
	for _, name := range []string{"key", "api_key", "apikey", "x-api-key", "access_token", "token", "authorization"} {
		rows = append(rows, row{"in the query as " + name, "/api/x?" + name + "=" + s.key, "", 401, "key-missing", challengeMissing})
	}
	missing("in a cookie", "Cookie: key="+s.key+"\r\n")
	missing("in another scheme", "Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(s.key+":"))+"\r\n")
	missing("in a field that is named nearly so", "X_API_Key: "+s.key+"\r\n")
	for i := range s.key { // each character is another one, once
		for _, c := range []byte{'0', 'z', '_'} {
			if s.key[i] != c {
				malformed(fmt.Sprintf("character %d is %c", i+1, c), header(s.key[:i]+string(c)+s.key[i+1:]))
				break
			}
		}
	}
	malformed("its last character is missing", header(s.key[:43]))
	malformed("one character more", header(s.key+"0"))
	for _, prefix := range []string{"th_1ive_", "TH_LIVE_", "th_live-", "Th_live_", "th_Live_", "th__live_", "th_llve_", "tn_live_", "th-live-", "sk_live_", "th_test_", ""} {
		malformed("it begins with "+prefix, header(prefix+rest))
	}
	malformed("a letter of another alphabet", header("th_liv\u0435_"+rest))
	malformed("full width", header("\uff54h_live_"+rest))
	malformed("a letter with an accent", header(s.key[:20]+"é"+s.key[21:]))
	malformed("no UTF-8", header(s.key[:20]+"\xff"+s.key[21:]))
	malformed("a zero-width space at its end", header(s.key+"\u200b"))
	malformed("line ends as escapes", header(s.key+"%0d%0a"))
	malformed("60,000 characters", header(strings.Repeat("k", 60_000)))
	malformed("itself, twice in one field", header(s.key+", "+s.key))
	malformed("a scheme alone", "Authorization: Bearer\r\n")
	malformed("two Authorization fields that agree", "Authorization: Bearer "+s.key+"\r\nAuthorization: Bearer "+s.key+"\r\n")
	malformed("two Authorization fields that differ", "Authorization: Bearer "+s.key+"\r\nAuthorization: Bearer "+other+"\r\n")
	malformed("two X-API-Key fields that differ", header(s.key)+header(other))
	malformed("Authorization and X-API-Key that differ", "Authorization: Bearer "+s.key+"\r\n"+header(other))
	malformed("a good one, and what is none", "Authorization: Bearer "+s.key+"\r\n"+header("nonsense"))
	refused("with a right checksum, but nobody's", header(stranger.Reveal()), "key-unknown", challengeInvalid)
	refused("revoked", header(revoked.Key), "key-unknown", challengeInvalid)
	// What is no HTTP is not looked at for a key at all.
	for what, fields := range map[string]string{
		"a CR in it":         header(s.key[:20] + "\r" + s.key[20:]),
		"a LF in it":         header(s.key[:20] + "\n" + s.key[20:]),
		"a LF and a field":   header(s.key + "\nX-Evil: 1"),
		"a folded line":      header(s.key[:20] + "\r\n " + s.key[20:]),
		"a NUL in it":        header(s.key[:20] + "\x00" + s.key[20:]),
		"a space in a name":  "X-API-Key : " + s.key + "\r\n",
		"no colon":           s.key + "\r\n",
		"the key as a field": s.key + ": " + s.key + "\r\n",
	} {
		status := 400
		if what == "the key as a field" { // a good name for a field, and nobody's
			rows = append(rows, row{what, "/api/x", fields, 401, "key-missing", challengeMissing})
			continue
		}
		rows = append(rows, row{what, "/api/x", fields, status, "", ""})
	}
	rows = append(rows,
		row{"a megabyte", "/api/x", header(strings.Repeat("k", 1<<20)), 431, "", ""},
		row{"a key in the path", "/api/" + s.key, "", 401, "key-missing", challengeMissing},
		row{"both fields, and one key", "/api/x", "Authorization: bearer " + s.key + "\r\n" + header(s.key), 200, "", ""},
		row{"as a token", "/api/x", "Authorization: Token " + s.key + "\r\n", 200, "", ""},
	)
	good := int64(0)
	for _, c := range rows {
		response, body := s.raw("GET " + c.path + " HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.url, "http://") + "\r\n" + c.fields + "Connection: close\r\n\r\n")
		if response == nil {
			t.Errorf("%s: no answer", c.what)
			continue
		}
		if c.status == 200 {
			good++
		}
		var problem struct {
			Type   string
			Status int
		}
		if c.problem != "" {
			if err := json.Unmarshal([]byte(body), &problem); err != nil || response.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %s of type %s: %v", c.what, body, response.Header.Get("Content-Type"), err)
			}
		}
		if response.StatusCode != c.status || c.problem != "" && (problem.Status != c.status || !strings.HasSuffix(problem.Type, "#"+c.problem)) {
			t.Errorf("%s: %d with %q, want %d %s", c.what, response.StatusCode, problem.Type, c.status, c.problem)
		}
		if got := response.Header.Get("WWW-Authenticate"); got != c.challenge {
			t.Errorf("%s: WWW-Authenticate %q, want %q", c.what, got, c.challenge)
		}
		whole := fmt.Sprint(response.Header) + body
		for _, secret := range secrets {
			if strings.Contains(whole, secret) {
				t.Errorf("%s: the answer repeats the key: %s", c.what, whole)
			}
		}
	}
	if got := forwarded.Load(); got != good {
		t.Errorf("%d requests came to the service, want %d", got, good)
	}
	metrics := page(t, s.admin()+"/metrics")
	if status := s.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
	log, err := os.ReadFile(s.log())
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(log), "\n"); n < len(rows)-9 {
		t.Errorf("%d lines for %d requests", n, len(rows))
	}
	for where, text := range map[string]string{"the access log": string(log), "the program's log": s.stderr.String(), "the metrics": metrics, "standard output": s.stdout.String()} {
		for _, secret := range append(secrets, strings.Repeat("k", 40)) {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s shows a key: …%s…", where, text[max(0, at-200):min(len(text), at+100)])
			}
		}
	}
	t.Logf("%d ways to be no key: each its own answer, and no key in an answer, %d bytes of logs or %d of metrics", len(rows)-2, len(log)+len(s.stderr.String()), len(metrics))
}

// raw sends bytes over a connection of their own, and reads one answer.
func (s *served) raw(request string) (*http.Response, string) {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	go func() { _, _ = io.WriteString(conn, request) }() // it may be refused before its end
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Logf("reading an answer: %v", err)
		return nil, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Logf("reading an answer: %v", err)
	}
	return response, string(body)
}
