package console

import (
	"net/http"
	"strings"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// passkeyView is a page on which the browser asks for a passkey.
type passkeyView struct {
	account.PasskeyStep
	Name string // of a new one
	Next string // where to, after signing in
}

func (v *visit) askPasskey(name string) stepView {
	if name == "" {
		name = device(v, v.r.UserAgent())
	}
	return stepView{Title: v.T("passkey.new"), Text: v.T("passkey.new.text"), Action: "/account/new-passkey", Do: piece.Button{Kind: "primary", Label: v.T("continue")}, Name: true, NameValue: name}
}

func (c *Console) newPasskey(v *visit) (*answer, error) {
	return c.askStep(v, http.StatusOK, v.askPasskey(""))
}

// beginPasskey asks the browser for a new passkey.
func (c *Console) beginPasskey(v *visit) (*answer, error) {
	current, err := v.current()
	if err != nil {
		return nil, err
	}
	name := strings.TrimSpace(v.r.PostForm.Get("name"))
	if name == "" {
		view := v.askPasskey("")
		view.NameValue, view.Errors = "", map[string]string{"name": v.T("passkey.name.missing")}
		return c.askStep(v, http.StatusUnprocessableEntity, view)
	}
	step, err := c.o.Sessions.BeginPasskey(v.r.Context(), v.person, current)
	if again, e := c.askAgain(v, v.askPasskey(name), err); again != nil || e != nil {
		return again, e
	}
	if err != nil {
		return nil, err
	}
	v.passkeys = true
	return &answer{title: v.T("passkey.new"), menu: "account", secret: true, body: makePasskeyPage(v, passkeyView{PasskeyStep: step, Name: name})}, nil
}

func (c *Console) finishPasskey(v *visit) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	f := v.r.PostForm
	k, err := c.o.Sessions.FinishPasskey(v.r.Context(), v.person, toll.Secret(f.Get("step")), f.Get("name"), []byte(f.Get("reply")))
	switch code := toll.CodeOf(err); {
	case err == nil:
		return &answer{to: "/account", leave: true, said: saying(v.T("done.passkey.made", k.Name))}, nil
	case code != toll.Unauthorized && code != toll.NotFound && code != toll.Conflict && invalidField(err) == nil:
		return nil, err
	}
	c.o.Logger.InfoContext(v.r.Context(), "a passkey was not registered", "person", v.person.ID, "request", v.id, "error", err)
	view := v.askPasskey(f.Get("name"))
	view.Errors = map[string]string{"name": v.T("passkey.new.failed")}
	return c.askStep(v, http.StatusUnprocessableEntity, view)
}

// passkeyNameView is the form of a passkey's name.
type passkeyNameView struct {
	toll.Passkey
	Error string
}

func (c *Console) passkey(v *visit) (*answer, error) {
	k, err := c.o.Sessions.Passkey(v.r.Context(), v.person, v.r.PathValue("passkey"))
	if err != nil {
		return nil, err
	}
	return passkeyNameAnswer(v, http.StatusOK, passkeyNameView{Passkey: k}), nil
}

func passkeyNameAnswer(v *visit, status int, view passkeyNameView) *answer {
	return &answer{status: status, title: v.T("passkey.rename"), menu: "account", body: passkeyNamePage(v, view)}
}

func (c *Console) renamePasskey(v *visit) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	k, err := c.o.Sessions.Passkey(v.r.Context(), v.person, v.r.PathValue("passkey"))
	if err != nil {
		return nil, err
	}
	k.Name = v.r.PostForm.Get("name")
	err = c.o.Sessions.RenamePasskey(v.r.Context(), v.person, k.ID, k.Name)
	if invalidField(err) != nil {
		return passkeyNameAnswer(v, http.StatusUnprocessableEntity, passkeyNameView{Passkey: k, Error: v.T("passkey.name.missing")}), nil
	}
	if err != nil {
		return nil, err
	}
	return &answer{to: "/account", said: saying(v.T("done.passkey.renamed"))}, nil
}

func (v *visit) askRemovePasskey(k toll.Passkey) stepView {
	return stepView{Title: v.T("passkey.remove", k.Name), Text: v.T("passkey.remove.text"), Action: "/account/passkeys/" + k.ID + "/remove", Do: piece.Button{Kind: "danger", Label: v.T("passkey.remove.do")}}
}

func (c *Console) confirmRemovePasskey(v *visit) (*answer, error) {
	k, err := c.o.Sessions.Passkey(v.r.Context(), v.person, v.r.PathValue("passkey"))
	if err != nil {
		return nil, err
	}
	return c.askStep(v, http.StatusOK, v.askRemovePasskey(k))
}

func (c *Console) removePasskey(v *visit) (*answer, error) {
	current, err := v.current()
	if err != nil {
		return nil, err
	}
	k, err := c.o.Sessions.Passkey(v.r.Context(), v.person, v.r.PathValue("passkey"))
	if err != nil {
		return nil, err
	}
	err = c.o.Sessions.RemovePasskey(v.r.Context(), v.person, k.ID, current)
	if again, e := c.askAgain(v, v.askRemovePasskey(k), err); again != nil || e != nil {
		return again, e
	}
	if err != nil {
		return nil, err
	}
	return &answer{to: "/account", said: saying(v.T("done.passkey.removed", k.Name))}, nil
}
