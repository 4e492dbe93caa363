package app

import (
	"errors"
	"net/http"

	"github.com/tollhouse/tollhouse/examples/daybook/user"
)

// entrance is what the forms of signing up and in show: what was typed, but
// never the password, and what is wrong with it.
type entrance struct {
	Name, Email string
	Wrong       user.Refusal // by field
	Failed      string       // what is wrong with the whole
	MinPassword int
}

func (a *App) showSignUp(w http.ResponseWriter, r *http.Request) {
	a.showSignUpForm(w, r, http.StatusOK, entrance{})
}

func (a *App) showSignUpForm(w http.ResponseWriter, r *http.Request, status int, e entrance) {
	e.MinPassword = user.MinPassword
	a.show(w, r, status, "sign-up", page{Title: "Begin a daybook", Here: "sign-up", Content: e})
}

func (a *App) signUp(w http.ResponseWriter, r *http.Request) {
	if !a.readForm(w, r) {
		return
	}
	application := user.Application{Name: r.PostForm.Get("name"), Email: r.PostForm.Get("email"), Password: r.PostForm.Get("password")}
	created, err := a.users.SignUp(r.Context(), application)
	var refusal user.Refusal
	switch {
	case errors.As(err, &refusal):
		a.showSignUpForm(w, r, http.StatusUnprocessableEntity, entrance{Name: application.Name, Email: application.Email, Wrong: refusal})
		return
	case err == nil:
		err = a.enter(w, r, created.ID)
	}
	if err != nil {
		a.failed(w, r, err)
		return
	}
	redirect(w, r, "/")
}

func (a *App) showSignIn(w http.ResponseWriter, r *http.Request) {
	if _, _, err := a.who(r); err == nil {
		redirect(w, r, "/")
		return
	}
	a.showSignInForm(w, r, http.StatusOK, entrance{})
}

func (a *App) showSignInForm(w http.ResponseWriter, r *http.Request, status int, e entrance) {
	a.show(w, r, status, "sign-in", page{Title: "Sign in", Here: "sign-in", Content: e})
}

func (a *App) signIn(w http.ResponseWriter, r *http.Request) {
	if !a.readForm(w, r) {
		return
	}
	email := r.PostForm.Get("email")
	found, err := a.users.SignIn(r.Context(), email, r.PostForm.Get("password"))
	switch {
	case errors.Is(err, user.ErrWrong):
		a.showSignInForm(w, r, http.StatusUnprocessableEntity, entrance{Email: email, Failed: "The e-mail address or the password is wrong. Check both and try again."})
		return
	case err == nil:
		err = a.enter(w, r, found.ID)
	}
	if err != nil {
		a.failed(w, r, err)
		return
	}
	redirect(w, r, "/")
}

func (a *App) signOut(w http.ResponseWriter, r *http.Request) {
	leave(w, r)
	redirect(w, r, "/sign-in")
}
