package app

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	"github.com/tollhouse/tollhouse/hx"
)

// flashes carry what the next page says once ("You are signed out.") over a
// redirect: one for HTTPS, whose cookie no subdomain can forge, one for HTTP.
type flashes struct{ secure, plain *hx.Flash }

func newFlashes(key []byte, now func() time.Time) (f flashes, err error) {
	// A key of its own: a signature made for the one is worth nothing for the other.
	own, err := hkdf.Key(sha256.New, key, nil, "daybook flash", 32)
	if err != nil {
		return f, fmt.Errorf("making a key of the sessions' key: %w", err)
	}
	o := hx.FlashOptions{Keys: [][]byte{own}, Name: "daybook_flash", Now: now}
	if f.plain, err = hx.NewFlash(o); err != nil {
		return f, err
	}
	o.Secure = true
	f.secure, err = hx.NewFlash(o)
	return f, err
}

func (f flashes) of(r *http.Request) *hx.Flash {
	if https(r) {
		return f.secure
	}
	return f.plain
}

// say puts a message on the next page.
func (f flashes) say(w http.ResponseWriter, r *http.Request, text string) error {
	return f.of(r).Put(w, r, hx.Message{Kind: "good", Text: text})
}
