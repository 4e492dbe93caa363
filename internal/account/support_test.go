package account_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// desk is a support desk over a house.
type desk struct {
	*house
	*account.Support
	dir string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{house: newHouse(t), dir: t.TempDir()}
	var err error
	d.Support, err = account.NewSupport(d.store, account.SupportOptions{
		Uploads: &account.Uploads{Dir: d.dir}, Site: func() string { return "https://console.example/" }, Clock: d.clock.now,
	})
	must(t, err)
	return d
}

// file is a file of a message.
type file struct {
	name    string
	content io.Reader
}

func attach(files ...file) func() (string, io.Reader, error) {
	return func() (string, io.Reader, error) {
		if len(files) == 0 {
			return "", nil, io.EOF
		}
		f := files[0]
		files = files[1:]
		return f.name, f.content, nil
	}
}

const png = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"

func TestAConversationGoesToAndFro(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	th, err := d.Open(ctx, d.owner, d.acme.ID, " Where is <my> bill? ", account.NewMessage{
		Text: "  <script>alert(1)</script>\r\nline two\n", Files: attach(file{"../../shot.png", iotest.OneByteReader(strings.NewReader(png))}, file{"log.txt", strings.NewReader("größe\n")}),
	})
	must(t, err)
	if th.State != toll.ThreadOpen || th.Subject != "Where is <my> bill?" || th.Messages != 1 {
		t.Errorf("it begins as %+v", th)
	}
	_, messages, err := d.Thread(ctx, d.chief, th.ID)
	must(t, err)
	m := messages[0]
	if m.Text != "<script>alert(1)</script>\nline two" || len(m.Attachments) != 2 || m.Attachments[0].Name != "shot.png" || m.Attachments[0].MediaType != "image/png" || m.Attachments[1].MediaType != "text/plain; charset=utf-8" {
		t.Errorf("the message is %+v", m)
	}
	a, err := d.Attachment(ctx, d.chief, th.ID, m.Attachments[0].ID)
	must(t, err)
	var read bytes.Buffer
	must(t, d.ReadAttachment(ctx, a, &read))
	if read.String() != png {
		t.Errorf("the file is %q", &read)
	}
	th, err = d.Reply(ctx, d.chief, th.ID, account.NewMessage{Text: "In the post."})
	must(t, err)
	if th.State != toll.ThreadWaiting || th.Messages != 2 {
		t.Errorf("answered it is %+v", th)
	}
	th, err = d.Close(ctx, d.owner, th.ID)
	must(t, err)
	if th.State != toll.ThreadClosed {
		t.Errorf("closed it is %+v", th)
	}
	th, err = d.Reply(ctx, d.owner, th.ID, account.NewMessage{Text: "It is not there."})
	must(t, err)
	if th.State != toll.ThreadOpen || th.Messages != 3 {
		t.Errorf("written to again it is %+v", th)
	}
	var told []string
	for _, mail := range d.store.TakeMails() {
		told = append(told, mail.Kind+" "+mail.To+" "+mail.Values["link"])
		if strings.Contains(fmt.Sprint(mail.Values), "alert") {
			t.Errorf("a mail tells what was written: %v", mail.Values)
		}
	}
	link := "https://console.example/support/threads/" + th.ID
	if want := []string{"support.asked olga@example.com " + link, "support.answered ann@example.com " + link, "support.asked olga@example.com " + link}; fmt.Sprint(told) != fmt.Sprint(want) {
		t.Errorf("told were %v, want %v", told, want)
	}
}

func TestAnotherTenantsConversationIsNotThere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx := t.Context()
	th, err := d.Open(ctx, d.owner, d.acme.ID, "Ours", account.NewMessage{Text: "x", Files: attach(file{"a.txt", strings.NewReader("secret")})})
	must(t, err)
	theirs, err := d.Open(ctx, d.rival, d.other.ID, "Theirs", account.NewMessage{Text: "x"})
	must(t, err)
	_, messages, err := d.Thread(ctx, d.owner, th.ID)
	must(t, err)
	att := messages[0].Attachments[0].ID
	for _, id := range []string{th.ID, "thr_none", ""} {
		_, _, err = d.Thread(ctx, d.rival, id)
		wantCode(t, err, toll.NotFound)
		_, err = d.Reply(ctx, d.rival, id, account.NewMessage{Text: "x"})
		wantCode(t, err, toll.NotFound)
		_, err = d.Close(ctx, d.rival, id)
		wantCode(t, err, toll.NotFound)
		_, err = d.Attachment(ctx, d.rival, id, att)
		wantCode(t, err, toll.NotFound)
	}
	_, err = d.Attachment(ctx, d.rival, theirs.ID, att) // through a thread of one's own
	wantCode(t, err, toll.NotFound)
	_, err = d.Threads(ctx, d.rival, toll.ThreadQuery{Customer: d.acme.ID})
	wantCode(t, err, toll.NotFound)
	_, err = d.Threads(ctx, d.rival, toll.ThreadQuery{})
	wantCode(t, err, toll.Forbidden)
	_, err = d.Open(ctx, d.rival, d.acme.ID, "Not theirs", account.NewMessage{Text: "x"})
	wantCode(t, err, toll.NotFound)
	_, err = d.Open(ctx, d.chief, d.acme.ID, "Unasked", account.NewMessage{Text: "x"})
	wantCode(t, err, toll.Forbidden)
	if list, err := d.Threads(ctx, d.owner, toll.ThreadQuery{Customer: d.acme.ID}); err != nil || len(list) != 1 || list[0].ID != th.ID {
		t.Errorf("the owner sees %v, %v", list, err)
	}
	if list, err := d.Threads(ctx, d.chief, toll.ThreadQuery{}); err != nil || len(list) != 2 {
		t.Errorf("the operator sees %v, %v", list, err)
	}
}

func TestKeepsNothingOfAMessageThatIsRefused(t *testing.T) {
	t.Parallel()
	ok := file{"a.txt", strings.NewReader("fine")}
	for name, c := range map[string]struct {
		subject, text string
		files         func() (string, io.Reader, error)
		field         string
	}{
		"no subject":          {" ", "x", nil, "subject"},
		"a subject in lines":  {"a\nb", "x", nil, "subject"},
		"a long subject":      {strings.Repeat("s", 201), "x", nil, "subject"},
		"no text":             {"s", "\r\n ", nil, "text"},
		"a long text":         {"s", strings.Repeat("é", 10_001), nil, "text"},
		"a megabyte of text":  {"s", strings.Repeat("x", 1<<20), nil, "text"},
		"an escape":           {"s", "a\x1b[2J", nil, "text"},
		"text that is turned": {"s", "a\u202eb", nil, "text"},
		"text not in UTF-8":   {"s", "caf\xe9", nil, "text"},
		"a program":           {"s", "x", attach(ok, file{"tool.exe", strings.NewReader("MZ\x90\x00\x03\x00\x00\x00")}), "file"},
		"a page":              {"s", "x", attach(file{"page.png", strings.NewReader("<html><script>alert(1)</script>")}), "file"},
		"a picture as text":   {"s", "x", attach(file{"notes.txt", strings.NewReader(png)}), "file"},
		"an empty file":       {"s", "x", attach(file{"a.txt", strings.NewReader("")}), "file"},
		"a cut file":          {"s", "x", attach(file{"a.txt", io.MultiReader(strings.NewReader("begin"), iotest.ErrReader(io.ErrUnexpectedEOF))}), "file"},
		"a cut form":          {"s", "x", func() (string, io.Reader, error) { return "", nil, errors.New("cut") }, "file"},
		"a byte too many":     {"s", "x", attach(file{"a.txt", io.LimitReader(endless{}, account.MaxAttachment+1)}), "file"},
		"a NUL at the end":    {"s", "x", attach(file{"a.txt", strings.NewReader(strings.Repeat("text ", 20_000) + "\x00")}), "file"},
		"too many files":      {"s", "x", attach(file{"1.txt", strings.NewReader("1")}, file{"2.txt", strings.NewReader("1")}, file{"3.txt", strings.NewReader("1")}, file{"4.txt", strings.NewReader("1")}, file{"5.txt", strings.NewReader("1")}, file{"6.txt", strings.NewReader("1")}), "file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			_, err := d.Open(t.Context(), d.owner, d.acme.ID, c.subject, account.NewMessage{Text: c.text, Files: c.files})
			wantField(t, err, c.field)
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			list, err := d.Threads(t.Context(), d.chief, toll.ThreadQuery{})
			left, e := os.ReadDir(d.dir)
			if err != nil || e != nil || len(list) > 0 || len(left) > 0 || d.store.Contents() > 0 || len(d.store.TakeMails()) > 0 {
				t.Errorf("something was kept: %v, %v, %d contents, %v %v", list, left, d.store.Contents(), err, e)
			}
		})
	}
}

func TestTakesAFileOfExactlyTheMost(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if _, err := d.Open(t.Context(), d.owner, d.acme.ID, "s", account.NewMessage{Text: strings.Repeat("é", 10_000), Files: attach(file{"a.txt", io.LimitReader(endless{}, account.MaxAttachment)})}); err != nil {
		t.Error(err)
	}
}

func FuzzAttachmentType(f *testing.F) {
	for _, seed := range []string{png, "%PDF-1.7\n", "\xff\xd8\xff\xe0", "text", "", "\x00", "\xf0\x9f\x98\x80"} {
		f.Add("a.txt", []byte(seed), 3)
		f.Add("a.png", []byte(seed), 1)
	}
	f.Fuzz(func(t *testing.T, name string, content []byte, step int) {
		name = account.CleanFileName(name)
		whole, wrong := account.AttachmentType(name, content, len(content)+1)
		parts, wrongParts := account.AttachmentType(name, content, max(1, step%16))
		if len(content) > 0 && (whole != parts || fmt.Sprint(wrong) != fmt.Sprint(wrongParts)) {
			t.Errorf("in one part %q %v, in parts %q %v", whole, wrong, parts, wrongParts)
		}
		if wrong == nil && whole == "text/plain; charset=utf-8" && bytes.ContainsRune(content, 0) {
			t.Error("what holds a NUL passes for text")
		}
	})
}
