package console

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
)

// flash is what a page says once after a form was done: a message of the
// catalogue and the name of the thing. It crosses the redirect in a cookie that
// the next page takes away.
type flash struct {
	Key  string `json:"k"`
	Name string `json:"n,omitempty"`
}

const flashSeconds = 30

func (c *Console) setFlash(w http.ResponseWriter, f flash) {
	b, err := json.Marshal(f)
	if err != nil {
		return
	}
	http.SetCookie(w, c.cookie(c.flashName, base64.RawURLEncoding.EncodeToString(b), flashSeconds))
}

// takeFlash reads the message and takes it away. Whatever is no message of the
// catalogue is nothing.
func (c *Console) takeFlash(v *visit) string {
	ck, err := v.r.Cookie(c.flashName)
	if err != nil {
		return ""
	}
	http.SetCookie(v.w, c.cookie(c.flashName, "", -1))
	b, err := base64.RawURLEncoding.DecodeString(ck.Value)
	if err != nil || len(b) > 1000 {
		return ""
	}
	var f flash
	if json.Unmarshal(b, &f) != nil {
		return ""
	}
	text := v.words.Or("done."+f.Key, "")
	if text == "" {
		return ""
	}
	return v.words.T("done."+f.Key, f.Name)
}
