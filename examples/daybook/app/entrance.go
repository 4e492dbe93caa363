package app

import (
	"errors"
	"html/template"
	"net/http"

	"github.com/tollhouse/tollhouse/examples/daybook/user"
	"github.com/tollhouse/tollhouse/examples/daybook/words"
	"github.com/tollhouse/tollhouse/hx"
)

// entrance is what the forms of signing up and in show: what was typed, but
// never the password, and what is wrong with it.
type entrance struct {
	Name, Email string
	Wrong       map[string]string // by field, in words
	Failed      string            // what is wrong with the whole
	Next        string            // where to go afterwards
	MinPassword string
	Token       template.HTML // the hidden field that makes the form safe to send twice
}

func (a *App) showSignUp(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	return a.signUpForm(w, r, http.StatusOK, user.Application{}, nil)
}

// signUpForm answers with the form and what is wrong in it. Each message is a
// part of its own, for htmx asking on behalf of it while somebody types.
func (a *App) signUpForm(w http.ResponseWriter, r *http.Request, status int, typed user.Application, refusal user.Refusal) (hx.Answer, error) {
	known := seen(r).words
	token, err := hx.HTML(r.Context(), a.once.Field())
	if err != nil {
		return hx.Answer{}, err
	}
	e := entrance{Name: typed.Name, Email: typed.Email, Next: hx.Next(r, "/"), MinPassword: known.Number(user.MinPassword), Wrong: inWords(known, refusal), Token: token}
	answer, err := a.page(w, r, known.T("up.title"), "sign-up", e)
	answer.Status = status
	answer.Parts = map[string]hx.Renderer{}
	for _, field := range []string{"name", "email", "password"} {
		answer.Parts[field+"-wrong"] = hx.Text(e.Wrong[field])
	}
	if a.site.Read(r).Target.ID != "content" {
		answer.Beside = nil
	}
	return answer, err
}

// inWords says what is wrong with an application.
func inWords(w words.Words, refusal user.Refusal) map[string]string {
	wrong := map[string]string{}
	for field, problem := range refusal {
		var args []any
		switch {
		case field == "name" && problem == user.TooLong:
			args = append(args, w.Number(user.MaxName))
		case field == "password" && problem == user.TooShort:
			args = append(args, w.Number(user.MinPassword))
		case field == "password" && problem == user.TooLong:
			args = append(args, w.Number(user.MaxPassword))
		}
		wrong[field] = w.T("wrong."+field+"."+string(problem), args...)
	}
	return wrong
}

func application(r *http.Request) user.Application {
	f := r.PostForm
	return user.Application{Name: f.Get("name"), Email: f.Get("email"), Password: f.Get("password"), Language: seen(r).words.Lang()}
}

// checkSignUp says while somebody types what is wrong, by the same rules as on
// sending. Whether an address is taken is not among them: that costs a hash.
func (a *App) checkSignUp(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	if err := hx.ParseForm(w, r, maxForm); err != nil {
		return hx.Answer{}, err
	}
	typed := application(r)
	return a.signUpForm(w, r, http.StatusOK, typed, user.Examine(typed))
}

func (a *App) signUp(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	typed := application(r) // hx.Once has read the form
	created, err := a.users.SignUp(r.Context(), typed)
	var refusal user.Refusal
	switch {
	case errors.As(err, &refusal):
		return a.signUpForm(w, r, http.StatusUnprocessableEntity, typed, refusal)
	case err == nil:
		err = a.enter(w, r, created.ID)
	}
	if err == nil {
		err = a.flashes.say(w, r, seen(r).words.T("up.said", created.Name))
	}
	return hx.Redirect(hx.Next(r, "/")), err
}

func (a *App) showSignIn(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	if seen(r).person != nil {
		return hx.Redirect(hx.Next(r, "/")), nil
	}
	return a.signInForm(w, r, http.StatusOK, entrance{})
}

func (a *App) signInForm(w http.ResponseWriter, r *http.Request, status int, e entrance) (hx.Answer, error) {
	e.Next = hx.Next(r, "/")
	answer, err := a.page(w, r, seen(r).words.T("in.title"), "sign-in", e)
	answer.Status = status
	return answer, err
}

func (a *App) signIn(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	if err := hx.ParseForm(w, r, maxForm); err != nil {
		return hx.Answer{}, err
	}
	email := r.PostForm.Get("email")
	found, err := a.users.SignIn(r.Context(), email, r.PostForm.Get("password"))
	switch {
	case errors.Is(err, user.ErrWrong):
		return a.signInForm(w, r, http.StatusUnprocessableEntity, entrance{Email: email, Failed: seen(r).words.T("in.wrong")})
	case err == nil:
		err = a.enter(w, r, found.ID)
	}
	return hx.Redirect(hx.Next(r, "/")), err
}

func (a *App) signOut(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	leave(w, r)
	return hx.Redirect("/sign-in"), a.flashes.say(w, r, seen(r).words.T("out.said"))
}
