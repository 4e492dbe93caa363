package account_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// shelf is models over a house, with a directory in which nothing may stay.
type shelf struct {
	*house
	*account.Models
	dir string
	ner toll.Service
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{house: newHouse(t), dir: t.TempDir(), ner: toll.Service{Name: "ner", Models: toll.ModelUploads{
		Types: []toll.ModelType{toll.TermList}, MaxSize: 100, MaxFiles: 3, MaxTotal: 250,
	}}}
	var err error
	s.Models, err = account.NewModels(s.store, account.ModelOptions{
		Plans: s.plans, Services: func() []toll.Service { return []toll.Service{{Name: "ocr"}, s.ner} },
		Uploads: &account.Uploads{Dir: s.dir}, Clock: s.clock.now,
	})
	must(t, err)
	return s
}

func (s *shelf) upload(t *testing.T, p account.Person, content io.Reader) (toll.Model, error) {
	t.Helper()
	m, err := s.Upload(t.Context(), p, account.NewModel{CustomerID: p.CustomerID, Service: "ner", Name: "terms.tsv", Content: content})
	if left, e := os.ReadDir(s.dir); e != nil || len(left) > 0 {
		t.Errorf("files are left behind: %v, %v", left, e)
	}
	return m, err
}

const zorblax = "# ours\nZorblax\tORGANISATION\r\n\nKwame Osei\tPERSON\n"

func TestAnApprovedModelReachesItsServiceAndNoOther(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	ctx := t.Context()
	m, err := s.upload(t, s.owner, iotest.OneByteReader(strings.NewReader(zorblax)))
	must(t, err)
	if m.State != toll.ModelUploaded || m.Size != int64(len(zorblax)) || m.SHA256 != sha256.Sum256([]byte(zorblax)) || m.UploadedBy != s.owner.ID {
		t.Errorf("the model is %+v", m)
	}
	given := func() string {
		t.Helper()
		list, err := s.Approved(ctx, "ner", s.acme.ID)
		must(t, err)
		out := ""
		for _, one := range list {
			out += one.ID
		}
		return out
	}
	if got := given(); got != "" {
		t.Errorf("a model that waits is given away: %s", got)
	}
	_, err = s.ApprovedModel(ctx, "ner", m.ID)
	wantCode(t, err, toll.NotFound)
	_, err = s.Approve(ctx, s.owner, m.ID)
	wantCode(t, err, toll.Forbidden)
	m, err = s.Approve(ctx, s.chief, m.ID)
	must(t, err)
	if m.State != toll.ModelApproved || m.DecidedBy != s.chief.ID || m.DecidedAt.IsZero() || given() != m.ID {
		t.Errorf("approved it is %+v, and given is %s", m, given())
	}
	var read bytes.Buffer
	must(t, s.ReadApproved(ctx, m, &read))
	if read.String() != zorblax {
		t.Errorf("its content is %q", &read)
	}
	for _, service := range []string{"ocr", "daybook", ""} {
		if list, err := s.Approved(ctx, service, s.acme.ID); err != nil || len(list) > 0 {
			t.Errorf("%q is given %v, %v", service, list, err)
		}
		_, err = s.ApprovedModel(ctx, service, m.ID)
		wantCode(t, err, toll.NotFound)
	}
	if list, err := s.Approved(ctx, "ner", s.other.ID); err != nil || len(list) > 0 {
		t.Errorf("another customer is given %v, %v", list, err)
	}
	_, err = s.Reject(ctx, s.chief, m.ID, " ")
	wantField(t, err, "reason")
	m, err = s.Reject(ctx, s.chief, m.ID, "It lists <people>.")
	must(t, err)
	if m.State != toll.ModelRejected || m.Reason != "It lists <people>." || given() != "" {
		t.Errorf("rejected it is %+v, and given is %q", m, given())
	}
}

func TestAModelOfAnotherTenantIsNotThere(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	ctx := t.Context()
	m, err := s.upload(t, s.owner, strings.NewReader(zorblax))
	must(t, err)
	for _, id := range []string{m.ID, "mod_none"} {
		_, err = s.Model(ctx, s.rival, id)
		wantCode(t, err, toll.NotFound)
		wantCode(t, s.Read(ctx, s.rival, id, io.Discard), toll.NotFound)
		_, err = s.Delete(ctx, s.rival, id)
		wantCode(t, err, toll.NotFound)
	}
	_, err = s.List(ctx, s.rival, s.acme.ID)
	wantCode(t, err, toll.NotFound)
	_, err = s.Upload(ctx, s.rival, account.NewModel{CustomerID: s.acme.ID, Service: "ner", Content: strings.NewReader(zorblax)})
	wantCode(t, err, toll.NotFound)
	_, err = s.In(ctx, s.owner, toll.ModelUploaded)
	wantCode(t, err, toll.Forbidden)
	_, err = s.Model(ctx, account.Person{}, m.ID)
	wantCode(t, err, toll.Unauthorized)
	_, err = s.Delete(ctx, s.owner, m.ID)
	must(t, err)
	if n := s.store.Contents(); n != 0 {
		t.Errorf("%d contents are left of what was deleted", n)
	}
}

func TestRefusesAnUploadAndKeepsNothingOfIt(t *testing.T) {
	t.Parallel()
	line := "Zorblax\tPERSON\n"
	for name, c := range map[string]struct {
		content io.Reader
		says    string
	}{
		"one byte over":          {strings.NewReader(strings.Repeat(line, 6) + "AB\tPERSON\n\n"), "larger than 100 bytes"},
		"without end":            {io.MultiReader(strings.NewReader(line), endless{}), "larger than 100 bytes"},
		"cut in the middle":      {io.MultiReader(strings.NewReader(line), iotest.ErrReader(io.ErrUnexpectedEOF)), "did not come whole"},
		"empty":                  {strings.NewReader(""), "empty"},
		"no term":                {strings.NewReader("# nothing\n\n"), "no term"},
		"a picture named a list": {strings.NewReader("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), "Line 1"},
		"no tab on line 3":       {strings.NewReader("A\tPERSON\n\nZorblax PERSON\n"), "Line 3 of the list is wrong: there is no tab"},
		"no type":                {strings.NewReader("Zorblax\t\n"), "Line 1"},
		"a type in small":        {strings.NewReader("Zorblax\tperson\n"), "Line 1"},
		"three columns":          {strings.NewReader("Zorblax\tPERSON\tmore\n"), "Line 1"},
		"not UTF-8 on line 2":    {strings.NewReader("A\tPERSON\ncaf\xe9\tPLACE\n"), "Line 2 of the list is wrong: it is not UTF-8"},
		"cut UTF-8":              {strings.NewReader("A\tPERSON\n\xf0\x9f\x98"), "Line 2"},
		"a script in UTF-16":     {strings.NewReader("\xff\xfeZ\x00\t\x00P\x00\n\x00"), "Line 1"},
		"turned text":            {strings.NewReader("Zor\u202eblax\tPERSON\n"), "control character"},
		"an escape":              {strings.NewReader("Zor\x1b[31m\tPERSON\n"), "control character"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			_, err := s.upload(t, s.owner, c.content)
			wantField(t, err, "file")
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %v, want %q in it", err, c.says)
			}
			if list, err := s.List(t.Context(), s.owner, s.acme.ID); err != nil || len(list) > 0 || s.store.Contents() > 0 {
				t.Errorf("something was kept: %v, %v", list, err)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}

func TestTakesAFileOfExactlyTheLargestSize(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	content := strings.Repeat("Zorblax\tPERSON\n", 6)
	content += strings.Repeat("#", 100-len(content))
	if _, err := s.upload(t, s.owner, iotest.DataErrReader(strings.NewReader(content))); err != nil {
		t.Error(err)
	}
}

func TestHoldsALongLineInNoMemory(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.ner.Models.MaxSize = 1 << 30
	_, err := s.upload(t, s.owner, io.LimitReader(iotest.OneByteReader(noEnd{}), 1<<20))
	wantField(t, err, "file")
	if err == nil || !strings.Contains(err.Error(), "Line 1 of the list is wrong: it has more than 2048 bytes") {
		t.Error(err)
	}
}

type noEnd struct{}

func (noEnd) Read(p []byte) (int, error) { p[0] = 'a'; return 1, nil }

func TestHoldsACustomerToItsRoom(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for n := range 3 {
		_, err := s.upload(t, s.owner, strings.NewReader(fmt.Sprintf("Term %d\tPLACE\n", n)))
		must(t, err)
	}
	_, err := s.upload(t, s.owner, strings.NewReader("Term 4\tPLACE\n"))
	wantField(t, err, "file")
	_, err = s.upload(t, s.rival, strings.NewReader("Term 0\tPLACE\n")) // another's room, and another's same content
	must(t, err)
	_, err = s.upload(t, s.rival, strings.NewReader("Term 0\tPLACE\n"))
	wantCode(t, err, toll.Conflict)
}

func TestTakesModelsOnlyForAServiceAndPlanThatHaveThem(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	ctx := t.Context()
	for service, field := range map[string]string{"ocr": "service", "": "service", "../ner": "service"} {
		_, err := s.Upload(ctx, s.owner, account.NewModel{CustomerID: s.acme.ID, Service: service, Content: strings.NewReader(zorblax)})
		wantField(t, err, field)
	}
	_, err := s.Upload(ctx, s.owner, account.NewModel{CustomerID: s.acme.ID, Service: "ner", Type: toll.PlainText, Content: strings.NewReader(zorblax)})
	wantField(t, err, "type")
	m, err := s.upload(t, s.owner, strings.NewReader(zorblax))
	must(t, err)
	_, err = s.Approve(ctx, s.chief, m.ID)
	must(t, err)
	s.ner.Models.Feature = "models" // which the plan of acme has not
	_, err = s.upload(t, s.owner, strings.NewReader("A\tPERSON\n"))
	wantCode(t, err, toll.Forbidden)
	if list, err := s.Approved(ctx, "ner", s.acme.ID); err != nil || len(list) > 0 {
		t.Errorf("a plan without the feature is given %v, %v", list, err)
	}
	viewer := s.owner
	viewer.Role = string(toll.MemberViewer)
	_, err = s.upload(t, viewer, strings.NewReader("A\tPERSON\n"))
	wantCode(t, err, toll.Forbidden)
}

func TestFewUploadsOfACustomerAtATime(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	var ends []*io.PipeWriter
	done := make(chan error, 4)
	for n := range 4 {
		r, w := io.Pipe()
		ends = append(ends, w)
		go func() {
			_, err := s.Upload(t.Context(), s.owner, account.NewModel{CustomerID: s.acme.ID, Service: "ner", Content: r})
			done <- err
		}()
		_, err := fmt.Fprintf(w, "Term %d\tPLACE\n", n) // so it has begun
		must(t, err)
	}
	_, err := s.Upload(t.Context(), s.owner, account.NewModel{CustomerID: s.acme.ID, Service: "ner", Content: strings.NewReader(zorblax)})
	wantCode(t, err, toll.Unavailable)
	_, err = s.Upload(t.Context(), s.rival, account.NewModel{CustomerID: s.other.ID, Service: "ner", Content: strings.NewReader(zorblax)})
	must(t, err)
	for _, w := range ends {
		_ = w.CloseWithError(errors.New("the client left"))
	}
	for range ends {
		wantField(t, <-done, "file")
	}
	_, err = s.upload(t, s.owner, strings.NewReader(zorblax))
	must(t, err)
}

func TestAFileNameIsMadeSafe(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"terms.tsv": "terms.tsv", "../../etc/passwd": "passwd", `C:\Users\ada\list.tsv`: "list.tsv", "": "file", "..": "file", "/": "file", ".bashrc": "bashrc",
		"a\r\nSet-Cookie: x": "aSet-Cookie_ x", `x" onload="alert(1)`: "x_ onload=_alert(1)", "<script>.tsv": "_script_.tsv", "Gro\u0308ße.tsv": "Größe.tsv",
		"exe\u202egnp.tsv": "exegnp.tsv", "a\x00b": "ab", "\xff\xfe": "file", "   ": "file", "$(rm).tsv": "_(rm).tsv",
		strings.Repeat("é", 300) + ".tsv": strings.Repeat("é", 96) + ".tsv", strings.Repeat("x", 10_000): strings.Repeat("x", 100),
	} {
		if got := account.CleanFileName(given); got != want {
			t.Errorf("%.40q becomes %q, want %q", given, got, want)
		}
	}
}

func FuzzTermList(f *testing.F) {
	for _, seed := range []string{zorblax, "", "a\tB", "\ufeffa\tB\n", "#\n", "a\tB\r\nb\tC\r", "\t\n", "a\t\n", "\xff\tA", strings.Repeat("x", 3000)} {
		f.Add([]byte(seed), 7)
	}
	f.Fuzz(func(t *testing.T, content []byte, step int) {
		whole := account.CheckTermList(content, len(content)+1)
		parts := account.CheckTermList(content, max(1, step%64))
		if fmt.Sprint(whole) != fmt.Sprint(parts) {
			t.Errorf("in one part: %v; in parts: %v", whole, parts)
		}
		if whole == nil && !strings.Contains(string(content), "\t") {
			t.Error("a list without a tab passes")
		}
	})
}

func FuzzCleanFileName(f *testing.F) {
	for _, seed := range []string{"terms.tsv", "../x", "a\x00", "\u202e", strings.Repeat("é", 200)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := account.CleanFileName(name)
		if n := len([]rune(got)); n < 1 || n > 100 || strings.ContainsAny(got, "/\\\"\r\n\x00<>") || got[0] == '.' {
			t.Errorf("%q becomes %q", name, got)
		}
		if again := account.CleanFileName(got); again != got {
			t.Errorf("%q becomes %q and then %q", name, got, again)
		}
	})
}

var _ account.ModelStore = (*accounttest.Store)(nil)
