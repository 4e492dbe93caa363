package app

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/tollhouse/tollhouse/hx"
)

// troubled is an error that has words of its own: key.what and key.cure.
type troubled struct{ key string }

func (t troubled) Error() string { return t.key }

// trouble makes an error that says what happened by the words of a key.
func trouble(status int, key string) error {
	return &hx.Fault{Status: status, Cause: troubled{key}}
}

// explain makes nothing of an error that is not known: it is a 500, logged with
// its request ID, and never shown.
func explain(error) *hx.Fault { return nil }

// fault is the one place where errors get their looks and their language: a
// page, or a box above the page that is there. hx's own messages are English;
// the status says enough to find ours.
func (a *App) fault(r *http.Request, f *hx.Fault) hx.Renderer {
	v := a.view(r, nil)
	key := fmt.Sprintf("fault.%d", f.Status)
	var own troubled
	switch {
	case errors.As(f.Cause, &own):
		key = own.key
	case v.Has(key + ".what"):
	case f.Status < 500:
		key = "fault.400"
	default:
		key = "fault.500"
	}
	f.Heading, f.Message = v.T(key+".what"), v.T(key+".cure")
	v.Data = f
	name := "fault-page"
	if a.site.Read(r).Form() == hx.FragmentForm {
		name = "fault"
	}
	return hx.Template(templates, name, v)
}
