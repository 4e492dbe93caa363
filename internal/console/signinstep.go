package console

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// stepLife is how long the cookie of a second step is kept; the office has the
// last word.
const stepLife = 10 * time.Minute

// stepCookie is the name of the cookie that ties the second step of a sign-in
// to the browser of the first.
func (c *Console) stepCookie() string { return c.cookieName + "-step" }

func (c *Console) holdStep(v *visit, step toll.Secret) {
	http.SetCookie(v.w, c.cookie(c.stepCookie(), step.Reveal(), int(stepLife/time.Second)))
}

func (c *Console) step(v *visit) toll.Secret {
	ck, err := v.r.Cookie(c.stepCookie())
	if err != nil {
		return ""
	}
	return toll.Secret(ck.Value)
}

func (c *Console) dropStep(v *visit) { http.SetCookie(v.w, c.cookie(c.stepCookie(), "", -1)) }

func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}

func itoa(n int) string { return strconv.Itoa(n) }

// signedInAs makes the browser a person's from now on.
func (c *Console) signedInAs(v *visit, token account.Token, p account.Person, next string) (*answer, error) {
	if v.signedIn() { // whoever sat here before leaves
		if err := c.o.Sessions.SignOut(v.r.Context(), v.person); err != nil {
			return nil, err
		}
	}
	c.keep(v, token)
	if next == "" {
		next = homeOf(p)
	}
	return &answer{to: next, leave: true}, nil
}

// needsCode leads to the second step, false for another error.
func (c *Console) needsCode(v *visit, err error, next string) (*answer, bool) {
	var needed *account.CodeNeeded
	if !errors.As(err, &needed) {
		return nil, false
	}
	c.holdStep(v, needed.Step)
	return &answer{to: withNext("/sign-in/code", next), leave: true}, true
}

// codeView is the second step's form.
type codeView struct {
	Next  string
	Error string
}

func codeAnswer(v *visit, status int, view codeView) *answer {
	return &answer{status: status, title: v.T("code.title"), bare: true, body: codePage(v, view)}
}

func (c *Console) codeForm(v *visit) (*answer, error) {
	if c.step(v) == "" {
		return &answer{to: "/sign-in", leave: true}, nil
	}
	return codeAnswer(v, http.StatusOK, codeView{Next: v.wayBack()}), nil
}

func (c *Console) code(v *visit) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	view := codeView{Next: v.wayBack()}
	code := v.r.PostForm.Get("code")
	if code == "" {
		view.Error = v.T("code.missing")
		return codeAnswer(v, http.StatusUnprocessableEntity, view), nil
	}
	token, p, err := c.o.Sessions.FinishSignIn(v.r.Context(), c.step(v), code, c.clientAddr(v.r), v.r.UserAgent())
	if message, ok := v.tooMany(err); ok {
		view.Error = message
		return codeAnswer(v, http.StatusTooManyRequests, view), nil
	}
	switch {
	case invalidField(err) != nil:
		view.Error = v.T("code.wrong")
		return codeAnswer(v, http.StatusUnprocessableEntity, view), nil
	case toll.CodeOf(err) == toll.NotFound:
		c.dropStep(v)
		return signInAnswer(v, http.StatusUnprocessableEntity, signInView{Next: view.Next, Error: v.T("code.stale")}), nil
	case err != nil:
		return nil, err
	}
	c.dropStep(v)
	return c.signedInAs(v, token, p, view.Next)
}

// askForPasskey is the page on which the browser asks whoever is there.
func (c *Console) askForPasskey(v *visit) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	next := v.wayBack()
	step, err := c.o.Sessions.BeginPasskeySignIn(v.r.Context(), v.r.PostForm.Get("email"), c.clientAddr(v.r))
	if message, ok := v.tooMany(err); ok {
		return signInAnswer(v, http.StatusTooManyRequests, signInView{Next: next, Error: message}), nil
	}
	if err != nil {
		return nil, err
	}
	c.holdStep(v, step.Step)
	v.passkeys = true
	return &answer{title: v.T("signin.title"), bare: true, body: usePasskeyPage(v, passkeyView{PasskeyStep: step, Next: next})}, nil
}

func (c *Console) signInByPasskey(v *visit) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	next := v.wayBack()
	token, p, err := c.o.Sessions.FinishPasskeySignIn(v.r.Context(), c.step(v), []byte(v.r.PostForm.Get("reply")), c.clientAddr(v.r), v.r.UserAgent())
	c.dropStep(v)
	switch toll.CodeOf(err) {
	case toll.Unauthorized, toll.NotFound:
		c.o.Logger.InfoContext(v.r.Context(), "a sign-in by passkey was refused", "request", v.id, "error", err)
		return signInAnswer(v, http.StatusUnprocessableEntity, signInView{Next: next, Error: v.T("passkey.failed")}), nil
	}
	if err != nil {
		return nil, err
	}
	return c.signedInAs(v, token, p, next)
}

// toProvider sends the browser to an OpenID provider.
func (c *Console) toProvider(v *visit) (*answer, error) {
	binding := toll.Secret(rand.Text())
	to, err := c.o.Sessions.BeginProvider(v.r.Context(), v.r.PathValue("provider"), binding, v.wayBack(), c.clientAddr(v.r))
	if message, ok := v.tooMany(err); ok {
		return signInAnswer(v, http.StatusTooManyRequests, signInView{Error: message}), nil
	}
	if err != nil {
		return nil, err
	}
	c.holdStep(v, binding)
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil, hx.Done
}

// fromProvider is where a provider sends the browser back to.
func (c *Console) fromProvider(v *visit) (*answer, error) {
	q := v.r.URL.Query()
	back := account.Returned{State: q.Get("state"), Code: q.Get("code"), Error: q.Get("error"), Issuer: q.Get("iss")}
	token, p, next, err := c.o.Sessions.FinishProvider(v.r.Context(), v.r.PathValue("provider"), c.step(v), back, c.clientAddr(v.r), v.r.UserAgent())
	if a, ok := c.needsCode(v, err, next); ok {
		return a, nil
	}
	c.dropStep(v)
	key := ""
	switch toll.CodeOf(err) {
	case toll.Unauthorized:
		key = "provider.refused"
	case toll.Forbidden:
		key = "provider.unknown"
	case toll.NotFound:
		key = "provider.stale"
	}
	if err != nil && key != "" {
		c.o.Logger.InfoContext(v.r.Context(), "a sign-in by a provider was refused", "provider", v.r.PathValue("provider"), "request", v.id, "error", err)
		return signInAnswer(v, http.StatusUnprocessableEntity, signInView{Next: next, Error: v.T(key)}), nil
	}
	if err != nil {
		return nil, err
	}
	return c.signedInAs(v, token, p, next)
}

func signInHref(next string) string { return withNext("/sign-in", next) }

func providerHref(name, next string) string {
	return withNext("/sign-in/with/"+url.PathEscape(name), next)
}

func withNext(path, next string) string {
	if next == "" {
		return path
	}
	return path + "?next=" + url.QueryEscape(next)
}
