package console

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// sends posts a form with files; cut is how many bytes of its end never come.
func (b *browser) sends(path string, fields [][2]string, files [][2]string, cut int) *httptest.ResponseRecorder {
	b.w.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, f := range fields {
		b.w.ok(form.WriteField(f[0], f[1]))
	}
	for _, f := range files {
		part, err := form.CreateFormFile("file", f[0])
		b.w.ok(err)
		_, err = io.WriteString(part, f[1])
		b.w.ok(err)
	}
	b.w.ok(form.Close())
	return b.raw(http.MethodPost, path, form.FormDataContentType(), body.Bytes()[:body.Len()-cut])
}

const evil = `"><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}`

func TestAnUploadIsTakenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	ner := [][2]string{{"for", "ner terms"}}
	list := "Globex\tORGANISATION\n"
	before := w.store.Contents()
	for name, c := range map[string]struct {
		fields, files [][2]string
		cut, want     int
		says          string
	}{
		"no file":             {ner, nil, 0, 422, "Choose a file."},
		"an empty field":      {ner, [][2]string{{"", ""}}, 0, 422, "Choose a file."},
		"an empty file":       {ner, [][2]string{{"a.tsv", ""}}, 0, 422, "empty"},
		"no list":             {ner, [][2]string{{"a.tsv", "Globex\n"}}, 0, 422, "Line 1"},
		"a byte too many":     {ner, [][2]string{{"a.tsv", strings.Repeat("#\n", 50_000) + "#"}}, 0, 422, "larger than 100000 bytes"},
		"far too large":       {ner, [][2]string{{"a.tsv", strings.Repeat("#\n", 1_000_000)}}, 0, 422, "larger than"},
		"two files":           {ner, [][2]string{{"a.tsv", list}, {"b.tsv", list}}, 0, 422, "one file at a time"},
		"cut in the end":      {ner, [][2]string{{"a.tsv", list}}, 5, 422, "did not come whole"},
		"cut in the file":     {ner, [][2]string{{"a.tsv", list}}, 80, 422, "did not come whole"},
		"no service":          {nil, [][2]string{{"a.tsv", list}}, 0, 422, "takes models"},
		"another service":     {[][2]string{{"for", "ocr terms"}}, [][2]string{{"a.tsv", list}}, 0, 422, "takes models"},
		"another type":        {[][2]string{{"for", "ner text"}}, [][2]string{{"a.tsv", list}}, 0, 422, "type"},
		"there already":       {ner, [][2]string{{"b.tsv", "Zorblax Industries\tORGANISATION\n"}}, 0, 409, ""},
		"endless fields":      {[][2]string{{"for", strings.Repeat("x", 70_000)}}, [][2]string{{"a.tsv", list}}, 0, 422, "too long"},
		"a customer smuggled": {[][2]string{{"for", "ner terms"}, {"customer", "cus_other"}, {"state", "approved"}}, nil, 0, 422, "Choose a file."},
	} {
		r := b.sends("/models", c.fields, c.files, c.cut)
		if r.Code != c.want || !strings.Contains(r.Body.String(), c.says) {
			t.Errorf("%s: %d, want %d with %q\n%s", name, r.Code, c.want, c.says, r.Body)
		}
	}
	if n := w.store.Contents(); n != before {
		t.Errorf("%d files were kept of what was refused", n-before)
	}
	r := b.sends("/models", append(ner, [2]string{"state", "approved"}, [2]string{"customer", w.other.ID}), [][2]string{{evil + ".tsv", list}}, 0)
	if r.Code != http.StatusSeeOther {
		t.Fatalf("a list is %d %s", r.Code, r.Body)
	}
	models, err := w.store.ModelsOf(t.Context(), w.customer.ID)
	w.ok(err)
	if len(models) != 2 || models[0].State != toll.ModelUploaded {
		t.Errorf("the models are %+v", models)
	}
	for _, who := range []*browser{b, w.as("admin@house.example")} {
		if page := who.get("/models").Body.String(); strings.Contains(page, "<img") || strings.Contains(page, "<script>alert") {
			t.Error("a file's name is markup in the page")
		}
	}
	if r := b.sends("/models", ner, [][2]string{{"a.tsv", list}}, 0); r.Code != http.StatusConflict {
		t.Errorf("sent again it is %d", r.Code)
	}
}

func TestNoPlanWithoutTheFeatureUploads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@initech.example")
	if page := b.get("/models").Body.String(); strings.Contains(page, `type="file"`) || !strings.Contains(page, "Your plan does not include models") {
		t.Error("the free plan is offered an upload")
	}
	if r := b.sends("/models", [][2]string{{"for", "ner terms"}}, [][2]string{{"a.tsv", "A\tPERSON\n"}}, 0); r.Code != http.StatusForbidden {
		t.Errorf("and uploading is %d", r.Code)
	}
}

func TestARejectionNeedsAReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("support@house.example")
	at := "/models/" + w.model.ID + "/reject"
	if r := b.post(at, url.Values{"reason": {" "}}); r.Code != 422 || !strings.Contains(r.Body.String(), `aria-invalid="true"`) {
		t.Errorf("without a reason it is %d", r.Code)
	}
	if r := b.post(at, url.Values{"reason": {evil}}); r.Code != 303 {
		t.Fatalf("with one it is %d", r.Code)
	}
	if page := w.as("owner@acme.example").get("/models").Body.String(); strings.Contains(page, "<img") || !strings.Contains(page, "&lt;img") {
		t.Error("the reason is markup in the page, or is not there")
	}
}

func TestADownloadIsNothingButADownload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, want := range map[string]string{
		"/models/" + w.model.ID + "/file":                               "Zorblax Industries\tORGANISATION\n",
		"/support/threads/" + w.thread.ID + "/attachments/" + w.file.ID: "POST /extractions 429\n",
	} {
		r := w.as("owner@acme.example").get(path)
		h := r.Header()
		if r.Code != 200 || r.Body.String() != want {
			t.Errorf("%s is %d %q", path, r.Code, r.Body)
		}
		if !strings.HasPrefix(h.Get("Content-Disposition"), "attachment; ") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "sandbox; default-src 'none'" || !strings.Contains(h.Get("Cache-Control"), "no-store") {
			t.Errorf("%s comes with %v", path, h)
		}
		if theirs := w.as("owner@globex.example").get(path); theirs.Code != 404 || theirs.Header().Get("Content-Disposition") != "" {
			t.Errorf("another tenant gets %d for %s", theirs.Code, path)
		}
	}
	for name, want := range map[string]string{
		"a.txt": `attachment; filename="a.txt"; filename*=UTF-8''a.txt`, "größe 1.txt": `attachment; filename="gr__e 1.txt"; filename*=UTF-8''gr%C3%B6%C3%9Fe%201.txt`,
		"a\"\r\nX: y": `attachment; filename="a___X: y"; filename*=UTF-8''a%22%0D%0AX%3A%20y`,
	} {
		if got := disposition(name); got != want {
			t.Errorf("%q becomes %s, want %s", name, got, want)
		}
	}
}

func TestSupportEscapesEveryField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	r := b.sends("/support", [][2]string{{"subject", evil}, {"text", evil + "\r\n\r\n" + evil}}, [][2]string{{evil + ".txt", "x"}, {"", ""}}, 0)
	if r.Code != http.StatusSeeOther {
		t.Fatalf("opening is %d %s", r.Code, r.Body)
	}
	at := r.Header().Get("Location")
	operator := w.as("admin@house.example")
	if r := operator.sends(at+"/messages", [][2]string{{"text", evil}}, nil, 0); r.Code != http.StatusSeeOther {
		t.Fatalf("answering is %d", r.Code)
	}
	for _, who := range []*browser{b, operator} {
		for _, path := range []string{"/support", at, at + "/close"} {
			if page := who.get(path).Body.String(); strings.Contains(page, "<img") || strings.Contains(page, "<script>alert") || !strings.Contains(page, "&lt;img") {
				t.Errorf("what was written is markup in %s, or is not there", path)
			}
		}
	}
	if page := b.get(at).Body.String(); strings.Contains(page, "Olga") {
		t.Error("a customer learns an operator's name")
	}
	for name, c := range map[string][][2]string{
		"a megabyte":  {{"subject", "s"}, {"text", strings.Repeat("x", 1<<20)}},
		"no text":     {{"subject", "s"}, {"text", " "}},
		"no subject":  {{"subject", ""}, {"text", "x"}},
		"a long text": {{"subject", "s"}, {"text", strings.Repeat("x", 10_001)}},
	} {
		r := b.sends("/support", c, nil, 0)
		if r.Code != 422 || r.Body.Len() > 200_000 {
			t.Errorf("%s: %d with %d bytes", name, r.Code, r.Body.Len())
		}
	}
	if r := b.sends("/support", [][2]string{{"subject", "kept"}, {"text", "what I typed"}}, [][2]string{{"tool.exe", "MZ\x00\x01\x02\x03\x04\x05"}}, 0); r.Code != 422 || !strings.Contains(r.Body.String(), "what I typed") || !strings.Contains(r.Body.String(), `value="kept"`) {
		t.Errorf("with a program attached it is %d, and what was typed is gone", r.Code)
	}
	if list, err := w.support.Threads(t.Context(), account.System, toll.ThreadQuery{}); err != nil || len(list) != 2 {
		t.Errorf("%d conversations are kept, %v", len(list), err)
	}
}

func TestAForeignTenantFindsNoFilesAndConversations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@globex.example")
	mine, err := w.support.Open(t.Context(), account.Person{Kind: toll.KindMember, Role: "owner", ID: "mem_x", CustomerID: w.other.ID, Name: "Hank"}, w.other.ID, "Mine", account.NewMessage{Text: "x"})
	w.ok(err)
	for theirs, none := range map[string]string{
		"/models/" + w.model.ID + "/file":                                         "/models/mod_none/file",
		"/models/" + w.model.ID + "/delete":                                       "/models/mod_none/delete",
		"/support/threads/" + w.thread.ID:                                         "/support/threads/thr_none",
		"/support/threads/" + w.thread.ID + "/close":                              "/support/threads/thr_none/close",
		fmt.Sprintf("/support/threads/%s/attachments/%s", mine.ID, w.file.ID):     fmt.Sprintf("/support/threads/%s/attachments/att_none", mine.ID),
		fmt.Sprintf("/support/threads/%s/attachments/%s", w.thread.ID, w.file.ID): "/support/threads/thr_none/attachments/att_none",
	} {
		one, other := b.get(theirs), b.get(none)
		if one.Code != 404 || other.Code != 404 || strip(one) != strip(other) {
			t.Errorf("%s is %d, and what is not there %d", theirs, one.Code, other.Code)
		}
	}
	if page := b.get("/support").Body.String(); strings.Contains(page, w.thread.ID) || !strings.Contains(page, mine.ID) {
		t.Error("the list shows another tenant's conversation, or not one's own")
	}
}

func TestAnImportIsPreviewedBeforeItIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("admin@house.example")
	file := "external_id,name,plan\n42," + strings.ReplaceAll(evil, `"`, `""`) + ",pro\n"
	file = strings.Replace(file, `42,`, `42,"`, 1)
	file = strings.Replace(file, `,pro`, `",pro`, 1)
	r := b.sends("/import", [][2]string{{"kind", "customer"}, {"do", "yes"}}, [][2]string{{"c.csv", file}}, 0) // a file is only ever previewed
	if r.Code != 200 || !strings.Contains(r.Body.String(), "1 would be imported.") || strings.Contains(r.Body.String(), "<img") || !strings.Contains(r.Header().Get("Cache-Control"), "no-store") {
		t.Fatalf("the preview is %d %s", r.Code, r.Body)
	}
	if page, err := w.office.Customers(t.Context(), account.System, toll.CustomerQuery{Search: "img"}); err != nil || len(page.Customers) != 0 {
		t.Errorf("a preview made %v, %v", page, err)
	}
	r = b.sends("/import", [][2]string{{"kind", "customer"}, {"do", "yes"}, {"content", file}}, nil, 0)
	if r.Code != 200 || !strings.Contains(r.Body.String(), "1 was imported.") {
		t.Errorf("the import is %d %s", r.Code, r.Body)
	}
	const key = "sk-old-abcdefghijklmnop"
	r = b.sends("/import", [][2]string{{"kind", "key"}}, [][2]string{{"k.csv", "customer,name,key\nnobody,x," + key + "\n"}}, 0)
	if r.Code != 422 || strings.Contains(r.Body.String(), key) || strings.Contains(w.log.String(), key) {
		t.Errorf("a key of nobody is %d, and stands in the page or the log", r.Code)
	}
	r = b.sends("/import", [][2]string{{"kind", "key"}}, [][2]string{{"k.csv", strings.Repeat("x", 1<<20+1)}}, 0)
	if r.Code != 422 {
		t.Errorf("a byte too many is %d", r.Code)
	}
}
