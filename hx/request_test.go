package hx

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func ask(headers ...string) Request {
	r := httptest.NewRequest("GET", "http://example.com/notes", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return Read(r)
}

func TestChoosesTheFormAsEachVersionMeansIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		headers []string
		version Version
		form    Form
	}{
		{"a browser", nil, NoHTMX, PageForm},
		{"htmx 2", []string{"HX-Request", "true", "HX-Target", "notes"}, HTMX2, FragmentForm},
		{"htmx 2, a target without id", []string{"HX-Request", "true"}, HTMX2, FragmentForm},
		{"htmx 2, boosted", []string{"HX-Request", "true", "HX-Boosted", "true"}, HTMX2, PageForm},
		{"htmx 2, boosted with a target", []string{"HX-Request", "true", "HX-Boosted", "true", "HX-Target", "content"}, HTMX2, FragmentForm},
		{"htmx 2, restore", []string{"HX-Request", "true", "HX-History-Restore-Request", "true"}, HTMX2, PageForm},
		{"htmx 2, restore, not as HX-Request", []string{"HX-History-Restore-Request", "true"}, HTMX2, PageForm},
		{"htmx 2, after SetLocation", []string{"HX-Request", "true", "HX-Request-Type", "full"}, HTMX2, PageForm},
		{"htmx 4", []string{"HX-Request", "true", "HX-Source", "a", "HX-Request-Type", "partial"}, HTMX4, FragmentForm},
		{"htmx 4, full", []string{"HX-Request", "true", "HX-Source", "a", "HX-Request-Type", "full"}, HTMX4, PageForm},
		{"htmx 4, boosted with a target", []string{"HX-Request", "true", "HX-Source", "a", "HX-Request-Type", "partial", "HX-Boosted", "true"}, HTMX4, FragmentForm},
		{"htmx 4, restore, which says little", []string{"HX-History-Restore-Request", "true", "HX-Request-Type", "full"}, HTMX4, PageForm},
		{"a restore that says partial", []string{"HX-Request", "true", "HX-History-Restore-Request", "true", "HX-Request-Type", "partial"}, HTMX4, PageForm},
		{"not true", []string{"HX-Request", "1", "HX-Target", "notes"}, NoHTMX, PageForm},
	} {
		q := ask(test.headers...)
		if q.Version != test.version || q.Form() != test.form {
			t.Errorf("%s: version %d, %s; want %d, %s", test.name, q.Version, q.Form(), test.version, test.form)
		}
	}
}

func TestABodyWithAnIDIsAWholePage(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]Form{"": FragmentForm, "top": PageForm} {
		site, err := New(Options{BodyID: id})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("HX-Request", "true")
		r.Header.Set("HX-Boosted", "true")
		r.Header.Set("HX-Target", "top")
		if got := site.Read(r).Form(); got != want {
			t.Errorf("body id %q: %s, want %s", id, got, want)
		}
	}
}

func TestReadsWhatStandsInTheHeaders(t *testing.T) {
	t.Parallel()
	q := ask("HX-Request", "true", "HX-Source", "button#a%20b", "HX-Target", "div#n%C3%A9", "HX-Prompt", "caf%C3%A9", "HX-Current-URL", "http://example.com/notes?page=2#x")
	if q.Source != (Element{"button", "a b"}) || q.Target != (Element{"div", "né"}) || q.Prompt != "café" || q.CurrentPath != "/notes?page=2" {
		t.Errorf("htmx 4: %+v", q)
	}
	q = ask("HX-Request", "true", "HX-Trigger", "save", "HX-Trigger-Name", "go", "HX-Target", "n%C3%A9", "HX-Target-URI-AutoEncoded", "true", "HX-Prompt", "50%25")
	if q.Source.ID != "save" || q.SourceName != "go" || q.Target.ID != "né" || q.Prompt != "50%25" {
		t.Errorf("htmx 2: %+v", q)
	}
	for _, foreign := range []string{"https://evil.example/notes", "http://example.com.evil/", "//example.com/", "/notes", "javascript:alert(1)", "http://me@example.com/", "http://example.com//evil", "%"} {
		if got := ask("HX-Request", "true", "HX-Current-URL", foreign).CurrentPath; got != "" {
			t.Errorf("%s: taken as %q", foreign, got)
		}
	}
	if got := ask("HX-Request", "true", "HX-Target", strings.Repeat("x", 5000)).Target; got != (Element{}) {
		t.Error("a target of 5000 bytes is believed")
	}
}

func FuzzRead(f *testing.F) {
	f.Add("true", "div#a%20b", "partial", "http://example.com/x?y", "caf%C3%A9")
	f.Add("true", "#%zz", "full", "//evil", "%")
	f.Add("", "a\x00b#c", "", "http://example.com/%2f/evil", "")
	f.Fuzz(func(t *testing.T, request, element, kind, at, prompt string) {
		r := httptest.NewRequest("GET", "http://example.com/", nil)
		r.Header = map[string][]string{"Hx-Request": {request}, "Hx-Source": {element}, "Hx-Target": {element}, "Hx-Request-Type": {kind}, "Hx-Current-Url": {at}, "Hx-Prompt": {prompt}}
		q := Read(r)
		if q.CurrentPath != "" {
			if p, err := LocalPath(q.CurrentPath); err != nil || p != q.CurrentPath {
				t.Errorf("%q became %q, which is no local path", at, q.CurrentPath)
			}
		}
		if len(q.Target.ID) > longestID {
			t.Errorf("an id of %d bytes", len(q.Target.ID))
		}
		if request != "true" && q.Form() != PageForm {
			t.Error("a fragment without HX-Request")
		}
	})
}
