package hx

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Message is what the next page says once, after a form was done.
type Message struct {
	Kind string `json:"k,omitempty"` // the application's own: "good", "warn"
	Text string `json:"t"`           // plain text; escape it when showing it
}

// FlashStore keeps messages on the server. Both methods may be called by many
// goroutines at once.
type FlashStore interface {
	// PutFlash keeps messages under an unguessable id until a time.
	PutFlash(ctx context.Context, id string, messages []Message, until time.Time) error
	// TakeFlash gives them back and forgets them. Of an id that is unknown or too
	// old it gives nothing and no error.
	TakeFlash(ctx context.Context, id string) ([]Message, error)
}

// FlashOptions say where messages live between two answers.
type FlashOptions struct {
	// Keys sign the cookie that holds the messages: the first signs, each of them
	// proves, so that keys can be changed. At least one, of 32 bytes or more, unless there is a Store.
	Keys [][]byte
	// Store, when set, keeps the messages, and the cookie holds an id only.
	Store FlashStore
	// Name is the cookie's name: "hx-flash" if "". Two sites on one host need two.
	Name string
	// Secure is for a site on HTTPS: the cookie is Secure, and its name begins
	// with __Host-, which no subdomain can forge (RFC 6265bis section 4.1.3.2).
	Secure bool
	// Lifetime is how long a message waits for its page: 1 minute if 0.
	Lifetime time.Duration
	// Now is time.Now if nil.
	Now func() time.Time
}

// Flash carries messages over one redirect. It is safe for concurrent use.
type Flash struct {
	o    FlashOptions
	name string
}

// NewFlash fails without a key of at least 32 bytes or a store, and for a name
// that no cookie can have.
func NewFlash(o FlashOptions) (*Flash, error) {
	if o.Store == nil && len(o.Keys) == 0 {
		return nil, errors.New("hx: flash messages need a key to sign them, or a store")
	}
	for _, k := range o.Keys {
		if len(k) < 32 {
			return nil, errors.New("hx: a key for flash messages has at least 32 bytes")
		}
	}
	if o.Lifetime <= 0 {
		o.Lifetime = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Name == "" {
		o.Name = "hx-flash"
	}
	f := &Flash{o: o, name: o.Name}
	if o.Secure {
		f.name = "__Host-" + o.Name
	}
	if (&http.Cookie{Name: f.name, Value: "x"}).Valid() != nil {
		return nil, fmt.Errorf("hx: %q cannot be the name of a cookie", o.Name)
	}
	return f, nil
}

// Browsers drop a cookie of more than 4096 bytes.
const longestFlash = 3800

// Put adds messages to those that wait. Call it before the answer is sent. It
// fails when the store does, or without one when all messages together are
// longer than a cookie holds (about 2,800 bytes).
func (f *Flash) Put(w http.ResponseWriter, r *http.Request, messages ...Message) error {
	all, _, err := f.waiting(w, r)
	if err != nil {
		return err
	}
	all = append(all, messages...)
	until := f.o.Now().Add(f.o.Lifetime)
	var value string
	if f.o.Store != nil {
		value = rand.Text()
		if err := f.o.Store.PutFlash(r.Context(), value, all, until); err != nil {
			return fmt.Errorf("hx: keeping a flash message: %w", err)
		}
	} else {
		b, err := json.Marshal(signedFlash{Until: until.Unix(), Messages: all})
		if err != nil {
			return fmt.Errorf("hx: writing a flash message: %w", err)
		}
		value = base64.RawURLEncoding.EncodeToString(b)
		value += "." + base64.RawURLEncoding.EncodeToString(f.sign(f.o.Keys[0], value))
		if len(value) > longestFlash {
			return fmt.Errorf("hx: flash messages of %d bytes are too long for a cookie", len(value))
		}
	}
	f.set(w, value, int(max(1, f.o.Lifetime/time.Second)))
	return nil
}

// Take gives the messages that wait and takes them away. A forged or old cookie
// is no message. It fails when the store does. The answer that shows them must
// not be kept by shared caches.
func (f *Flash) Take(w http.ResponseWriter, r *http.Request) ([]Message, error) {
	all, had, err := f.waiting(w, r)
	if err != nil {
		return nil, err
	}
	if had {
		f.set(w, "", -1)
	}
	return all, nil
}

type signedFlash struct {
	Until    int64     `json:"u"` // Unix seconds
	Messages []Message `json:"m"`
}

// waiting reads what this answer has put already, else what came with the
// request. In a store it is taken.
func (f *Flash) waiting(w http.ResponseWriter, r *http.Request) (all []Message, had bool, err error) {
	value := ""
	for _, line := range w.Header().Values("Set-Cookie") {
		if c, err := http.ParseSetCookie(line); err == nil && c.Name == f.name {
			value, had = c.Value, true
		}
	}
	if !had {
		c, err := r.Cookie(f.name)
		if err != nil {
			return nil, false, nil //nolint:nilerr // no cookie: no message
		}
		value = c.Value
	}
	if value == "" {
		return nil, true, nil
	}
	if f.o.Store != nil {
		if all, err = f.o.Store.TakeFlash(r.Context(), value); err != nil {
			return nil, true, fmt.Errorf("hx: reading a flash message: %w", err)
		}
		return all, true, nil
	}
	return f.open(value), true, nil
}

// open reads a signed value; nil when it is forged, broken or old.
func (f *Flash) open(value string) []Message {
	payload, mark, ok := strings.Cut(value, ".")
	if !ok || len(value) > longestFlash {
		return nil
	}
	got, err := base64.RawURLEncoding.DecodeString(mark)
	if err != nil {
		return nil
	}
	proved := false
	for _, key := range f.o.Keys {
		proved = hmac.Equal(got, f.sign(key, payload)) || proved
	}
	if !proved {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return nil
	}
	var s signedFlash
	if json.Unmarshal(b, &s) != nil || f.o.Now().Unix() > s.Until {
		return nil
	}
	return s.Messages
}

func (f *Flash) sign(key []byte, payload string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("hx flash\x00" + payload))
	return m.Sum(nil)
}

// set puts the cookie on the answer, instead of one that is there.
func (f *Flash) set(w http.ResponseWriter, value string, seconds int) {
	h := w.Header()
	lines := h.Values("Set-Cookie")
	h.Del("Set-Cookie")
	for _, line := range lines {
		if !strings.HasPrefix(line, f.name+"=") {
			h.Add("Set-Cookie", line)
		}
	}
	http.SetCookie(w, &http.Cookie{Name: f.name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: f.o.Secure, SameSite: http.SameSiteLaxMode})
}
