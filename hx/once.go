package hx

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// OnceStore remembers which forms were sent and how they were answered. The
// keys are 64 hexadecimal digits. Its methods may be called by many goroutines
// at once. NewMemoryOnce is one for a single process.
type OnceStore interface {
	// Begin claims a key. nil and no error: it is the caller's, who ends with
	// Finish or Abandon. An answer: it was done before. While another holds the
	// key Begin waits for its end, or for ctx. ErrOnceFull: no place.
	Begin(ctx context.Context, key string) (answer []byte, err error)
	// Finish keeps the answer under a key that the caller holds, for at least ttl
	// if there is room.
	Finish(ctx context.Context, key string, answer []byte, ttl time.Duration) error
	// Abandon gives the key back, as if it had never been claimed.
	Abandon(ctx context.Context, key string) error
}

// ErrOnceFull is the error of a store that can remember no more forms now.
var ErrOnceFull = errors.New("hx: too many forms are being sent at this moment")

// OnceOptions say how forms are told apart and remembered.
type OnceOptions struct {
	// Store remembers. Required.
	Store OnceStore
	// Who names who is asking, by the session for example; it must not come from
	// what a client may choose. A token sent by somebody else is another token.
	// Required.
	Who func(r *http.Request) string
	// Remember is for how long: 24 hours if 0.
	Remember time.Duration
	// Repeat is for how long the answer itself is given again, for an answer that
	// nobody should hold long (one that shows a key). Who sends the form again
	// after that, and before Remember is over, gets 409. 0, or more than Remember: as long as Remember.
	Repeat time.Duration
	// MostForm is the largest form that is taken, in bytes: 1 MiB if 0.
	MostForm int64
	// MostAnswer is the largest answer that is given again, in bytes: 256 KiB if
	// 0. Who sends a form again that had a larger one gets 409.
	MostAnswer int
	// Optional lets a form without a token through, unprotected. Otherwise it
	// gets 422.
	Optional bool
}

// Once does what a form asks once, however often it is sent: twice by a double
// click, again by reload, or at the same time on two connections. All get the
// answer of the one that did it. It is safe for concurrent use.
//
//	form with Token ─► Handler ─► first of its token ─► your handler ─► answer, remembered
//	                          └─► any later one ──────────────────────► the same answer
type Once struct {
	site *Site
	o    OnceOptions
}

// OnceField is the name of the form field that holds the token.
// OnceHeader is the header that may hold it instead, quoted or not.
const (
	OnceField  = "hx-once"
	OnceHeader = "Idempotency-Key"
)

// NewOnce fails without a store or Who.
func NewOnce(site *Site, o OnceOptions) (*Once, error) {
	if site == nil || o.Store == nil || o.Who == nil {
		return nil, errors.New("hx: Once needs a site, a store, and to know who is asking")
	}
	if o.Remember <= 0 {
		o.Remember = 24 * time.Hour
	}
	if o.MostForm <= 0 {
		o.MostForm = 1 << 20
	}
	if o.MostAnswer <= 0 {
		o.MostAnswer = 256 << 10
	}
	return &Once{site: site, o: o}, nil
}

// Token makes a token for a form that is about to be rendered. Each rendering
// gets its own.
func (o *Once) Token() string { return rand.Text() }

// Field renders a hidden field with a new token, to stand inside the form.
func (o *Once) Field() Renderer {
	return RenderFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, `<input type="hidden" name="`+OnceField+`" value="`+o.Token()+`">`)
		return err
	})
}

// Handler protects a handler of forms. GET, HEAD and OPTIONS pass. An answer of
// status 400 and above, and a panic, count as not done: the form can be sent
// again, corrected, with the same token. A token that was used for a form with
// other content gets 409, so that nobody's correction is lost unseen. When the
// store fails nothing is done and the answer is 500.
func (o *Once) Handler(next http.Handler) http.Handler {
	return o.site.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
			next.ServeHTTP(w, r)
			return
		}
		if err := ParseForm(w, r, o.o.MostForm); err != nil {
			o.site.Fail(w, r, err)
			return
		}
		token := onceToken(r)
		if token == "" {
			if o.o.Optional {
				next.ServeHTTP(w, r)
				return
			}
			o.site.Fail(w, r, Errorf(http.StatusUnprocessableEntity, "This form has no valid token. Open its page again and send it once more."))
			return
		}
		if err := o.do(w, r, token, next); err != nil {
			if errors.Is(err, ErrOnceFull) {
				err = &Fault{Status: http.StatusServiceUnavailable, Message: "Too many forms are being sent at this moment. Send it again soon.", RetryAfter: time.Second, Cause: err}
			}
			o.site.Fail(w, r, err)
		}
	}))
}

// onceToken is the request's token, "" when it has none that could be ours.
func onceToken(r *http.Request) string {
	token := r.Header.Get(OnceHeader)
	if n := len(token); n >= 2 && token[0] == '"' && token[n-1] == '"' {
		token = token[1 : n-1]
	}
	if token == "" {
		token = r.PostFormValue(OnceField)
	}
	if len(token) < 16 || len(token) > 100 {
		return ""
	}
	for i := range len(token) {
		if c := token[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
			return ""
		}
	}
	return token
}

func (o *Once) do(w http.ResponseWriter, r *http.Request, token string, next http.Handler) error {
	key := onceKey(o.o.Who(r), r.Method, r.URL.Path, token)
	content := onceContent(r)
	kept, err := o.o.Store.Begin(r.Context(), key)
	if err != nil {
		return fmt.Errorf("hx: claiming a form's token: %w", err)
	}
	if kept != nil {
		return o.again(w, r, key, kept, content)
	}
	// From here on somebody may wait for this one: what was begun is ended, even
	// when its own client has left.
	held := context.WithoutCancel(r.Context())
	finished := false
	defer func() {
		if !finished {
			if err := o.o.Store.Abandon(held, key); err != nil {
				o.site.o.Logger.ErrorContext(held, "a form's token could not be given back", "error", err)
			}
		}
	}()
	before := w.Header().Clone()
	answer := &recorder{header: w.Header()}
	next.ServeHTTP(answer, r.WithContext(held))
	if answer.status == 0 {
		answer.status = http.StatusOK
	}
	if answer.status < 400 {
		finished = true
		if err := o.finish(held, key, o.keep(r, before, answer, content)); err != nil { // it is done; only its repetition is not kept off any more
			o.site.o.Logger.ErrorContext(held, "a form's answer could not be kept", "error", err)
		}
	}
	w.WriteHeader(answer.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(answer.body.Bytes())
	}
	return nil
}

// finish keeps what was done, and its answer: as one, or apart when the answer
// is to be forgotten before.
func (o *Once) finish(ctx context.Context, key string, k keptAnswer) error {
	if o.o.Repeat > 0 && o.o.Repeat < o.o.Remember && !k.Large {
		all, err := json.Marshal(k)
		if err != nil {
			return err
		}
		// The answer first: who waits for the key looks for it at once.
		if held, err := o.o.Store.Begin(ctx, answerKey(key)); err == nil && held == nil {
			err = o.o.Store.Finish(ctx, answerKey(key), all, o.o.Repeat)
			if err != nil {
				return err
			}
		}
		k.Apart, k.Header, k.Body = true, nil, nil
	}
	b, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return o.o.Store.Finish(ctx, key, b, o.o.Remember)
}

// apart reads an answer that is kept apart. Without one, Large is set: it
// cannot be given again.
func (o *Once) apart(ctx context.Context, key string, k *keptAnswer) error {
	kept, err := o.o.Store.Begin(ctx, answerKey(key))
	if err != nil {
		return fmt.Errorf("hx: reading a kept answer: %w", err)
	}
	if kept == nil { // forgotten, and claimed by asking
		k.Large = true
		if err := o.o.Store.Abandon(ctx, answerKey(key)); err != nil {
			return fmt.Errorf("hx: giving a key back: %w", err)
		}
		return nil
	}
	if err := json.Unmarshal(kept, k); err != nil {
		return fmt.Errorf("hx: reading a kept answer: %w", err)
	}
	return nil
}

func answerKey(key string) string { return onceKey(key, "answer") }

// keptAnswer is what a store keeps.
type keptAnswer struct {
	Status  int         `json:"status"`
	Header  http.Header `json:"header"`
	Body    []byte      `json:"body"`
	Large   bool        `json:"large,omitempty"` // too large to keep
	Apart   bool        `json:"apart,omitempty"` // header and body are kept under a key of their own
	Form    Form        `json:"form"`
	Target  string      `json:"target,omitempty"`
	To      string      `json:"to,omitempty"` // where a redirect leads
	Content string      `json:"content"`      // hash of what was sent
}

func (o *Once) keep(r *http.Request, before http.Header, a *recorder, content string) keptAnswer {
	q := o.site.Read(r)
	k := keptAnswer{Status: a.status, Header: http.Header{}, Body: a.body.Bytes(), Form: q.Form(), Target: q.Target.ID, Content: content}
	for name, values := range a.header {
		if !slices.Equal(values, before[name]) {
			k.Header[name] = values
		}
	}
	if k.To = a.header.Get("HX-Redirect"); k.To == "" && a.status == http.StatusSeeOther {
		k.To = a.header.Get("Location")
	}
	if len(k.Body) > o.o.MostAnswer {
		k.Body, k.Large = nil, true
	}
	return k
}

// again gives an answer for the second time.
func (o *Once) again(w http.ResponseWriter, r *http.Request, key string, kept []byte, content string) error {
	var k keptAnswer
	if err := json.Unmarshal(kept, &k); err != nil {
		return fmt.Errorf("hx: reading a kept answer: %w", err)
	}
	if k.Content != content {
		return Errorf(http.StatusConflict, "This form was sent already, with other content. Open its page again to send what you have now.")
	}
	if k.Apart {
		if err := o.apart(r.Context(), key, &k); err != nil {
			return err
		}
	}
	q := o.site.Read(r)
	sameForm := k.Form == q.Form() && k.Target == q.Target.ID
	if !sameForm && k.To != "" {
		maps.Copy(w.Header(), onlyCookies(k.Header))
		o.site.Redirect(w, r, o.site.ownOf(r, k.To))
		return nil
	}
	if k.Large || !sameForm {
		return Errorf(http.StatusConflict, "This form was sent already, and did what it asked for. Look at its page to see the result.")
	}
	maps.Copy(w.Header(), k.Header)
	w.WriteHeader(k.Status)
	_, _ = w.Write(k.Body)
	return nil
}

func onlyCookies(h http.Header) http.Header {
	if c := h["Set-Cookie"]; c != nil {
		return http.Header{"Set-Cookie": c}
	}
	return nil
}

func onceKey(parts ...string) string {
	sum := sha256.New()
	for _, p := range parts {
		sum.Write([]byte(strconv.Itoa(len(p)) + ":" + p))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// onceContent is a hash of what a form holds, its files by name and size.
func onceContent(r *http.Request) string {
	all := []string{r.URL.RawQuery}
	for _, name := range slices.Sorted(maps.Keys(r.PostForm)) {
		all = append(all, name, fmt.Sprint(len(r.PostForm[name])))
		all = append(all, r.PostForm[name]...)
	}
	if r.MultipartForm != nil {
		for _, name := range slices.Sorted(maps.Keys(r.MultipartForm.File)) {
			for _, f := range r.MultipartForm.File[name] {
				all = append(all, name, f.Filename, fmt.Sprint(f.Size))
			}
		}
	}
	return onceKey(all...)
}

// recorder holds an answer back until it is known whether it counts.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *recorder) Header() http.Header { return a.header }

func (a *recorder) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

func (a *recorder) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}
