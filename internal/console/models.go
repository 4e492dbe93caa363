package console

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// modelsView is the page of a customer's models, or of all that operators decide about.
type modelsView struct {
	Offers  []account.ModelOffer
	Uploads bool // offer the form
	Service string
	Type    toll.ModelType
	Error   string
	Rows    []modelRow
	Decided []modelRow // of operators: those that do not wait
	Away    bool       // operators: there are customers' names to look up
}

// modelRow is one model with what may be done to it.
type modelRow struct {
	toll.Model
	Customer                  string // its name, for operators
	Deletes, Approve, Rejects bool
}

// models shows a member what their customer uploaded, and an operator what waits.
func (c *Console) models(v *visit) (*answer, error) {
	if c.o.Models == nil {
		return nowhere(c, v)
	}
	if v.person.IsOperator() {
		return c.allModels(v)
	}
	return c.modelsAnswer(v, http.StatusOK, modelsView{})
}

func (c *Console) modelsAnswer(v *visit, status int, view modelsView) (*answer, error) {
	var err error
	if view.Offers, err = c.o.Models.Offers(v.r.Context(), v.person, v.customerID()); err != nil {
		return nil, err
	}
	list, err := c.o.Models.List(v.r.Context(), v.person, v.customerID())
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		view.Rows = append(view.Rows, modelRow{Model: m, Deletes: v.can(account.DeleteModel, m.CustomerID)})
	}
	open := slices.ContainsFunc(view.Offers, func(o account.ModelOffer) bool { return !o.Missing })
	view.Uploads = open && v.can(account.UploadModel, v.customerID())
	return &answer{status: status, title: v.T("models.title"), menu: "models", body: modelsPage(v, view)}, nil
}

func (c *Console) allModels(v *visit) (*answer, error) {
	var view modelsView
	names := map[string]string{}
	for _, state := range []toll.ModelState{toll.ModelUploaded, toll.ModelApproved, toll.ModelRejected} {
		list, err := c.o.Models.In(v.r.Context(), v.person, state)
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			name, known := names[m.CustomerID]
			if !known {
				owner, err := c.o.Office.Customer(v.r.Context(), v.person, m.CustomerID)
				if err != nil {
					return nil, err
				}
				name = owner.Name
				names[m.CustomerID] = name
			}
			decides := v.can(account.DecideModel, m.CustomerID)
			row := modelRow{Model: m, Customer: name, Approve: decides && state != toll.ModelApproved, Rejects: decides && state != toll.ModelRejected}
			if state == toll.ModelUploaded {
				view.Rows = append(view.Rows, row)
			} else {
				view.Decided = append(view.Decided, row)
			}
		}
	}
	slices.SortStableFunc(view.Decided, func(a, b modelRow) int { return b.DecidedAt.Compare(a.DecidedAt) })
	return &answer{title: v.T("models.all.title"), menu: "models", body: allModelsPage(v, view)}, nil
}

// uploadModel takes a form with a file. Sent twice it is the same content, so
// the second is refused and changes nothing.
func (c *Console) uploadModel(v *visit) (*answer, error) {
	if c.o.Models == nil {
		return nowhere(c, v)
	}
	offers, err := c.o.Models.Offers(v.r.Context(), v.person, v.customerID())
	if err != nil {
		return nil, err
	}
	most := int64(mostForm)
	for _, o := range offers {
		most = max(most, o.MaxSize)
	}
	var made toll.Model
	form, err := v.readFiles(most + 2*mostForm) // the file, the fields and what stands between them
	if err == nil {
		var name string
		var content io.Reader
		if name, content, err = form.only(); err == nil {
			service, kind, _ := strings.Cut(form.fields.Get("for"), " ")
			made, err = c.o.Models.Upload(v.r.Context(), v.person, account.NewModel{
				CustomerID: v.customerID(), Service: service, Type: toll.ModelType(kind), Name: name, Content: content,
			})
		}
	}
	if err == nil {
		return &answer{to: "/models", said: v.said("model.uploaded", made.Name)}, nil
	}
	v.drain()
	e := invalidField(err)
	if e == nil && toll.CodeOf(err) != toll.Conflict {
		return nil, err
	}
	view := modelsView{Error: toll.SafeMessage(err)}
	if form != nil {
		view.Service = form.fields.Get("for")
	}
	status := http.StatusUnprocessableEntity
	if e == nil {
		status = http.StatusConflict
	}
	return c.modelsAnswer(v, status, view)
}

// modelFile gives a model's content.
func (c *Console) modelFile(v *visit) (*answer, error) {
	if c.o.Models == nil {
		return nowhere(c, v)
	}
	m, err := c.o.Models.Model(v.r.Context(), v.person, v.r.PathValue("model"))
	if err != nil {
		return nil, err
	}
	err = v.giveFile(m.Name, "application/octet-stream", func(w io.Writer) error {
		return c.o.Models.Read(v.r.Context(), v.person, m.ID, w)
	})
	return nil, orDone(err)
}

// orDone says that the answer was given, where it was.
func orDone(err error) error {
	if err == nil {
		return hx.Done
	}
	return err
}

// aModel is the model of the path.
func (c *Console) aModel(v *visit) (toll.Model, error) {
	if c.o.Models == nil {
		_, err := nowhere(c, v)
		return toll.Model{}, err
	}
	return c.o.Models.Model(v.r.Context(), v.person, v.r.PathValue("model"))
}

func (c *Console) confirmDeleteModel(v *visit) (*answer, error) {
	m, err := c.aModel(v)
	if err != nil {
		return nil, err
	}
	return confirmAnswer(v, "models", "/models", v.T("model.delete.title", m.Name), v.T("model.delete.text"), piece.Button{Kind: "danger", Label: v.T("model.delete.do"), Busy: v.T("model.delete.busy")}, false, nil), nil
}

func (c *Console) deleteModel(v *visit) (*answer, error) {
	if _, err := c.aModel(v); err != nil {
		return nil, err
	}
	m, err := c.o.Models.Delete(v.r.Context(), v.person, v.r.PathValue("model"))
	if err != nil {
		return nil, err
	}
	return &answer{to: "/models", said: v.said("model.deleted", m.Name)}, nil
}

func (c *Console) confirmApproveModel(v *visit) (*answer, error) {
	m, err := c.aModel(v)
	if err != nil {
		return nil, err
	}
	return confirmAnswer(v, "models", "/models", v.T("model.approve.title", m.Name), v.T("model.approve.text", m.Service), piece.Button{Kind: "primary", Label: v.T("model.approve.do"), Busy: v.T("model.approve.busy")}, false, nil), nil
}

func (c *Console) approveModel(v *visit) (*answer, error) {
	if _, err := c.aModel(v); err != nil {
		return nil, err
	}
	m, err := c.o.Models.Approve(v.r.Context(), v.person, v.r.PathValue("model"))
	if err != nil {
		return nil, err
	}
	return &answer{to: "/models", said: v.said("model.approved", m.Name)}, nil
}

func (c *Console) confirmRejectModel(v *visit) (*answer, error) {
	m, err := c.aModel(v)
	if err != nil {
		return nil, err
	}
	return rejectAnswer(v, m, http.StatusOK, "", ""), nil
}

func rejectAnswer(v *visit, m toll.Model, status int, reason, wrong string) *answer {
	a := confirmAnswer(v, "models", "/models", v.T("model.reject.title", m.Name), v.T("model.reject.text"), piece.Button{Kind: "danger", Label: v.T("model.reject.do"), Busy: v.T("model.reject.busy")}, false, reasonField(v, reason, wrong))
	a.status = status
	return a
}

func (c *Console) rejectModel(v *visit) (*answer, error) {
	m, err := c.aModel(v)
	if err != nil {
		return nil, err
	}
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	reason := v.r.PostForm.Get("reason")
	m, err = c.o.Models.Reject(v.r.Context(), v.person, m.ID, reason)
	if e := invalidField(err); e != nil {
		if m, err = c.aModel(v); err != nil {
			return nil, err
		}
		return rejectAnswer(v, m, http.StatusUnprocessableEntity, reason, e.Message), nil
	}
	if err != nil {
		return nil, err
	}
	return &answer{to: "/models", said: v.said("model.rejected", m.Name)}, nil
}

// bytes says how large a file is.
func (v *visit) bytes(n int64) string {
	switch {
	case n < 1000:
		return v.words.N("bytes", n)
	case n < 1_000_000:
		return fmt.Sprintf("%s kB", v.words.Number((n+500)/1000))
	}
	whole := v.words.Number(n / 1_000_000)
	if tenth := n % 1_000_000 / 100_000; tenth > 0 {
		return whole + v.words.T("decimal.point") + fmt.Sprint(tenth) + " MB"
	}
	return whole + " MB"
}

// modelOptions are what a file may be for, as the form offers it.
func modelOptions(v *visit, offers []account.ModelOffer) (out []piece.Option) {
	for _, o := range offers {
		for _, t := range o.Types {
			if !o.Missing {
				out = append(out, piece.Option{Value: o.Service + " " + string(t), Label: o.Service + ": " + v.T("model.type."+string(t))})
			}
		}
	}
	return out
}
