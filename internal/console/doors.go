package console

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// wishView is a page that asks for an e-mail address.
type wishView struct {
	Key   string // of its words: "signup" or "reset"
	Email string
	Error string
}

func (a wishView) action() string {
	if a.Key == "reset" {
		return "/reset"
	}
	return "/sign-up"
}

func askAnswer(v *visit, status int, view wishView) *answer {
	return &answer{status: status, title: v.T(view.Key + ".title"), bare: true, body: wishPage(v, view)}
}

func (c *Console) signUpForm(v *visit) (*answer, error) {
	if !c.o.Office.SigningUp() {
		return nil, toll.Errorf(toll.NotFound, "Nobody signs up here by themselves. Ask whoever runs this for an account.")
	}
	return askAnswer(v, http.StatusOK, wishView{Key: "signup"}), nil
}

func (c *Console) signUp(v *visit) (*answer, error) {
	if !c.o.Office.SigningUp() {
		return nil, toll.Errorf(toll.NotFound, "Nobody signs up here by themselves. Ask whoever runs this for an account.")
	}
	return c.ask(v, "signup")
}

func (c *Console) resetForm(v *visit) (*answer, error) {
	return askAnswer(v, http.StatusOK, wishView{Key: "reset"}), nil
}

func (c *Console) reset(v *visit) (*answer, error) { return c.ask(v, "reset") }

// ask puts the question into the outbox, and says the same whoever was named.
func (c *Console) ask(v *visit, key string) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	view := wishView{Key: key, Email: v.r.PostForm.Get("email")}
	do := c.o.Office.AskSignUp
	if key == "reset" {
		do = c.o.Office.AskReset
	}
	err := do(v.r.Context(), view.Email, v.words.Lang(), c.clientAddr(v.r))
	var tooMany *account.TooManyAttempts
	switch {
	case errors.As(err, &tooMany):
		v.retryAfter(tooMany)
		view.Error = v.T("signin.limited", v.words.Span(tooMany.RetryAfter))
		return askAnswer(v, http.StatusTooManyRequests, view), nil
	case invalidField(err) != nil:
		view.Error = v.T("wish.email")
		return askAnswer(v, http.StatusUnprocessableEntity, view), nil
	case err != nil:
		return nil, err
	}
	return &answer{to: "/sent"}, nil
}

// retryAfter tells programs how long to wait.
func (v *visit) retryAfter(e *account.TooManyAttempts) {
	wait := int64((e.RetryAfter + time.Second - 1) / time.Second)
	v.w.Header().Set("Retry-After", strconv.FormatInt(max(1, wait), 10))
}

func (c *Console) sent(v *visit) (*answer, error) {
	return &answer{title: v.T("sent.title"), bare: true, body: sentPage(v)}, nil
}

// linkView is what a link in a mail opens.
type linkView struct {
	Text         string // the ticket's
	Ticket       toll.Ticket
	Organisation string
	Name         string
	Errors       map[string]string
}

func (l linkView) title(v *visit) string { return v.T("link." + string(l.Ticket.Kind) + ".title") }

func (l linkView) lead(v *visit) string {
	key := "link." + string(l.Ticket.Kind) + ".lead"
	if l.Ticket.Kind == toll.TicketInvitation {
		return v.T(key, l.Ticket.InvitedBy, l.Ticket.Email)
	}
	return v.T(key, l.Ticket.Email)
}

func (l linkView) submit(v *visit) string { return v.T("link." + string(l.Ticket.Kind) + ".submit") }

// link shows what a link leads to, and uses nothing up: mail programs open links
// to look at them.
func (c *Console) link(v *visit) (*answer, error) {
	return c.linkAnswer(v, http.StatusOK, linkView{Text: v.r.URL.Query().Get("ticket")})
}

func (c *Console) linkAnswer(v *visit, status int, view linkView) (*answer, error) {
	var err error
	if view.Ticket, err = c.o.Office.OpenTicket(v.r.Context(), view.Text); err != nil {
		return nil, err
	}
	if !v.signedIn() && view.Ticket.Language != "" {
		v.words = c.choice.For(view.Ticket.Language, v.r.Header.Get("Accept-Language"))
	}
	return &answer{status: status, title: view.title(v), bare: true, secret: true, body: linkPage(v, view)}, nil
}

// useLink does what a link is for.
func (c *Console) useLink(v *visit) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	f, ctx := v.r.PostForm, v.r.Context()
	view := linkView{Text: f.Get("ticket"), Organisation: f.Get("organisation"), Name: f.Get("name"), Errors: map[string]string{}}
	ticket, err := c.o.Office.OpenTicket(ctx, view.Text)
	if err != nil {
		return nil, err
	}
	password := toll.Secret(f.Get("password"))
	in := account.NewAccount{Organisation: view.Organisation, Name: view.Name, Password: password}
	switch ticket.Kind {
	case toll.TicketSignUp:
		_, err = c.o.Office.SignUp(ctx, view.Text, in)
	case toll.TicketInvitation:
		_, err = c.o.Office.Accept(ctx, view.Text, in)
	default:
		err = c.o.Office.Reset(ctx, view.Text, password)
	}
	if e := invalidField(err); e != nil {
		view.Errors[e.Field] = v.faultOf(e.Field, e)
		return c.linkAnswer(v, http.StatusUnprocessableEntity, view)
	}
	if err != nil {
		return nil, err
	}
	if v.signedIn() { // whoever sat here before leaves
		if err := c.o.Sessions.SignOut(ctx, v.person); err != nil {
			return nil, err
		}
		http.SetCookie(v.w, c.cookie(c.cookieName, "", -1))
	}
	if ticket.Kind == toll.TicketReset {
		c.o.Sessions.Reopen(ticket.Email)
	}
	return &answer{to: "/sign-in", leave: true, said: v.said("link."+string(ticket.Kind), ticket.Email)}, nil
}

// faultOf words what is wrong with a field of a person.
func (v *visit) faultOf(field string, err *toll.Error) string {
	if v.words.Lang() == "en" {
		return err.Message
	}
	switch field {
	case "organisation", "name", "password", "email", "role":
		return v.T("fault." + field)
	}
	return err.Message
}

// checkPassword says of a password that is being typed whether it may be chosen:
// by the same code as on submit.
func (c *Console) checkPassword(v *visit) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	kind, text := "", ""
	if password := v.r.PostForm.Get("password"); password != "" {
		kind, text = "good", v.T("link.password.good")
		if e := invalidField(account.CheckPassword(toll.Secret(password), v.r.PostForm.Get("username"), v.r.PostForm.Get("name"))); e != nil {
			kind, text = "bad", v.faultOf("password", e)
		}
	}
	return &answer{
		title: v.T("link.password"), bare: true, body: passwordPage(v, kind, text),
		parts: parts{"password-live": passwordNote(kind, text)},
	}, nil
}
