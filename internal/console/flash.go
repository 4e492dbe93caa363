package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"

	"github.com/tollhouse/tollhouse/hx"
)

// said is what a page says once after a form was done: a message of the
// catalogue, in the person's language, and the name of the thing.
func (v *visit) said(key, name string) *hx.Message {
	return &hx.Message{Kind: "good", Text: v.T("done."+key, name)}
}

// newFlash carries messages over the redirect that follows a form, signed by
// what processes of one installation share.
func newFlash(o Options) (*hx.Flash, error) {
	secret := []byte(o.Secret.Reveal())
	if len(secret) == 0 {
		secret = []byte(rand.Text())
	}
	key := hmac.New(sha256.New, secret)
	_, _ = key.Write([]byte("tollhouse: what the console says"))
	return hx.NewFlash(hx.FlashOptions{Keys: [][]byte{key.Sum(nil)}, Name: PlainCookie + "-said", Secure: o.Secure, Now: o.Clock})
}

// saying is what a page says once, in whole words.
func saying(text string) *hx.Message { return &hx.Message{Kind: "good", Text: text} }
