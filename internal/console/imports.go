package console

import (
	"errors"
	"io"
	"net/http"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// importView is the form of an import with what it would do, or did.
type importView struct {
	Kind    toll.ImportedKind
	Content string // what is previewed, to be sent once more
	Out     *account.Imported
	Error   string
}

// mostImport is the largest file that the page takes; the command takes more.
const mostImport = 1 << 20

func (c *Console) importForm(v *visit) (*answer, error) {
	if c.o.Imports == nil {
		return nowhere(c, v)
	}
	return importAnswer(v, http.StatusOK, importView{Kind: toll.ImportedCustomer}), nil
}

func importAnswer(v *visit, status int, view importView) *answer {
	return &answer{status: status, title: v.T("import.title"), menu: "import", secret: true, body: importPage(v, view)}
}

// importFile says what a file would do, and does it where the form says so:
// what was previewed is sent once more, for the console keeps nothing.
func (c *Console) importFile(v *visit) (*answer, error) {
	if c.o.Imports == nil {
		return nowhere(c, v)
	}
	content, kind, do, err := v.readImport()
	view := importView{Kind: kind, Content: string(content)}
	if err == nil {
		var out account.Imported
		if out, err = c.o.Imports.File(v.r.Context(), v.person, kind, content, do); err == nil {
			view.Out = &out
			if out.Done || len(out.Faults) > 0 {
				view.Content = "" // there is nothing to be done with it any more
			}
			status := http.StatusOK
			if len(out.Faults) > 0 {
				status = http.StatusUnprocessableEntity
			}
			return importAnswer(v, status, view), nil
		}
	}
	v.drain()
	status := http.StatusUnprocessableEntity
	if toll.CodeOf(err) == toll.Conflict {
		status = http.StatusConflict
	} else if invalidField(err) == nil {
		return nil, err
	}
	view.Content, view.Error = "", toll.SafeMessage(err)
	return importAnswer(v, status, view), nil
}

// readImport reads the form: a file, or the text of one that was previewed.
func (v *visit) readImport() (content []byte, kind toll.ImportedKind, do bool, err error) {
	form, err := v.readFilesWith(2*mostImport, mostImport+mostForm)
	if err != nil {
		return nil, toll.ImportedCustomer, false, err
	}
	if kind = toll.ImportedKind(form.fields.Get("kind")); kind != toll.ImportedKey {
		kind = toll.ImportedCustomer
	}
	do = form.fields.Get("do") == "yes"
	if text := form.fields.Get("content"); text != "" {
		return []byte(text), kind, do, nil
	}
	_, file, err := form.only()
	if err != nil {
		return nil, kind, false, err
	}
	content, err = io.ReadAll(io.LimitReader(file, mostImport+1))
	var known *toll.Error
	switch {
	case errors.As(err, &known):
		return nil, kind, false, err
	case err != nil:
		return nil, kind, false, badForm(err)
	case len(content) > mostImport:
		return nil, kind, false, toll.FieldError("file", "The file is larger than %d bytes. Use the command tollhouse import, which takes more.", mostImport)
	}
	return content, kind, false, nil // a file is always previewed first
}
