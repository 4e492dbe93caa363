package accounttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// FileStore is what keeps models, support threads and imports.
type FileStore interface {
	account.CustomerStore
	account.KeyStore
	CreateModel(ctx context.Context, m toll.Model, content io.ReaderAt, mostFiles int, mostTotal int64, e toll.Entry) error
	Model(ctx context.Context, id string) (toll.Model, error)
	ModelsOf(ctx context.Context, customerID string) ([]toll.Model, error)
	ModelsIn(ctx context.Context, state toll.ModelState, most int) ([]toll.Model, error)
	UpdateModel(ctx context.Context, m toll.Model, e toll.Entry, mails ...toll.Mail) (toll.Model, error)
	DeleteModel(ctx context.Context, id string, e toll.Entry) error
	ReadModel(ctx context.Context, m toll.Model, w io.Writer) error
	CreateThread(ctx context.Context, t toll.Thread, first toll.Message, contents []io.ReaderAt, mostOpen int, mostBytes int64, e toll.Entry, mails ...toll.Mail) error
	AddMessage(ctx context.Context, t toll.Thread, m toll.Message, contents []io.ReaderAt, mostBytes int64, e toll.Entry, mails ...toll.Mail) (toll.Thread, error)
	UpdateThread(ctx context.Context, t toll.Thread, e toll.Entry) (toll.Thread, error)
	Thread(ctx context.Context, id string) (toll.Thread, error)
	Threads(ctx context.Context, q toll.ThreadQuery) ([]toll.Thread, error)
	Messages(ctx context.Context, threadID string) ([]toll.Message, error)
	Attachment(ctx context.Context, id string) (toll.Attachment, error)
	ReadAttachment(ctx context.Context, a toll.Attachment, w io.Writer) error
	Imported(ctx context.Context, kind toll.ImportedKind, externals []string) (map[string]string, error)
	KeyByHash(ctx context.Context, hash [32]byte) (toll.Key, error)
	Import(ctx context.Context, customers []toll.Customer, keys []toll.Key, names []toll.Imported, e toll.Entry) error
}

// TestFiles holds a store to what account promises of models, support threads
// and imports.
func TestFiles(t *testing.T, open func(t *testing.T) FileStore) {
	for name, test := range map[string]func(t *testing.T, s FileStore){
		"KeepsAModelWithItsContent":             keepsAModelWithItsContent,
		"HoldsACustomerToItsRoomForModels":      holdsACustomerToItsRoomForModels,
		"LetsOneOfManyUploadsTakeTheLastPlace":  letsOneOfManyUploadsTakeTheLastPlace,
		"KeepsNothingOfAModelWhoseContentFails": keepsNothingOfAModelWhoseContentFails,
		"DecidesAboutAModelOnce":                decidesAboutAModelOnce,
		"KeepsAThreadWithItsFiles":              keepsAThreadWithItsFiles,
		"HoldsThreadsToTheirBounds":             holdsThreadsToTheirBounds,
		"ListsThreadsByTheirLastChange":         listsThreadsByTheirLastChange,
		"ImportsAllOrNothing":                   importsAllOrNothing,
		"ForgetsTheFilesOfACustomerThatLeft":    forgetsTheFilesOfACustomerThatLeft,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

var when = time.Date(2026, 11, 20, 9, 30, 0, 123456000, time.UTC)

func fileCustomer(t *testing.T, s FileStore, id string) {
	t.Helper()
	ok(t, s.CreateCustomer(t.Context(), toll.Customer{ID: id, Name: id, Status: toll.CustomerActive, Subscription: toll.Subscription{Plan: "pro", PlanVersion: "pro@1"}, CreatedAt: when, Version: 1}, tolltest.Entry()))
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, what string, err error, want toll.Code) {
	t.Helper()
	if got := toll.CodeOf(err); got != want {
		t.Errorf("%s: the code is %q (%v), want %q", what, got, err, want)
	}
}

func model(n int, customer string, content []byte) toll.Model {
	return toll.Model{
		ID: fmt.Sprintf("mod_%04d", n), CustomerID: customer, Service: "ner", Name: "größe.tsv", Type: toll.TermList, Size: int64(len(content)),
		SHA256: sha256.Sum256(content), State: toll.ModelUploaded, UploadedBy: "mem_1", CreatedAt: when.Add(time.Duration(n) * time.Second), Version: 1,
	}
}

func keepsAModelWithItsContent(t *testing.T, s FileStore) {
	fileCustomer(t, s, "cus_a")
	fileCustomer(t, s, "cus_b")
	content := bytes.Repeat([]byte("Zorblax\tORGANISATION\n\x00\xff"), 40_000) // more than three parts
	m := model(1, "cus_a", content)
	ok(t, s.CreateModel(t.Context(), m, bytes.NewReader(content), 10, 1<<30, tolltest.Entry()))
	got, err := s.Model(t.Context(), m.ID)
	ok(t, err)
	if !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v, want %+v", got, m)
	}
	var read bytes.Buffer
	ok(t, s.ReadModel(t.Context(), got, &read))
	if !bytes.Equal(read.Bytes(), content) {
		t.Errorf("%d bytes came back, not the %d that were kept", read.Len(), len(content))
	}
	again := m
	again.ID = "mod_again"
	expect(t, "the same content again", s.CreateModel(t.Context(), again, bytes.NewReader(content), 10, 1<<30, tolltest.Entry()), toll.Conflict)
	other := m
	other.ID, other.CustomerID = "mod_other", "cus_b"
	ok(t, s.CreateModel(t.Context(), other, bytes.NewReader(content), 10, 1<<30, tolltest.Entry()))
	nobody := m
	nobody.ID, nobody.CustomerID = "mod_nobody", "cus_none"
	expect(t, "of nobody", s.CreateModel(t.Context(), nobody, bytes.NewReader(content), 10, 1<<30, tolltest.Entry()), toll.NotFound)

	of, err := s.ModelsOf(t.Context(), "cus_a")
	ok(t, err)
	if len(of) != 1 || of[0].ID != m.ID {
		t.Errorf("the customer has %+v", of)
	}
	ok(t, s.DeleteModel(t.Context(), m.ID, tolltest.Entry()))
	expect(t, "deleting it again", s.DeleteModel(t.Context(), m.ID, tolltest.Entry()), toll.NotFound)
	expect(t, "reading it then", s.ReadModel(t.Context(), m, io.Discard), toll.NotFound)
	_, err = s.Model(t.Context(), "mod_\x00")
	expect(t, "an ID that cannot be", err, toll.NotFound)
	ok(t, s.ReadModel(t.Context(), other, io.Discard))
}

func holdsACustomerToItsRoomForModels(t *testing.T, s FileStore) {
	fileCustomer(t, s, "cus_a")
	for n := range 3 {
		content := fmt.Appendf(nil, "content %d", n)
		ok(t, s.CreateModel(t.Context(), model(n, "cus_a", content), bytes.NewReader(content), 3, 1000, tolltest.Entry()))
	}
	content := []byte("content 9")
	expect(t, "a fourth file", s.CreateModel(t.Context(), model(9, "cus_a", content), bytes.NewReader(content), 3, 1000, tolltest.Entry()), toll.Invalid)
	expect(t, "a byte too many", s.CreateModel(t.Context(), model(9, "cus_a", content), bytes.NewReader(content), 9, 35, tolltest.Entry()), toll.Invalid)
	ok(t, s.CreateModel(t.Context(), model(9, "cus_a", content), bytes.NewReader(content), 9, 36, tolltest.Entry()))
	elsewhere := model(10, "cus_a", content)
	elsewhere.Service = "ocr"
	ok(t, s.CreateModel(t.Context(), elsewhere, bytes.NewReader(content), 1, 9, tolltest.Entry()))
}

func letsOneOfManyUploadsTakeTheLastPlace(t *testing.T, s FileStore) {
	fileCustomer(t, s, "cus_a")
	const tries = 12
	kept := make([]bool, tries)
	var all sync.WaitGroup
	for n := range tries {
		all.Go(func() {
			content := fmt.Appendf(nil, "content %d", n)
			kept[n] = s.CreateModel(t.Context(), model(n, "cus_a", content), bytes.NewReader(content), 1, 1000, tolltest.Entry()) == nil
		})
	}
	all.Wait()
	won := 0
	for _, k := range kept {
		if k {
			won++
		}
	}
	if of, err := s.ModelsOf(t.Context(), "cus_a"); err != nil || won != 1 || len(of) != 1 {
		t.Errorf("%d uploads took the one place, %d are kept (%v)", won, len(of), err)
	}
}

func keepsNothingOfAModelWhoseContentFails(t *testing.T, s FileStore) {
	fileCustomer(t, s, "cus_a")
	content := bytes.Repeat([]byte("x"), 600_000)
	m := model(1, "cus_a", content)
	if err := s.CreateModel(t.Context(), m, bytes.NewReader(content[:400_000]), 3, 1<<30, tolltest.Entry()); err == nil {
		t.Error("a content that ends too early was kept")
	}
	if _, err := s.Model(t.Context(), m.ID); toll.CodeOf(err) != toll.NotFound {
		t.Errorf("something of it was kept: %v", err)
	}
}

func decidesAboutAModelOnce(t *testing.T, s FileStore) {
	fileCustomer(t, s, "cus_a")
	content := []byte("Zorblax\tPERSON\n")
	ok(t, s.CreateModel(t.Context(), model(1, "cus_a", content), bytes.NewReader(content), 3, 1000, tolltest.Entry()))
	content2 := []byte("Foo\tPERSON\n")
	ok(t, s.CreateModel(t.Context(), model(2, "cus_a", content2), bytes.NewReader(content2), 3, 1000, tolltest.Entry()))
	waiting, err := s.ModelsIn(t.Context(), toll.ModelUploaded, 10)
	ok(t, err)
	if len(waiting) != 2 || waiting[0].ID != "mod_0001" {
		t.Fatalf("those that wait are %+v, want the oldest first", waiting)
	}
	m := waiting[0]
	m.State, m.Reason, m.DecidedBy, m.DecidedAt, m.Name = toll.ModelRejected, "too <b>short</b>", "op_1", when.Add(time.Hour), "not changed"
	changed, err := s.UpdateModel(t.Context(), m, tolltest.Entry())
	ok(t, err)
	if changed.Version != 2 || changed.State != toll.ModelRejected || changed.Reason != m.Reason || !changed.DecidedAt.Equal(m.DecidedAt) || changed.Name == m.Name {
		t.Errorf("it became %+v", changed)
	}
	_, err = s.UpdateModel(t.Context(), m, tolltest.Entry())
	expect(t, "a second decision on what was seen before", err, toll.Conflict)
	m.ID = "mod_none"
	_, err = s.UpdateModel(t.Context(), m, tolltest.Entry())
	expect(t, "of none", err, toll.NotFound)
	rejected, err := s.ModelsIn(t.Context(), toll.ModelRejected, 1)
	ok(t, err)
	if len(rejected) != 1 || rejected[0].ID != "mod_0001" {
		t.Errorf("those rejected are %+v", rejected)
	}
}

func thread(n int, customer string) toll.Thread {
	at := when.Add(time.Duration(n) * time.Minute)
	return toll.Thread{ID: fmt.Sprintf("thr_%04d", n), CustomerID: customer, Subject: "Where is <my> bill?", State: toll.ThreadOpen, OpenedBy: "mem_1", CreatedAt: at, UpdatedAt: at, Messages: 1, Version: 1}
}

func message(n int, of toll.Thread) toll.Message {
	return toll.Message{ID: fmt.Sprintf("msg_%s_%04d", of.ID, n), ThreadID: of.ID, Author: toll.KindMember, AuthorID: "mem_1", AuthorName: "Ada", Text: "line one\nline two", CreatedAt: of.CreatedAt.Add(time.Duration(n) * time.Second)}
}

func attachment(n int, m toll.Message, content []byte) toll.Attachment {
	return toll.Attachment{ID: fmt.Sprintf("att_%s_%d", m.ID, n), ThreadID: m.ThreadID, MessageID: m.ID, Name: "shot.png", MediaType: "image/png", Size: int64(len(content)), SHA256: sha256.Sum256(content)}
}

func keepsAThreadWithItsFiles(t *testing.T, s FileStore) {
	fileCustomer(t, s, "cus_a")
	th := thread(1, "cus_a")
	big, small := bytes.Repeat([]byte{0, 1, 2, 255}, 100_000), []byte("text")
	first := message(0, th)
	first.Attachments = []toll.Attachment{attachment(2, first, big), attachment(1, first, small)}
	ok(t, s.CreateThread(t.Context(), th, first, []io.ReaderAt{bytes.NewReader(big), bytes.NewReader(small)}, 10, 1<<30, tolltest.Entry()))
	reply := message(1, th)
	reply.Author, reply.AuthorID = toll.KindOperator, "op_1"
	th.State, th.Messages, th.UpdatedAt = toll.ThreadWaiting, 2, reply.CreatedAt
	changed, err := s.AddMessage(t.Context(), th, reply, nil, 1<<30, tolltest.Entry())
	ok(t, err)
	want := th
	want.Version = 2
	got, err := s.Thread(t.Context(), th.ID)
	ok(t, err)
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(changed, want) {
		t.Errorf("the thread is %+v, and was said to be %+v; want %+v", got, changed, want)
	}
	_, err = s.AddMessage(t.Context(), th, message(2, th), nil, 1<<30, tolltest.Entry()) // as it was seen before
	expect(t, "a reply to what was seen before", err, toll.Conflict)
	messages, err := s.Messages(t.Context(), th.ID)
	ok(t, err)
	if !reflect.DeepEqual(messages, []toll.Message{first, reply}) {
		t.Errorf("the messages are %+v", messages)
	}
	a, err := s.Attachment(t.Context(), first.Attachments[0].ID)
	ok(t, err)
	var read bytes.Buffer
	ok(t, s.ReadAttachment(t.Context(), a, &read))
	if !reflect.DeepEqual(a, first.Attachments[0]) || !bytes.Equal(read.Bytes(), big) {
		t.Errorf("the attachment is %+v with %d bytes", a, read.Len())
	}
	got.State = toll.ThreadClosed
	closed, err := s.UpdateThread(t.Context(), got, tolltest.Entry())
	ok(t, err)
	if closed.State != toll.ThreadClosed || closed.Version != 3 {
		t.Errorf("it became %+v", closed)
	}
	_, err = s.Thread(t.Context(), "thr_none")
	expect(t, "no thread", err, toll.NotFound)
	_, err = s.Attachment(t.Context(), "att_none")
	expect(t, "no attachment", err, toll.NotFound)
}

func holdsThreadsToTheirBounds(t *testing.T, s FileStore) {
	fileCustomer(t, s, "cus_a")
	content := []byte("0123456789")
	th := thread(1, "cus_a")
	first := message(0, th)
	first.Attachments = []toll.Attachment{attachment(1, first, content)}
	ok(t, s.CreateThread(t.Context(), th, first, []io.ReaderAt{bytes.NewReader(content)}, 1, 15, tolltest.Entry()))
	second := thread(2, "cus_a")
	expect(t, "a second thread where one may be", s.CreateThread(t.Context(), second, message(0, second), nil, 1, 15, tolltest.Entry()), toll.Invalid)
	m := message(1, th)
	m.Attachments = []toll.Attachment{attachment(1, m, content)}
	th.Messages = 2
	_, err := s.AddMessage(t.Context(), th, m, []io.ReaderAt{bytes.NewReader(content)}, 15, tolltest.Entry())
	expect(t, "more bytes than there may be", err, toll.Invalid)
	if messages, err := s.Messages(t.Context(), th.ID); err != nil || len(messages) != 1 {
		t.Errorf("%d messages are kept (%v), want the first alone", len(messages), err)
	}
	if got, err := s.Thread(t.Context(), th.ID); err != nil || got.Version != 1 {
		t.Errorf("the thread was changed: %+v, %v", got, err)
	}
	nobodys := thread(3, "cus_none")
	expect(t, "of nobody", s.CreateThread(t.Context(), nobodys, message(0, nobodys), nil, 10, 15, tolltest.Entry()), toll.NotFound)
}

func listsThreadsByTheirLastChange(t *testing.T, s FileStore) {
	fileCustomer(t, s, "cus_a")
	fileCustomer(t, s, "cus_b")
	for n := range 6 {
		th := thread(n, []string{"cus_a", "cus_b"}[n%2])
		ok(t, s.CreateThread(t.Context(), th, message(0, th), nil, 10, 1, tolltest.Entry()))
	}
	ids := func(q toll.ThreadQuery) (out []string) {
		t.Helper()
		list, err := s.Threads(t.Context(), q)
		ok(t, err)
		for _, th := range list {
			out = append(out, th.ID)
		}
		return out
	}
	for _, c := range []struct {
		q    toll.ThreadQuery
		want string
	}{
		{toll.ThreadQuery{Limit: 2}, "[thr_0005 thr_0004]"},
		{toll.ThreadQuery{Limit: 9, Customer: "cus_a"}, "[thr_0004 thr_0002 thr_0000]"},
		{toll.ThreadQuery{Limit: 9, Before: when.Add(2 * time.Minute)}, "[thr_0001 thr_0000]"},
		{toll.ThreadQuery{Limit: 9, State: toll.ThreadClosed}, "[]"},
		{toll.ThreadQuery{Limit: 9, State: toll.ThreadOpen, Customer: "cus_none"}, "[]"},
	} {
		if got := fmt.Sprint(ids(c.q)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.q, got, c.want)
		}
	}
}

func importsAllOrNothing(t *testing.T, s FileStore) {
	fileCustomer(t, s, "cus_old")
	customers := []toll.Customer{
		{ID: "cus_1", Name: "One", Status: toll.CustomerActive, Subscription: toll.Subscription{Plan: "free", PlanVersion: "free@1", Since: when}, CreatedAt: when, Version: 1},
		{ID: "cus_2", Name: "Two", Status: toll.CustomerSuspended, Subscription: toll.Subscription{Plan: "free", PlanVersion: "free@1", Since: when}, CreatedAt: when, Version: 1},
	}
	key := func(n int, owner string) toll.Key {
		return toll.Key{ID: fmt.Sprintf("key_%d", n), CustomerID: owner, Name: "old", Mode: toll.Live, Hash: sha256.Sum256(fmt.Append(nil, n)), CreatedAt: when, Version: 1}
	}
	names := []toll.Imported{{Kind: toll.ImportedCustomer, External: "42", ID: "cus_1"}, {Kind: toll.ImportedCustomer, External: "43", ID: "cus_2"}, {Kind: toll.ImportedKey, External: "42", ID: "key_1"}}
	ok(t, s.Import(t.Context(), customers, []toll.Key{key(1, "cus_1"), key(2, "cus_old")}, names, tolltest.Entry()))
	found, err := s.Imported(t.Context(), toll.ImportedCustomer, []string{"42", "43", "44", "\x00"})
	ok(t, err)
	if !reflect.DeepEqual(found, map[string]string{"42": "cus_1", "43": "cus_2"}) {
		t.Errorf("found %v", found)
	}
	k, err := s.KeyByHash(t.Context(), sha256.Sum256([]byte("1")))
	ok(t, err)
	if !reflect.DeepEqual(k, key(1, "cus_1")) {
		t.Errorf("the key is %+v", k)
	}
	_, err = s.KeyByHash(t.Context(), sha256.Sum256([]byte("none")))
	expect(t, "no key", err, toll.NotFound)
	// One that is there already, at the end: nothing of the rest stays.
	third := customers[0]
	third.ID = "cus_3"
	expect(t, "an external ID that is taken", s.Import(t.Context(), []toll.Customer{third}, []toll.Key{key(3, "cus_3")}, []toll.Imported{{Kind: toll.ImportedCustomer, External: "43", ID: "cus_3"}}, tolltest.Entry()), toll.Conflict)
	expect(t, "a key that is there", s.Import(t.Context(), []toll.Customer{third}, []toll.Key{key(3, "cus_3"), {ID: "key_9", CustomerID: "cus_3", Name: "x", Mode: toll.Live, Hash: key(1, "").Hash, CreatedAt: when, Version: 1}}, nil, tolltest.Entry()), toll.Conflict)
	_, err = s.Customer(t.Context(), "cus_3")
	expect(t, "a customer of an import that failed", err, toll.NotFound)
	_, err = s.Key(t.Context(), "key_3")
	expect(t, "a key of an import that failed", err, toll.NotFound)
}

func forgetsTheFilesOfACustomerThatLeft(t *testing.T, s FileStore) {
	fileCustomer(t, s, "cus_a")
	fileCustomer(t, s, "cus_b")
	content := []byte("secret words")
	for n, customer := range []string{"cus_a", "cus_b"} {
		ok(t, s.CreateModel(t.Context(), model(n, customer, content), bytes.NewReader(content), 10, 1<<30, tolltest.Entry()))
		th := thread(n, customer)
		first := message(0, th)
		first.Attachments = []toll.Attachment{attachment(1, first, content)}
		ok(t, s.CreateThread(t.Context(), th, first, []io.ReaderAt{bytes.NewReader(content)}, 10, 1<<30, tolltest.Entry()))
	}
	_, _, err := s.CloseCustomer(t.Context(), "cus_a", "Deleted", when.Add(time.Hour), tolltest.Entry())
	ok(t, err)
	for n, want := range []toll.Code{toll.NotFound, ""} {
		customer := []string{"cus_a", "cus_b"}[n]
		th := thread(n, customer)
		a := attachment(1, message(0, th), content)
		_, err := s.Model(t.Context(), model(n, customer, content).ID)
		expect(t, customer+"'s model", err, want)
		_, err = s.Thread(t.Context(), th.ID)
		expect(t, customer+"'s conversation", err, want)
		_, err = s.Attachment(t.Context(), a.ID)
		expect(t, customer+"'s file", err, want)
		if messages, err := s.Messages(t.Context(), th.ID); err != nil || len(messages) != n {
			t.Errorf("%s has %d messages (%v)", customer, len(messages), err)
		}
	}
	late := thread(7, "cus_a")
	expect(t, "another conversation", s.CreateThread(t.Context(), late, message(0, late), nil, 10, 1<<30, tolltest.Entry()), toll.Conflict)
	expect(t, "another model", s.CreateModel(t.Context(), model(7, "cus_a", content), bytes.NewReader(content), 10, 1<<30, tolltest.Entry()), toll.Conflict)
}
