package app

import (
	"cmp"
	"net/http"
	"time"

	"github.com/tollhouse/tollhouse/examples/daybook/user"
	"github.com/tollhouse/tollhouse/examples/daybook/words"
	"github.com/tollhouse/tollhouse/hx"
)

const languageCookie = "daybook_language"

// language is the one to answer in: what the person has chosen, else what this
// browser has, else what it asks for, else English.
func language(r *http.Request, p *user.User) words.Words {
	if p != nil {
		if w, known := words.In(p.Language); known {
			return w
		}
	}
	if c, err := r.Cookie(languageCookie); err == nil {
		if w, known := words.In(c.Value); known {
			return w
		}
	}
	return words.Asked(r.Header.Get("Accept-Language"))
}

// chooseLanguage keeps a choice, in the browser and for the person.
func (a *App) chooseLanguage(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	if err := hx.ParseForm(w, r, maxForm); err != nil {
		return hx.Answer{}, err
	}
	chosen, known := words.In(r.PostForm.Get("language"))
	if !known {
		return hx.Answer{}, trouble(http.StatusUnprocessableEntity, "fault.language")
	}
	if p := seen(r).person; p != nil {
		if err := a.users.SetLanguage(r.Context(), p.ID, chosen.Lang()); err != nil {
			return hx.Answer{}, err
		}
	}
	http.SetCookie(w, &http.Cookie{
		Name: languageCookie, Value: chosen.Lang(), Path: cmp.Or(root(r), "/"), MaxAge: int(365 * 24 * time.Hour / time.Second),
		HttpOnly: true, Secure: https(r), SameSite: http.SameSiteLaxMode,
	})
	return hx.Redirect(hx.Next(r, "/")), nil
}
