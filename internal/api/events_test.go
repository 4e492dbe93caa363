package api

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

const batchType = "Content-Type: application/cloudevents-batch+json"

// cloudEvent is an event of so many words; change replaces parts of it.
func cloudEvent(id string, words string, change ...string) string {
	e := `{"specversion":"1.0","id":"` + id + `","source":"/worker","type":"job.done","subject":"cus_own","time":"2026-11-20T11:00:00Z","data":{"words":` + words + `}}`
	return strings.NewReplacer(change...).Replace(e)
}

func (w *world) send(t testing.TB, token, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	if len(headers) == 0 {
		headers = []string{"Content-Type: application/cloudevents+json"}
	}
	return w.ask(t, "POST", "/api/v1/events", token, body, headers...)
}

func wantTaken(t testing.TB, what string, out *httptest.ResponseRecorder, want takenEvents) {
	t.Helper()
	var got takenEvents
	if err := json.Unmarshal(out.Body.Bytes(), &got); err != nil || out.Code != 200 {
		t.Fatalf("%s: %d %s", what, out.Code, out.Body)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: got %+v, want %+v", what, got, want)
	}
}

func TestCountsAnEventOnceHoweverItIsSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	wantTaken(t, "structured", w.send(t, token, cloudEvent("1", "123")), takenEvents{Received: 1, Counted: 1})
	wantTaken(t, "again", w.send(t, token, cloudEvent("1", "123")), takenEvents{Received: 1, Repeated: 1})
	wantTaken(t, "the same moment in India", w.send(t, token, cloudEvent("1", "123", "2026-11-20T11:00:00Z", "2026-11-20T16:30:00.000+05:30")), takenEvents{Received: 1, Repeated: 1})
	wantTaken(t, "as plain JSON, in another order, with extensions", w.send(t, token,
		`{"data": {"words": 123}, "traceparent": {"deep": [1, {"id": "x"}]}, "time":"2026-11-20T06:00:00-05:00", "subject":"cus_own","type":"job.done","source":"/worker","id":"1"}`, "Content-Type: application/json; charset=utf-8"),
		takenEvents{Received: 1, Repeated: 1})
	wantTaken(t, "binary", w.send(t, token, `{"words":123}`, "Content-Type: application/json", "Ce-Specversion: 1.0", "Ce-Id: 1", "Ce-Source: %2Fworker", "Ce-Type: job.done", "Ce-Subject: cus_own", "Ce-Time: 2026-11-20T11:00:00Z"),
		takenEvents{Received: 1, Repeated: 1})
	wantTaken(t, "a batch with itself twice", w.send(t, token, "["+cloudEvent("1", "123")+","+cloudEvent("2", "7")+","+cloudEvent("2", "7")+"]", batchType), takenEvents{Received: 3, Counted: 1, Repeated: 2})
	wantTaken(t, "an empty batch", w.send(t, token, "[]", batchType), takenEvents{})
	if got := w.intake.quota["cus_own words"]; got != 130 {
		t.Errorf("the quota counted %d words, want 130", got)
	}
	if got := w.intake.quota["cus_own requests"]; got != 0 {
		t.Errorf("the quota counted %d requests, want none", got)
	}
	e := w.intake.stored[[2]string{"/worker", "1"}].Event
	want := toll.Event{
		ID: e.ID, Time: noon.Truncate(time.Hour).Add(-time.Hour), RequestID: "1", Customer: "cus_own", Plan: "pro", PlanVersion: "pro@1",
		Service: toll.OutsideService, Endpoint: "job.done", Status: 200, Class: toll.Chargeable,
		Units: []toll.Amount{{Unit: "words", Count: 123}, {Unit: toll.UnitRequests, Count: 0}},
	}
	if !reflect.DeepEqual(e, want) || e.ID.Time() != noon.Truncate(time.Millisecond) {
		t.Errorf("stored %+v, want %+v", e, want)
	}
}

func TestATimeThatIsLeftOutStaysTheSameWhenTheEventIsSentAgain(t *testing.T) {
	t.Parallel()
	now := noon
	w := newWorld(t)
	door := meter.NewDoor(meter.OutsideOptions{Intake: w.intake, Counters: w.intake, Units: func() []string { return []string{"words"} }, Clock: func() time.Time { return now }})
	w = newWorld(t, func(o *Options) { o.Events = door })
	token := w.admin(t)
	timeless := cloudEvent("1", "5", `"time":"2026-11-20T11:00:00Z",`, "")
	wantTaken(t, "first", w.send(t, token, timeless), takenEvents{Received: 1, Counted: 1})
	now = now.Add(24 * time.Hour)
	wantTaken(t, "a day later", w.send(t, token, timeless), takenEvents{Received: 1, Repeated: 1})
}

func TestTheSameIdentityWithAnotherContentIsAConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	wantTaken(t, "first", w.send(t, token, cloudEvent("1", "123")), takenEvents{Received: 1, Counted: 1})
	for what, other := range map[string]string{
		"units": cloudEvent("1", "124"), "type": cloudEvent("1", "123", "job.done", "job.failed"),
		"subject": cloudEvent("1", "123", "cus_own", "cus_foreign"), "time": cloudEvent("1", "123", "11:00:00Z", "11:00:00.000001Z"),
		"no time": cloudEvent("1", "123", `"time":"2026-11-20T11:00:00Z",`, ""),
	} {
		p := wantProblem(t, what, w.send(t, token, other), 409, "api-conflict")
		if len(p.Errors) != 1 || p.Errors[0].ID != "1" || p.Errors[0].Source != "/worker" || !strings.Contains(p.Detail, "id 1") {
			t.Errorf("%s: it does not name the event: %+v", what, p)
		}
	}
	p := wantProblem(t, "in a batch", w.send(t, token, "["+cloudEvent("2", "1")+","+cloudEvent("1", "9")+"]", batchType), 409, "api-conflict")
	if len(p.Errors) != 1 || *p.Errors[0].Index != 1 {
		t.Errorf("it does not name the index: %+v", p)
	}
	out := w.ask(t, "POST", "/api/v1/events?partial=true", token, "["+cloudEvent("2", "1")+","+cloudEvent("1", "9")+"]", batchType)
	var got takenEvents
	must(t, json.Unmarshal(out.Body.Bytes(), &got))
	if out.Code != 200 || got.Counted != 1 || got.Refused != 1 || *got.Errors[0].Index != 1 || got.Errors[0].Field != "id" {
		t.Errorf("the rest of a batch: %d %s", out.Code, out.Body)
	}
}

func TestListsWhatIsWrongInTheOrderOfTheBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	var batch []string
	for i := range 240 {
		switch i % 3 { // what reading finds, what the check finds, and one that is right
		case 0:
			batch = append(batch, cloudEvent(fmt.Sprint(i), "1", "cus_own", "cus_none"))
		case 1:
			batch = append(batch, cloudEvent("", "1"))
		default:
			batch = append(batch, cloudEvent(fmt.Sprint(i), "1"))
		}
	}
	p := wantProblem(t, "a batch", w.send(t, token, "["+strings.Join(batch, ",")+"]", batchType), 422, "api-invalid")
	if len(p.Errors) != 100 || p.More != 60 {
		t.Fatalf("%d errors and %d more, want 100 and 60", len(p.Errors), p.More)
	}
	for i, e := range p.Errors {
		if want := i/2*3 + i%2; *e.Index != want {
			t.Fatalf("error %d is of event %d, want %d: the first hundred, in order", i, *e.Index, want)
		}
	}
}

func TestSaysWhatIsWrongWithAnEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	for _, c := range []struct{ what, body, field, says string }{
		{"no id", cloudEvent("1", "1", `"id":"1",`, ""), "id", "needs"},
		{"an empty source", cloudEvent("1", "1", "/worker", ""), "source", "needs"},
		{"a number for an id", cloudEvent("1", "1", `"id":"1"`, `"id":1`), "id", "text"},
		{"two ids", cloudEvent("1", "1", `"id":"1"`, `"id":"1","id":"2"`), "id", "twice"},
		{"an id in other letters", cloudEvent("1", "1", `"id":"1"`, `"ID":"1"`), "id", "needs"},
		{"a long id", cloudEvent(strings.Repeat("x", 257), "1"), "id", "257"},
		{"a control character", cloudEvent(`a\u0000b`, "1"), "id", "control"},
		{"half a character", cloudEvent("a\xffb", "1"), "id", "control"},
		{"no type", cloudEvent("1", "1", `"type":"job.done",`, ""), "type", "needs"},
		{"no version", cloudEvent("1", "1", `"specversion":"1.0",`, ""), "specversion", "1.0"},
		{"another version", cloudEvent("1", "1", `"1.0"`, `"0.3"`), "specversion", "1.0"},
		{"nobody's", cloudEvent("1", "1", "cus_own", "cus_nobody"), "subject", "cus_nobody"},
		{"nobody's plan", cloudEvent("1", "1", "cus_own", "cus_planless"), "subject", "gone"},
		{"no data", cloudEvent("1", "1", `,"data":{"words":1}`, ""), "data", "counts nothing"},
		{"empty data", cloudEvent("1", "1", `"words":1`, ""), "data", "counts nothing"},
		{"data as a text", cloudEvent("1", "1", `{"words":1}`, `"words"`), "data", "object"},
		{"data in base 64", cloudEvent("1", "1", `"data":{"words":1}`, `"data_base64":"e30="`), "data_base64", "JSON"},
		{"data of another type", cloudEvent("1", "1", `"data"`, `"datacontenttype":"text/xml","data"`), "datacontenttype", "JSON"},
		{"an unknown unit", cloudEvent("1", "1", "words", "wrods"), "data.wrods", "pages, requests, words"},
		{"a unit twice", cloudEvent("1", "1", `"words":1`, `"words":1,"words":2`), "data.words", "twice"},
		{"very many units", cloudEvent("1", "1", `"words":1`, manyNames(200_000)), "data", "100"},
		{"a negative amount", cloudEvent("1", "-1"), "data.words", "negative"},
		{"a fraction", cloudEvent("1", "1.5"), "data.words", "whole"},
		{"an exponent", cloudEvent("1", "1e3"), "data.words", "exponent"},
		{"2^63", cloudEvent("1", "9223372036854775808"), "data.words", "1000000000000"},
		{"one too many", cloudEvent("1", "1000000000001"), "data.words", "1000000000000"},
		{"a very long number", cloudEvent("1", strings.Repeat("9", 500)), "data.words", "1000000000000"},
		{"an amount as a text", cloudEvent("1", `"1"`), "data.words", "text"},
		{"an amount of nothing", cloudEvent("1", "null"), "data.words", "whole"},
		{"a time without an offset", cloudEvent("1", "1", "11:00:00Z", "11:00:00"), "time", "offset"},
		{"the 30th of February", cloudEvent("1", "1", "2026-11-20", "2026-02-30"), "time", "RFC 3339"},
		{"the future", cloudEvent("1", "1", "2026-11-20T11:00:00Z", "2026-11-20T12:05:01Z"), "time", "future"},
		{"long ago", cloudEvent("1", "1", "2026-11-20", "2025-10-15"), "time", "400 days"},
	} {
		p := wantProblem(t, c.what, w.send(t, token, c.body), 422, "api-invalid")
		if len(p.Errors) != 1 || p.Errors[0].Field != c.field || !strings.Contains(p.Errors[0].Message, c.says) || p.Errors[0].Index != nil {
			t.Errorf("%s: got %+v, want %q about %s", c.what, p.Errors, c.says, c.field)
		}
	}
	if len(w.intake.stored) > 0 {
		t.Errorf("stored %v", w.intake.stored)
	}
	for _, good := range []string{"2026-11-20T12:05:00Z", "2026-10-11T12:00:00Z", "2026-10-25T02:30:00+05:30", "2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00", "2025-11-05T00:00:00-11:30"} {
		wantTaken(t, good, w.send(t, token, cloudEvent(good, "1", "2026-11-20T11:00:00Z", good)), takenEvents{Received: 1, Counted: 1})
		moment, err := time.Parse(time.RFC3339, good)
		must(t, err)
		if at := w.intake.stored[[2]string{"/worker", good}].Event.Time; !at.Equal(moment) {
			t.Errorf("%s is stored as %s", good, at)
		}
	}
}

// manyNames are members of an object. To compare each with each would take minutes.
func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"u%d":1,`, i)
	}
	return b.String() + `"words":1`
}

// TestValuesInValuesTakeNoMemory: a reader that remembers each level of a body
// of 64 MB needs a gigabyte for it.
func TestValuesInValuesTakeNoMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	nested := func(depth int) string {
		return cloudEvent("1", "1", `"data"`, `"x":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+`,"data"`)
	}
	wantTaken(t, "a hundred levels", w.send(t, token, nested(100)), takenEvents{Received: 1, Counted: 1})
	for what, body := range map[string]string{
		"an extension": nested(101), "never closed": nested(100_000),
		"in data": cloudEvent("2", strings.Repeat("[", 1000)), "an element": "[" + strings.Repeat("[", 1000),
	} {
		contentType := "Content-Type: application/cloudevents+json"
		if what == "an element" {
			contentType = batchType
		}
		if p := wantProblem(t, what, w.send(t, token, body, contentType), 400, "api-invalid"); !strings.Contains(p.Detail, "deep") {
			t.Errorf("%s: %s", what, p.Detail)
		}
	}
}

func TestRefusesABodyThatIsNoEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	const one, plain = "Content-Type: application/cloudevents+json", "Content-Type: application/json"
	for _, c := range []struct {
		what, body, contentType string
		status                  int
	}{
		{"nothing", "", one, 400}, {"no JSON", "{", one, 400}, {"NaN", cloudEvent("1", "NaN"), one, 400},
		{"two events", cloudEvent("1", "1") + cloudEvent("2", "1"), one, 400}, {"a text", `"event"`, plain, 400},
		{"a batch as one", "[]", one, 400}, {"one as a batch", cloudEvent("1", "1"), batchType, 400},
		{"broken off", "[" + cloudEvent("1", "1") + `,{"id":`, batchType, 400},
		{"a form", "id=1", "Content-Type: application/x-www-form-urlencoded", 415}, {"no type", cloudEvent("1", "1"), "Content-Type: ", 415},
	} {
		wantProblem(t, c.what, w.send(t, token, c.body, c.contentType), c.status, "api-invalid")
	}
	wantProblem(t, "compressed", w.send(t, token, cloudEvent("1", "1"), one, "Content-Encoding: gzip"), 415, "api-invalid")
	p := wantProblem(t, "broken off", w.send(t, token, "["+cloudEvent("1", "1")+`,{"id":}`, batchType), 400, "api-invalid")
	if !strings.Contains(p.Detail, "index 1") {
		t.Errorf("it does not say where: %s", p.Detail)
	}
	if len(w.intake.stored) > 0 {
		t.Errorf("stored %v", w.intake.stored)
	}
}

// bigBatch is a batch of n events, those at the places of wrong with a mistake.
func bigBatch(n int, wrong ...int) string {
	before, rest, _ := strings.Cut(cloudEvent("job-#", "#"), "#")
	after, _, _ := strings.Cut(rest, "#")
	var b strings.Builder
	b.WriteByte('[')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		words := "1"
		for _, at := range wrong {
			if at == i {
				words = "-1"
			}
		}
		b.WriteString(before)
		b.WriteString(strconv.Itoa(i))
		b.WriteString(after)
		b.WriteString(words)
		b.WriteString("}}")
	}
	b.WriteByte(']')
	return b.String()
}

// A hundred thousand are sent to the whole program, in e2e.
func TestOneMistakeInManyRefusesAllOrItselfAsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	const many = 10_000
	batch := bigBatch(many, 7_777)
	p := wantProblem(t, "all", w.send(t, token, batch, batchType), 422, "api-invalid")
	if len(p.Errors) != 1 || *p.Errors[0].Index != 7_777 || p.Errors[0].ID != "job-7777" || p.Errors[0].Field != "data.words" || len(w.intake.stored) > 0 {
		t.Fatalf("%+v, %d stored", p, len(w.intake.stored))
	}
	out := w.ask(t, "POST", "/api/v1/events?partial=true", token, batch, batchType)
	var got takenEvents
	must(t, json.Unmarshal(out.Body.Bytes(), &got))
	if got.Received != many || got.Counted != many-1 || got.Refused != 1 || *got.Errors[0].Index != 7_777 {
		t.Errorf("the rest: %s", out.Body)
	}
	wantProblem(t, "one too many", w.send(t, token, "["+strings.Repeat("0,", mostEvents)+"0]", batchType), 413, "api-too-large")
}

func TestListsTheFirstHundredMistakesAndCountsAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := wantProblem(t, "many", w.send(t, w.admin(t), "["+strings.Repeat("7,", 999)+"7]", batchType), 422, "api-invalid")
	if len(p.Errors) != mostFlaws || p.More != 1000-mostFlaws || !strings.Contains(p.Detail, "1000 of 1000") {
		t.Errorf("%d listed, %d more: %s", len(p.Errors), p.More, p.Detail)
	}
}

func TestRefusesABatchThatIsTooLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *Options) { o.MaxBatch = 1000 })
	wantTaken(t, "just right", w.send(t, w.admin(t), cloudEvent("1", "1")+strings.Repeat(" ", 1000-len(cloudEvent("1", "1")))), takenEvents{Received: 1, Counted: 1})
	body := `{"x":"` + strings.Repeat("x", 1000) + `"}`
	wantProblem(t, "a long one", w.send(t, w.admin(t), body), 413, "api-too-large")
}

func TestTakesNothingWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	w.intake.broken = toll.Errorf(toll.Unavailable, "The database does not answer.")
	out := w.send(t, token, cloudEvent("1", "1"))
	wantProblem(t, "away", out, 503, "api-unavailable")
	if out.Header().Get("Retry-After") == "" || len(w.intake.quota) > 0 {
		t.Errorf("Retry-After %q, counted %v", out.Header().Get("Retry-After"), w.intake.quota)
	}
}

// FuzzReadEvents holds the parser to this: it never fails in another way than
// it says, every element is either read or noted, and what was read can be
// counted.
func FuzzReadEvents(f *testing.F) {
	f.Add([]byte(cloudEvent("1", "123")), uint8(0))
	f.Add([]byte("["+cloudEvent("1", "123")+","+cloudEvent("2", "-5")+",7]"), uint8(2))
	f.Add([]byte(`{"id":"1","data":{"a":1,"a":{"b":[]}},"data":null,"time":"2026-13-01T00:00:00Z"}`), uint8(1))
	f.Add([]byte(`[{"data":{"words":1e400}},[[[{}]]],null,"x",{}]`), uint8(0))
	f.Fuzz(func(t *testing.T, body []byte, as uint8) {
		r, err := readEvents(strings.NewReader(string(body)), form(as%3))
		if err != nil {
			return
		}
		if len(r.sent)+r.flaws.all != r.count {
			t.Fatalf("%d read and %d noted of %d", len(r.sent), r.flaws.all, r.count)
		}
		last := -1
		for _, s := range r.sent {
			if s.Index <= last {
				t.Fatalf("index %d follows %d", s.Index, last)
			}
			last = s.Index
			for _, u := range s.Units {
				if u.Count < 0 || u.Count > toll.MaxCount {
					t.Fatalf("it counts %d", u.Count)
				}
			}
		}
	})
}

func BenchmarkReadsABatch(b *testing.B) {
	batch := bigBatch(10_000)
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	for b.Loop() {
		if r, err := readEvents(strings.NewReader(batch), manyOnly); err != nil || len(r.sent) != 10_000 {
			b.Fatal(err)
		}
	}
}
