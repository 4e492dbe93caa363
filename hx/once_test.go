package hx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// desk is a form with Once before it.
type desk struct {
	t       *testing.T
	once    *Once
	store   *MemoryOnce
	effects atomic.Int64
	answer  func(w http.ResponseWriter, r *http.Request)
}

func newDesk(t *testing.T, o OnceOptions) *desk {
	t.Helper()
	d := &desk{t: t, store: NewMemoryOnce(100, 1<<20, nil)}
	if o.Store == nil {
		o.Store = d.store
	}
	o.Who = func(r *http.Request) string { return r.Header.Get("Test-Who") }
	site, err := New(Options{Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	d.once, err = NewOnce(site, o)
	must(t, err)
	d.answer = func(w http.ResponseWriter, r *http.Request) {
		n := d.effects.Add(1)
		w.Header().Set("HX-Trigger", "saved")
		http.SetCookie(w, &http.Cookie{Name: "n", Value: fmt.Sprint(n)})
		fmt.Fprintf(w, "done %d", n)
	}
	return d
}

func (d *desk) send(token, text string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(d.t.Context(), "POST", "/notes", strings.NewReader(url.Values{OnceField: {token}, "text": {text}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("HX-Request", "true")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-ID", "outer")
	d.once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.answer(w, r) })).ServeHTTP(w, r)
	return w
}

func TestAFormSentTwiceIsDoneOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, OnceOptions{})
	token := d.once.Token()
	first, second := d.send(token, "a"), d.send(token, "a")
	for _, w := range []*httptest.ResponseRecorder{first, second} {
		if w.Code != 200 || w.Body.String() != "done 1" || w.Header().Get("HX-Trigger") != "saved" || !strings.HasPrefix(w.Header().Get("Set-Cookie"), "n=1") {
			t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
		}
	}
	if w := d.send(token, "another text"); w.Code != http.StatusConflict {
		t.Errorf("other content: %d", w.Code)
	}
	if w := d.send(token, "a", "Test-Who", "eve"); w.Body.String() != "done 2" {
		t.Errorf("somebody else's token: %s", w.Body)
	}
	if w := d.send(d.once.Token(), "a"); w.Body.String() != "done 3" {
		t.Errorf("a new form: %s", w.Body)
	}
	if w := d.send("", "a", OnceHeader, `"`+token+`"`); w.Code != http.StatusConflict { // the field is other content
		t.Errorf("by header: %d %s", w.Code, w.Body)
	}
	for _, none := range []string{"", "short", "with spaces and more", strings.Repeat("x", 200), "<script>alert(1)</script>"} {
		if w := d.send(none, "a"); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("token %q: %d", none, w.Code)
		}
	}
	if n := d.effects.Load(); n != 3 {
		t.Errorf("%d effects", n)
	}
}

func TestAFormSentByTwoAtOnceIsDoneOnceForBoth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, OnceOptions{})
		do := d.answer
		d.answer = func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			do(w, r)
		}
		token := d.once.Token()
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				if w := d.send(token, "a"); w.Body.String() != "done 1" {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
		wait.Wait()
		if n := d.effects.Load(); n != 1 {
			t.Errorf("%d effects", n)
		}
	})
}

func TestWhatWasNotDoneCanBeSentAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t, OnceOptions{})
	done := d.answer
	token := d.once.Token()
	d.answer = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(422) }
	if w := d.send(token, ""); w.Code != 422 {
		t.Errorf("%d", w.Code)
	}
	d.answer = func(http.ResponseWriter, *http.Request) { panic("at work") }
	if w := d.send(token, "a"); w.Code != 500 {
		t.Errorf("%d", w.Code)
	}
	d.answer = done
	if w := d.send(token, "corrected"); w.Body.String() != "done 1" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAClientThatLeavesDoesNotUndoTheForm(t *testing.T) {
	t.Parallel()
	d := newDesk(t, OnceOptions{})
	done := d.answer
	ctx, leave := context.WithCancel(t.Context())
	d.answer = func(w http.ResponseWriter, r *http.Request) {
		leave()
		if err := r.Context().Err(); err != nil {
			t.Errorf("the handler is told to stop: %v", err)
		}
		done(w, r)
	}
	token := d.once.Token()
	r := httptest.NewRequestWithContext(ctx, "POST", "/notes", strings.NewReader(url.Values{OnceField: {token}, "text": {"a"}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("HX-Request", "true")
	d.once.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.answer(w, r) })).ServeHTTP(httptest.NewRecorder(), r)
	if w := d.send(token, "a"); w.Body.String() != "done 1" {
		t.Errorf("the second got %s", w.Body)
	}
}

func TestARedirectIsGivenAgainInTheOtherForm(t *testing.T) {
	t.Parallel()
	d := newDesk(t, OnceOptions{MostAnswer: 10})
	d.answer = func(w http.ResponseWriter, r *http.Request) { d.once.site.Redirect(w, r, "/list") }
	token := d.once.Token()
	if w := d.send(token, "a"); w.Header().Get("HX-Redirect") != "/list" {
		t.Errorf("%v", w.Header())
	}
	if w := d.send(token, "a", "HX-Request", ""); w.Code != 303 || w.Header().Get("Location") != "/list" || w.Header().Get("HX-Redirect") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	token = d.once.Token()
	d.answer = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "more than ten bytes") }
	d.send(token, "a")
	if w := d.send(token, "a"); w.Code != http.StatusConflict {
		t.Errorf("too large to keep: %d", w.Code)
	}
}

func TestABodyThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t, OnceOptions{MostForm: 100})
	if w := d.send(d.once.Token(), strings.Repeat("x", 200)); w.Code != http.StatusRequestEntityTooLarge || d.effects.Load() != 0 {
		t.Errorf("%d", w.Code)
	}
}

func TestTheMemoryOfFormsIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	m := NewMemoryOnce(3, 100, func() time.Time { return now })
	ctx := t.Context()
	begin := func(key string) []byte {
		t.Helper()
		b, err := m.Begin(ctx, key)
		must(t, err)
		return b
	}
	for _, key := range []string{"a", "b", "c"} {
		if begin(key) != nil {
			t.Fatal(key)
		}
	}
	if _, err := m.Begin(ctx, "d"); !errors.Is(err, ErrOnceFull) {
		t.Errorf("with all places in use: %v", err)
	}
	must(t, m.Finish(ctx, "a", make([]byte, 60), time.Hour))
	must(t, m.Finish(ctx, "b", make([]byte, 60), time.Hour)) // a goes, for the bytes
	must(t, m.Abandon(ctx, "c"))
	if begin("b") == nil || begin("a") != nil {
		t.Error("the older answer should have gone, the newer not")
	}
	now = now.Add(2 * time.Hour)
	if begin("b") != nil {
		t.Error("an answer is remembered for too long")
	}
	if n := m.Len(); n != 2 {
		t.Errorf("%d forms", n)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := m.Begin(cancelled, "b"); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting without a client: %v", err)
	}
}

func TestAnAnswerThatShowsAKeyIsForgottenBeforeItsForm(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	store := NewMemoryOnce(100, 1<<20, func() time.Time { return now })
	d := newDesk(t, OnceOptions{Store: store, Repeat: 2 * time.Minute})
	token := d.once.Token()
	first := d.send(token, "one")
	if again := d.send(token, "one"); again.Code != first.Code || again.Body.String() != first.Body.String() {
		t.Errorf("the second click gets %d %q", again.Code, again.Body)
	}
	now = now.Add(2*time.Minute + time.Second)
	for range 2 { // asking leaves nothing behind
		if late := d.send(token, "one"); late.Code != http.StatusConflict || strings.Contains(late.Body.String(), first.Body.String()) {
			t.Errorf("sent again late it is %d %q", late.Code, late.Body)
		}
	}
	if d.effects.Load() != 1 || store.Len() != 1 {
		t.Errorf("done %d times, %d kept", d.effects.Load(), store.Len())
	}
	now = now.Add(24 * time.Hour)
	if d.send(token, "one"); d.effects.Load() != 2 {
		t.Error("a form is remembered for ever")
	}
}
