package hx

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// next is the request of the browser that got an answer.
func next(w *httptest.ResponseRecorder) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range w.Result().Cookies() {
		if c.MaxAge >= 0 {
			r.AddCookie(c)
		}
	}
	return r
}

type memoryFlash map[string][]Message

func (m memoryFlash) PutFlash(_ context.Context, id string, messages []Message, _ time.Time) error {
	m[id] = messages
	return nil
}

func (m memoryFlash) TakeFlash(_ context.Context, id string) ([]Message, error) {
	defer delete(m, id)
	return m[id], nil
}

func TestAMessageSurvivesOneRedirect(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]FlashOptions{
		"cookie": {Keys: [][]byte{bytes.Repeat([]byte("k"), 32)}, Secure: true},
		"store":  {Store: memoryFlash{}},
	} {
		f, err := NewFlash(o)
		must(t, err)
		w := httptest.NewRecorder()
		must(t, f.Put(w, httptest.NewRequest("POST", "/", nil), Message{"good", "Saved: <é>"}))
		must(t, f.Put(w, httptest.NewRequest("POST", "/", nil), Message{"warn", "But."}))
		if n := len(w.Header().Values("Set-Cookie")); n != 1 {
			t.Errorf("%s: %d cookies", name, n)
		}
		line := w.Header().Get("Set-Cookie")
		for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=60"} {
			if !strings.Contains(line, want) {
				t.Errorf("%s: %s without %s", name, line, want)
			}
		}
		if o.Secure != (strings.HasPrefix(line, "__Host-") && strings.Contains(line, "Secure")) {
			t.Errorf("%s: %s", name, line)
		}
		shown := httptest.NewRecorder()
		got, err := f.Take(shown, next(w))
		must(t, err)
		if len(got) != 2 || got[0] != (Message{"good", "Saved: <é>"}) || got[1].Text != "But." {
			t.Errorf("%s: %v", name, got)
		}
		if got, err := f.Take(httptest.NewRecorder(), next(shown)); err != nil || len(got) != 0 {
			t.Errorf("%s: said twice: %v %v", name, got, err)
		}
	}
}

func TestAForgedOrOldMessageIsNone(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	old, fresh := bytes.Repeat([]byte("o"), 32), bytes.Repeat([]byte("f"), 32)
	open := func(keys ...[]byte) *Flash {
		f, err := NewFlash(FlashOptions{Keys: keys, Now: func() time.Time { return now }})
		must(t, err)
		return f
	}
	w := httptest.NewRecorder()
	must(t, open(old).Put(w, httptest.NewRequest("POST", "/", nil), Message{"good", "Saved."}))
	take := func(f *Flash, r *http.Request) int {
		got, err := f.Take(httptest.NewRecorder(), r)
		must(t, err)
		return len(got)
	}
	if take(open(fresh, old), next(w)) != 1 {
		t.Error("a message of the key before is lost")
	}
	if take(open(fresh), next(w)) != 0 {
		t.Error("a message of a key that is not ours is believed")
	}
	now = now.Add(2 * time.Minute)
	if take(open(old), next(w)) != 0 {
		t.Error("an old message is shown")
	}
	if err := open(old).Put(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil), Message{"", strings.Repeat("x", 4000)}); err == nil {
		t.Error("a message that no cookie holds is taken")
	}
	for _, o := range []FlashOptions{{}, {Keys: [][]byte{[]byte("short")}}} {
		if _, err := NewFlash(o); err == nil {
			t.Errorf("%v is taken", o)
		}
	}
}

func FuzzFlashCookie(f *testing.F) {
	flash, err := NewFlash(FlashOptions{Keys: [][]byte{bytes.Repeat([]byte("k"), 32)}})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", ".", "e30.e30", "a.b.c", "e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := flash.open(s); got != nil {
			t.Errorf("%q is believed: %v", s, got)
		}
	})
}

func TestAFlashHasTheNameThatItIsGiven(t *testing.T) {
	t.Parallel()
	f, err := NewFlash(FlashOptions{Keys: [][]byte{make([]byte, 32)}, Name: "shop-said", Secure: true})
	must(t, err)
	w := httptest.NewRecorder()
	must(t, f.Put(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil), Message{Text: "Saved."}))
	if c := w.Header().Get("Set-Cookie"); !strings.HasPrefix(c, "__Host-shop-said=") {
		t.Errorf("the cookie is %q", c)
	}
	if _, err := NewFlash(FlashOptions{Keys: [][]byte{make([]byte, 32)}, Name: "shop;said"}); err == nil {
		t.Error("a name that no cookie can have is taken")
	}
}
