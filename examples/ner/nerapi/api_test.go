package nerapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/examples/ner/extract"
	"github.com/tollhouse/tollhouse/examples/ner/nerapi"
)

func TestExtractsTheArticlesSentence(t *testing.T) {
	t.Parallel()
	a := newClient(t, nerapi.Options{}).extract(`{"text": "John Doe is a Go Developer at Google"}`)
	want := []extraction{{0, 8, "PERSON", "John Doe"}, {14, 26, "POSITION", "Go Developer"}, {30, 36, "ORGANISATION", "Google"}}
	if got := a.extractions(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := a.header.Get("Tollhouse-Usage"), "words=8, characters=36"; got != want {
		t.Errorf("usage is %q, want %q", got, want)
	}
}

func TestAnswersAnEmptyListWhenNothingIsNamed(t *testing.T) {
	t.Parallel()
	a := newClient(t, nerapi.Options{}).extract(`{"text": "🙂 nothing here"}`)
	if strings.TrimSpace(a.body) != `{"extractions":[]}` {
		t.Errorf("got %s", a.body)
	}
	if got, want := a.header.Get("Tollhouse-Usage"), "words=3, characters=14"; got != want {
		t.Errorf("usage is %q, want %q", got, want)
	}
}

func TestCountsPositionsInTheTextAsSent(t *testing.T) {
	t.Parallel()
	c := newClient(t, nerapi.Options{})
	for _, text := range []string{
		"👩‍💻 Ada Lovelace in Zu\u0308rich", `日本語 Ada Lovelace`, "שלום Ada Lovelace", "tab\there,\nAda Lovelace", "e\u0301\u0301 José Garci\u0301a", "Ada Lovelace \u202edecaleveL", "\u2028Ada Lovelace",
	} {
		for _, escaped := range []bool{false, true} {
			body, err := json.Marshal(map[string]string{"text": text})
			if err != nil {
				t.Fatal(err)
			}
			if escaped {
				body = []byte(`{"text":` + strconv.QuoteToASCII(text) + `}`)
				body = bytes.ReplaceAll(body, []byte(`\U0001f469`), []byte(`\ud83d\udc69`))
				body = bytes.ReplaceAll(body, []byte(`\U0001f4bb`), []byte(`\uD83D\uDCBB`))
			}
			found := c.extract(string(body)).extractions(t)
			if len(found) == 0 {
				t.Errorf("%q: found nothing", text)
			}
			for _, e := range found {
				if got := string([]rune(text)[e.Start:e.End]); got != e.Text {
					t.Errorf("%q: %d to %d is %q, the answer says %q", text, e.Start, e.End, got, e.Text)
				}
			}
		}
	}
}

func TestRefusesABodyThatIsNotWellFormedWithThePlace(t *testing.T) {
	t.Parallel()
	c := newClient(t, nerapi.Options{})
	for name, b := range map[string]struct{ body, where, what string }{
		"cut off":              {`{"text": "John`, "line 1, column 15 (byte 14)", "unexpected end"},
		"cut after a brace":    {"{\n", "line 2, column 1 (byte 2)", "unexpected end"},
		"no quotes":            {`{"text": John}`, "line 1, column 10 (byte 9)", "invalid character 'J'"},
		"single quotes":        {`{'text': 'John'}`, "line 1, column 2 (byte 1)", `invalid character '\''`},
		"trailing comma":       {"{\"text\": \"x\",\n}", "line 2, column 1 (byte 14)", "invalid character '}'"},
		"two values":           {`{"text":"a"} {"text":"b"}`, "line 1, column 14 (byte 13)", "after top-level value"},
		"raw line break":       {"{\"text\": \"a\nb\"}", "line 1, column 12 (byte 11)", "in string literal"},
		"after wide letters":   {`{"text": "żółć" x}`, "line 1, column 17 (byte 20)", "invalid character 'x'"},
		"white space only":     {" \n ", "line 2, column 2 (byte 3)", "empty"},
		"not UTF-8":            {"{\"text\": \"caf\xe9\"}", "line 1, column 14 (byte 13)", "0xE9 is not UTF-8"},
		"cut UTF-8":            {"{\"text\": \"\xf0\x9f\x98\"}", "line 1, column 11 (byte 10)", "not UTF-8"},
		"surrogate in UTF-8":   {"{\"text\": \"\xed\xa0\x80\"}", "line 1, column 11 (byte 10)", "not UTF-8"},
		"UTF-16":               {"\xff\xfe{\x00}\x00", "line 1, column 1 (byte 0)", "not UTF-8"},
		"byte order mark":      {"\ufeff{\"text\":\"a\"}", "line 1, column 1 (byte 0)", "invalid character"},
		"lone high surrogate":  {`{"text": "a\ud83d b"}`, "line 1, column 12 (byte 11)", `\ud83d is half`},
		"lone low surrogate":   {`{"text": "\\\ude00"}`, "line 1, column 13 (byte 12)", `\ude00 is half`},
		"two high surrogates":  {`{"text": "\ud83d\ud83d"}`, "line 1, column 11 (byte 10)", "is half"},
		"two low surrogates":   {`{"text": "\ude00\ude00"}`, "line 1, column 11 (byte 10)", "is half"},
		"bad escape":           {`{"text": "\x"}`, "line 1, column 12 (byte 11)", "in string escape code"},
		"deeper than any text": {strings.Repeat("[", 20_000), "(byte", "exceeded max depth"},
	} {
		t.Run(name, func(t *testing.T) {
			p := c.extract(b.body).problem(t, http.StatusUnprocessableEntity)
			if !strings.Contains(p.Detail, b.where) || !strings.Contains(p.Detail, b.what) {
				t.Errorf("the detail is %q, want %q and %q in it", p.Detail, b.where, b.what)
			}
			if len(p.Errors) != 1 || p.Errors[0].Location != "body" {
				t.Errorf("the errors are %+v, want one at body", p.Errors)
			}
		})
	}
}

func TestTakesAnEmptyBodyForAFaultOfTheBody(t *testing.T) {
	t.Parallel()
	p := newClient(t, nerapi.Options{}).extract("").problem(t, http.StatusUnprocessableEntity)
	if !strings.Contains(p.Detail, "empty") {
		t.Errorf("the detail is %q", p.Detail)
	}
}

func TestAcceptsEscapesThatLookLikeFaults(t *testing.T) {
	t.Parallel()
	c := newClient(t, nerapi.Options{})
	for _, body := range []string{
		`{"text": "\ud83d\ude00 ok"}`, `{"text": "\\ud83d is no escape"}`, `{"text": "\\\\ud83d"}`, `{"text": "\uD83D\uDE00\u0041"}`, `{"text": "ends in \\"}`, `{"text":"\u00e9"}`,
	} {
		c.extract(body).extractions(t)
	}
}

func TestRefusesWhatDoesNotFitTheSchemaWithTheField(t *testing.T) {
	t.Parallel()
	c := newClient(t, nerapi.Options{})
	long, err := json.Marshal(map[string]string{"text": strings.Repeat("ż", nerapi.MaxCharacters+1)})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]struct{ body, location, what string }{
		"empty text":         {`{"text": ""}`, "body.text", "length >= 1"},
		"spaces only":        {`{"text": " \n\t"}`, "body.text", "not a space"},
		"wide spaces only":   {`{"text": "\u00a0\u3000\u2003"}`, "body.text", "not a space"},
		"too long":           {string(long), "body.text", "length <= 100000"},
		"no text":            {`{}`, "body", "text"},
		"unknown field":      {`{"text": "a", "lang": "en"}`, "body.lang", "unexpected property"},
		"other case":         {`{"Text": "a"}`, "body.Text", "unexpected property"},
		"both cases":         {`{"text": "a", "TEXT": "b"}`, "body.TEXT", "unexpected property"},
		"sentence for text":  {`{"sentence": "a"}`, "body", "text"},
		"number":             {`{"text": 5}`, "body.text", "expected string"},
		"null":               {`{"text": null}`, "body.text", "expected string"},
		"list":               {`["a"]`, "body", "expected object"},
		"string":             {`"a"`, "body", "expected object"},
		"null for all":       {`null`, "body", ""},
		"number out of sane": {`{"text": 1e999}`, "body", "(byte 9): the number 1e999 is out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			p := c.extract(b.body).problem(t, http.StatusUnprocessableEntity)
			for _, e := range p.Errors {
				if e.Location == b.location && strings.Contains(e.Message, b.what) {
					return
				}
			}
			t.Errorf("no error at %s with %q among %+v", b.location, b.what, p.Errors)
		})
	}
}

func TestDoesNotSendALongTextBack(t *testing.T) {
	t.Parallel()
	c := newClient(t, nerapi.Options{})
	a := c.extract(`{"text": "` + strings.Repeat("secret ", nerapi.MaxCharacters/7+1) + `"}`)
	a.problem(t, http.StatusUnprocessableEntity)
	if len(a.body) > 1000 {
		t.Errorf("the problem has %d bytes", len(a.body))
	}
}

func TestTakesTheLongestTextInItsLongestForm(t *testing.T) {
	t.Parallel()
	c := newClient(t, nerapi.Options{})
	a := c.extract(`{"text": "` + strings.Repeat(`\ud83d\ude00`, nerapi.MaxCharacters) + `"}`)
	a.extractions(t)
	if got, want := a.header.Get("Tollhouse-Usage"), "words=1, characters=100000"; got != want {
		t.Errorf("usage is %q, want %q", got, want)
	}
	c.extract(`{"text": "`+strings.Repeat(`\ud83d\ude00`, nerapi.MaxCharacters+1000)+`"}`).problem(t, http.StatusRequestEntityTooLarge)
}

func TestRefusesBinaryDataAsAMatterOfBusiness(t *testing.T) {
	t.Parallel()
	a := newClient(t, nerapi.Options{}).extract(`{"text": "ab\u0000cd"}`)
	p := a.problem(t, http.StatusBadRequest)
	if !strings.Contains(p.Detail, "U+0000 at character 2") || len(p.Errors) != 1 || p.Errors[0].Location != "body.text" {
		t.Errorf("got %s", a.body)
	}
	if usage := a.header.Get("Tollhouse-Usage"); usage != "" {
		t.Errorf("a refused text has usage %q", usage)
	}
}

func TestTakesJSONByAnyNameThatCurlGivesIt(t *testing.T) {
	t.Parallel()
	c := newClient(t, nerapi.Options{})
	for kind, status := range map[string]int{
		"application/json": 200, "application/json; charset=utf-8": 200, "": 200, "application/x-www-form-urlencoded": 200,
		"text/plain": 415, "application/json; charset=utf-16": 415, "application/xml": 415, "broken/": 415,
	} {
		a := c.send(http.MethodPost, "/extractions", `{"text": "a"}`, http.Header{"Content-Type": {kind}})
		if a.status != status {
			t.Errorf("%q: got %d, want %d: %s", kind, a.status, status, a.body)
		}
		c.fits(a)
	}
}

func TestAnswersWrongPathsAndMethodsWithProblems(t *testing.T) {
	t.Parallel()
	c := newClient(t, nerapi.Options{})
	c.send(http.MethodGet, "/nothing", "", nil).problem(t, http.StatusNotFound)
	c.send(http.MethodPost, "/extractions/", "", nil).problem(t, http.StatusNotFound)
	for path, method := range map[string]string{"/extractions": http.MethodGet, "/healthz": http.MethodPost, "/openapi.json": http.MethodDelete, "/": http.MethodPut} {
		a := c.send(method, path, "", nil)
		a.problem(t, http.StatusMethodNotAllowed)
		if a.header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", method, path)
		}
	}
}

func TestRefusesUnknownQueryParameters(t *testing.T) {
	t.Parallel()
	c := newClient(t, nerapi.Options{})
	c.send(http.MethodPost, "/extractions?lang=en", `{"text": "a"}`, nil).problem(t, http.StatusUnprocessableEntity)
}

func TestTellsThatItIsHealthy(t *testing.T) {
	t.Parallel()
	a := newClient(t, nerapi.Options{}).send(http.MethodGet, "/healthz", "", nil)
	if a.status != http.StatusOK || strings.TrimSpace(a.body) != `{"status":"ok"}` {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

func TestNamesItsRootPathInTheContractAndTheDocs(t *testing.T) {
	t.Parallel()
	c := newClient(t, nerapi.Options{})
	if !strings.HasPrefix(c.contract.OpenAPI, "3.1") {
		t.Errorf("the contract is OpenAPI %q", c.contract.OpenAPI)
	}
	for prefix, want := range map[string]string{
		"": "/", "/": "/", "/v1/ner": "/v1/ner", "/v1/ner/": "/v1/ner",
		"//evil.example": "/", "https://evil.example": "/", `/"><script>`: "/", "/a/../b": "/", "v1": "/",
	} {
		header := http.Header{"X-Forwarded-Prefix": {prefix}}
		var got contract
		a := c.send(http.MethodGet, "/openapi.json", "", header)
		if err := json.Unmarshal([]byte(a.body), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Servers) != 1 || got.Servers[0].URL != want {
			t.Errorf("prefix %q: the servers are %+v, want %q", prefix, got.Servers, want)
		}
		if a.header.Get("Vary") != "X-Forwarded-Prefix" {
			t.Errorf("prefix %q: Vary is %q", prefix, a.header.Get("Vary"))
		}
		docs := c.send(http.MethodGet, "/docs", "", header)
		link := `href="` + strings.TrimSuffix(want, "/") + `/openapi.json"`
		if docs.status != http.StatusOK || !strings.Contains(docs.body, link) || strings.Contains(docs.body, "evil") {
			t.Errorf("prefix %q: the docs (%d) have no %s", prefix, docs.status, link)
		}
	}
}

// liar finds what cannot be right.
type liar []extract.Extraction

func (l liar) Extract(string) []extract.Extraction { return l }

func TestNeverSendsAnAnswerThatDoesNotFitItsSchema(t *testing.T) {
	t.Parallel()
	for name, found := range map[string]liar{
		"unknown type":  {{Start: 0, End: 1, Type: "ANIMAL", Text: "a"}},
		"empty":         {{Start: 0, End: 0, Type: extract.Person, Text: ""}},
		"negative":      {{Start: -1, End: 0, Type: extract.Person, Text: "a"}},
		"wrong length":  {{Start: 0, End: 5, Type: extract.Person, Text: "a"}},
		"overlap":       {{Start: 0, End: 2, Type: extract.Person, Text: "ab"}, {Start: 1, End: 2, Type: extract.Place, Text: "b"}},
		"out of bounds": {{Start: 200_000, End: 200_001, Type: extract.Person, Text: "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			c := newClient(t, nerapi.Options{Extractor: found, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			a := c.extract(`{"text": "abcdef"}`)
			a.problem(t, http.StatusInternalServerError)
			if a.header.Get("Tollhouse-Usage") != "" {
				t.Error("an answer that was not given has usage")
			}
			if !strings.Contains(log.String(), "own schema") {
				t.Errorf("the log says %q", log.String())
			}
		})
	}
}

func TestTheContractNamesEveryType(t *testing.T) {
	t.Parallel()
	c := newClient(t, nerapi.Options{})
	var s struct {
		Properties struct {
			Type struct {
				Enum []extract.Type `json:"enum"`
			} `json:"type"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(c.contract.Components.Schemas["Extraction"], &s); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(s.Properties.Type.Enum) != fmt.Sprint(extract.Types()) {
		t.Errorf("the contract has %v, the code %v", s.Properties.Type.Enum, extract.Types())
	}
}

func FuzzExtractions(f *testing.F) {
	for _, seed := range []string{
		`{"text": "John Doe is a Go Developer at Google"}`, `{"text": "\ud83d\ude00"}`, `{"text": "\ud83d"}`, `{"text":""}`, `{`, `null`, "\xff", `{"text":"a","b":1}`, `{"text":"\u0000"}`, `[[[[`,
	} {
		f.Add([]byte(seed))
	}
	handler := nerapi.New(nerapi.Options{Logger: slog.New(slog.DiscardHandler)})
	f.Fuzz(func(t *testing.T, body []byte) {
		request := httptest.NewRequest(http.MethodPost, "/extractions", bytes.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		switch recorder.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusUnprocessableEntity:
		default:
			t.Fatalf("%q: %d %s", body, recorder.Code, recorder.Body)
		}
		if !json.Valid(recorder.Body.Bytes()) {
			t.Fatalf("%q: the answer is not JSON: %s", body, recorder.Body)
		}
		if recorder.Code != http.StatusOK {
			return
		}
		var sent struct{ Text string }
		var got extractions
		if json.Unmarshal(body, &sent) != nil || json.Unmarshal(recorder.Body.Bytes(), &got) != nil {
			t.Fatalf("%q was accepted and cannot be read", body)
		}
		runes, end := []rune(sent.Text), 0
		for _, e := range got.Extractions {
			if e.Start < end || e.End > len(runes) || string(runes[e.Start:e.End]) != e.Text {
				t.Fatalf("%q: %+v does not stand in %q", body, e, sent.Text)
			}
			end = e.End
		}
	})
}

func BenchmarkExtractions(b *testing.B) {
	handler := nerapi.New(nerapi.Options{})
	body := []byte(`{"text": "John Doe is a Go Developer at Google"}`)
	b.ReportAllocs()
	for b.Loop() {
		request := httptest.NewRequest(http.MethodPost, "/extractions", bytes.NewReader(body))
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
}
