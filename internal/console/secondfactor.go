package console

import (
	"net/http"
	"strings"

	"rsc.io/qr"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// issuer is what an authenticator app shows a person's key by.
const issuer = "Tollhouse"

// stepView is a form that asks for the current password before something is
// changed that decides who may come in.
type stepView struct {
	Title, Text, Action string
	Do                  piece.Button
	Password            bool // the person has one
	Name                bool // and a name of the new thing is asked for
	NameValue           string
	Errors              map[string]string
}

// ask shows such a form, with what was wrong with it.
func (c *Console) askStep(v *visit, status int, view stepView) (*answer, error) {
	in, err := c.o.Sessions.SignInsOf(v.r.Context(), v.person)
	if err != nil {
		return nil, err
	}
	view.Password = in.Password
	return &answer{status: status, title: view.Title, menu: "account", body: stepPage(v, view)}, nil
}

// askAgain shows the form again when what was typed was wrong; nil, nil for
// another error or none.
func (c *Console) askAgain(v *visit, view stepView, err error) (*answer, error) {
	if field, message, ok := v.wrongField(err, "account.wrong"); ok {
		view.Errors = map[string]string{field: message}
		return c.askStep(v, http.StatusUnprocessableEntity, view)
	}
	if message, ok := v.tooMany(err); ok {
		view.Errors = map[string]string{"current": message}
		return c.askStep(v, http.StatusTooManyRequests, view)
	}
	return nil, nil
}

// current reads the form and gives the password that stands in it.
func (v *visit) current() (toll.Secret, error) {
	err := v.parseForm()
	return toll.Secret(v.r.PostForm.Get("current")), err
}

func (v *visit) askApp() stepView {
	return stepView{Title: v.T("app.new"), Text: v.T("app.new.text"), Action: "/account/app", Do: piece.Button{Kind: "primary", Label: v.T("continue")}}
}

func (c *Console) newApp(v *visit) (*answer, error) { return c.askStep(v, http.StatusOK, v.askApp()) }

// appView is an authenticator app that is being set up.
type appView struct {
	account.NewTOTP
	Error string
}

func (c *Console) beginApp(v *visit) (*answer, error) {
	current, err := v.current()
	if err != nil {
		return nil, err
	}
	made, err := c.o.Sessions.BeginTOTP(v.r.Context(), v.person, current, issuer)
	if again, e := c.askAgain(v, v.askApp(), err); again != nil || e != nil {
		return again, e
	}
	if err != nil {
		return nil, err
	}
	return appAnswer(v, http.StatusOK, appView{NewTOTP: made}), nil
}

func appAnswer(v *visit, status int, view appView) *answer {
	return &answer{status: status, title: v.T("app.new"), menu: "account", secret: true, body: appPage(v, view)}
}

func (c *Console) confirmApp(v *visit) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	step := toll.Secret(v.r.PostForm.Get("step"))
	codes, err := c.o.Sessions.ConfirmTOTP(v.r.Context(), v.person, step, v.r.PostForm.Get("code"))
	if _, message, ok := v.wrongField(err, "app.wrong"); ok {
		made, err := c.o.Sessions.ShowTOTP(v.r.Context(), v.person, step, issuer)
		if err != nil {
			return nil, err
		}
		return appAnswer(v, http.StatusUnprocessableEntity, appView{NewTOTP: made, Error: message}), nil
	}
	if err != nil {
		return nil, err
	}
	return codesAnswer(v, v.T("app.done"), codes), nil
}

// codesAnswer is the one page that shows recovery codes.
func codesAnswer(v *visit, title string, codes []string) *answer {
	return &answer{title: title, menu: "account", secret: true, body: codesPage(v, title, codes)}
}

func (v *visit) askCodes() stepView {
	return stepView{Title: v.T("codes.new"), Text: v.T("codes.new.text"), Action: "/account/codes", Do: piece.Button{Kind: "primary", Label: v.T("codes.new.do")}}
}

func (c *Console) newCodes(v *visit) (*answer, error) {
	return c.askStep(v, http.StatusOK, v.askCodes())
}

func (c *Console) renewCodes(v *visit) (*answer, error) {
	current, err := v.current()
	if err != nil {
		return nil, err
	}
	codes, err := c.o.Sessions.RenewRecoveryCodes(v.r.Context(), v.person, current)
	if again, e := c.askAgain(v, v.askCodes(), err); again != nil || e != nil {
		return again, e
	}
	if err != nil {
		return nil, err
	}
	return codesAnswer(v, v.T("codes.title"), codes), nil
}

func (v *visit) askRemoveApp() stepView {
	return stepView{Title: v.T("app.remove"), Text: v.T("app.remove.text"), Action: "/account/app/remove", Do: piece.Button{Kind: "danger", Label: v.T("app.remove.do")}}
}

func (c *Console) confirmRemoveApp(v *visit) (*answer, error) {
	return c.askStep(v, http.StatusOK, v.askRemoveApp())
}

func (c *Console) removeApp(v *visit) (*answer, error) {
	current, err := v.current()
	if err != nil {
		return nil, err
	}
	err = c.o.Sessions.RemoveTOTP(v.r.Context(), v.person, current)
	if again, e := c.askAgain(v, v.askRemoveApp(), err); again != nil || e != nil {
		return again, e
	}
	if err != nil {
		return nil, err
	}
	return &answer{to: "/account", said: saying(v.T("done.app.removed"))}, nil
}

// qrPath draws a text as a QR code: its size in modules, and an SVG path of
// the dark ones, a rectangle for each run in a row. A text that does not fit
// has none.
func qrPath(text string) (size int, path string) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return 0, ""
	}
	var b strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			start := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > start {
				b.WriteString("M" + itoa(start+4) + " " + itoa(y+4) + "h" + itoa(x-start) + "v1h-" + itoa(x-start) + "z")
			}
		}
	}
	return code.Size + 8, b.String() // four modules of quiet around it
}
