package console

import (
	"errors"

	"github.com/a-h/templ"

	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// confirmAnswer asks before a thing is done: on a page of its own, and as the
// part of it that htmx shows in the dialog. once is false where doing
// it twice changes nothing; fields stand above the buttons.
func confirmAnswer(v *visit, menu, back, title, text string, do piece.Button, once bool, fields templ.Component) *answer {
	ask := piece.Confirm{Title: title, Text: text, Action: v.r.URL.Path, Do: do, Cancel: v.T("cancel"), Back: back}
	if once {
		ask.Token = v.c.once.Field()
	}
	inside := ask
	inside.Dialog = true
	return &answer{
		title: title, menu: menu,
		body:  confirmPage(title, ask, fields),
		parts: parts{"dialog": confirmDialog(inside, fields)},
	}
}

// invalidField returns the error of a single input field, nil for another.
func invalidField(err error) *toll.Error {
	var e *toll.Error
	if errors.As(err, &e) && e.Code == toll.Invalid && e.Field != "" {
		return e
	}
	return nil
}
