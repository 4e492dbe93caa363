package console

import (
	"net/http"
	"strings"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// signInView is what the sign-in page shows. A password is never shown again.
type signInView struct {
	Email string
	Next  string
	Error string
	Again bool // somebody wanted a page and was led here
}

func (c *Console) signInForm(v *visit) (*answer, error) {
	next := v.wayBack()
	if v.signedIn() {
		if next == "" {
			next = homeOf(v.person)
		}
		return &answer{to: next}, nil
	}
	return signInAnswer(v, http.StatusOK, signInView{Next: next, Again: next != ""}), nil
}

// wayBack is the page that somebody was led away from to sign in, "" for none.
func (v *visit) wayBack() string {
	switch path, _, _ := strings.Cut(hx.Next(v.r, ""), "?"); path {
	case "", "/", "/sign-in", "/sign-out":
		return ""
	default:
		if strings.HasPrefix(path, "/sign-in/") {
			return ""
		}
	}
	return hx.Next(v.r, "")
}

func signInAnswer(v *visit, status int, view signInView) *answer {
	return &answer{status: status, title: v.T("signin.title"), bare: true, body: signInPage(v, view)}
}

func (c *Console) signIn(v *visit) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	view := signInView{Email: v.r.PostForm.Get("email"), Next: v.wayBack()}
	password := toll.Secret(v.r.PostForm.Get("password"))
	if view.Email == "" || password == "" {
		view.Error = v.T("signin.missing")
		return signInAnswer(v, http.StatusUnprocessableEntity, view), nil
	}
	token, p, err := c.o.Sessions.SignIn(v.r.Context(), view.Email, password, c.clientAddr(v.r), v.r.UserAgent())
	if a, ok := c.needsCode(v, err, view.Next); ok {
		return a, nil
	}
	if view.Error, _ = v.tooMany(err); view.Error != "" {
		return signInAnswer(v, http.StatusTooManyRequests, view), nil
	}
	switch {
	case toll.CodeOf(err) == toll.Unauthorized:
		view.Error = v.T("signin.wrong")
		return signInAnswer(v, http.StatusUnprocessableEntity, view), nil
	case err != nil:
		return nil, err
	}
	return c.signedInAs(v, token, p, view.Next)
}

func (c *Console) signOut(v *visit) (*answer, error) {
	if err := c.o.Sessions.SignOut(v.r.Context(), v.person); err != nil {
		return nil, err
	}
	http.SetCookie(v.w, c.cookie(c.cookieName, "", -1))
	return &answer{to: "/sign-in", leave: true}, nil
}
