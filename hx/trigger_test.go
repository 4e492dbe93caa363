package hx

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAddsEventsToThoseThatAreThere(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	w.Header().Set("HX-Trigger", "first, second")
	must(t, Trigger(w, Event{Name: "third", Detail: map[string]string{"text": "café 😀 <b>"}}, Event{Name: "first", Detail: 7}))
	got := w.Header().Get("HX-Trigger")
	if want := `{"first":7,"second":null,"third":{"text":"caf\u00e9 \ud83d\ude00 \u003cb\u003e"}}`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, wrong := range []Event{{Name: ""}, {Name: "a\nb"}, {Name: "x", Detail: func() {}}, {Name: "x", Detail: strings.Repeat("y", 9000)}} {
		if err := Trigger(w, wrong); err == nil || w.Header().Get("HX-Trigger") != got {
			t.Errorf("%.20q: %v, the header is %.80s", wrong.Name, err, w.Header().Get("HX-Trigger"))
		}
	}
}

func TestEventsAfterTheSwapGoWhereEachVersionLooks(t *testing.T) {
	t.Parallel()
	for header, request := range map[string][]string{
		"HX-Trigger-After-Swap": {"HX-Request", "true"},
		"HX-Trigger":            {"HX-Request", "true", "HX-Source", "a"},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
		for i := 0; i < len(request); i += 2 {
			r.Header.Set(request[i], request[i+1])
		}
		must(t, TriggerAfterSwap(w, r, Event{Name: "done"}))
		if got := w.Header().Get(header); got != `{"done":null}` {
			t.Errorf("%s: %q", header, got)
		}
	}
}

func FuzzParseTrigger(f *testing.F) {
	for _, s := range []string{"", "a, b", `{"a":{"target":"#x"},"b":1}`, `{"a":1}{`, "{", `{"é":"\ud83d\ude00"}`, "{}x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		events, err := ParseTrigger(s)
		if err != nil {
			return
		}
		h := http.Header{}
		if err := addEvents(h, headerTrigger, events); err != nil {
			return // a name or length that is refused
		}
		text := h.Get(headerTrigger)
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q is no JSON", text)
		}
		for i := range len(text) {
			if text[i] >= 0x80 || text[i] < ' ' {
				t.Fatalf("%q is not fit for a header", text)
			}
		}
	})
}

func TestSetsAddressesOfThisSiteOnly(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	must(t, SetPush(w, "/notes/é"))
	must(t, SetReplace(w, "/notes/2"))
	if h := w.Header(); h.Get("HX-Push-Url") != "" || h.Get("HX-Replace-Url") != "/notes/2" {
		t.Errorf("%v", h)
	}
	KeepURL(w)
	if h := w.Header(); h.Get("HX-Push-Url") != "false" || h.Get("HX-Replace-Url") != "" {
		t.Errorf("%v", h)
	}
	for name, err := range map[string]error{"push": SetPush(w, "//evil"), "replace": SetReplace(w, "https://evil"), "location": SetLocation(w, Location{Path: "//evil"})} {
		if err == nil {
			t.Errorf("%s leads to another site", name)
		}
	}
	for want, l := range map[string]Location{
		`{"path":"/a","headers":{"HX-Request-Type":"full"}}`:                                                      {Path: "/a"},
		`{"path":"/a","target":"#b","swap":"outerHTML"}`:                                                          {Path: "/a", Target: "#b", Swap: OuterHTML},
		`{"path":"/a","target":"#b","push":"","replace":"true"}`:                                                  {Path: "/a", Target: "#b", Replace: true},
		`{"path":"/a","select":"#c","values":{"k":"\u00e9"},"headers":{"HX-Request-Type":"full"},"push":"false"}`: {Path: "/a", Select: "#c", Values: map[string]string{"k": "é"}, Keep: true},
	} {
		must(t, SetLocation(w, l))
		if got := w.Header().Get("HX-Location"); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
