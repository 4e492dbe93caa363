package console

import (
	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func (c *Console) customer(v *visit) (*answer, error) {
	customer, err := c.o.Office.Customer(v.r.Context(), v.person, v.customerID())
	if err != nil {
		return nil, err
	}
	path := "/customers/" + customer.ID
	o, err := c.standing(v, customer, path+"/usage")
	if err != nil {
		return nil, err
	}
	return &answer{title: customer.Name, menu: "customers", body: customerPage(v, o, path)}, nil
}

// statusChange is what an operator may do to a customer's status: the one of
// suspend and resume that changes something.
func statusChange(v *visit, customer toll.Customer) *piece.Button {
	if customer.Status == toll.CustomerClosed {
		return nil // for ever
	}
	path := "/customers/" + customer.ID
	if customer.Status == toll.CustomerSuspended {
		if !v.can(account.ResumeCustomer, customer.ID) {
			return nil
		}
		return &piece.Button{Kind: "primary", Icon: "circle-play", Label: v.T("resume.do"), Href: path + "/resume", Attrs: inDialog(path + "/resume")}
	}
	if !v.can(account.SuspendCustomer, customer.ID) {
		return nil
	}
	return &piece.Button{Icon: "circle-pause", Label: v.T("suspend.do"), Href: path + "/suspend", Attrs: inDialog(path + "/suspend")}
}

func (c *Console) confirmSuspend(v *visit) (*answer, error) {
	customer, err := c.o.Office.Customer(v.r.Context(), v.person, v.customerID())
	if err != nil {
		return nil, err
	}
	return confirmAnswer(v, "customers", "/customers/"+customer.ID, v.T("suspend.title", customer.Name), v.T("suspend.text"),
		piece.Button{Kind: "danger", Label: v.T("suspend.do"), Busy: v.T("suspend.busy")}, false, nil), nil
}

func (c *Console) suspend(v *visit) (*answer, error) {
	customer, err := c.o.Office.Suspend(v.r.Context(), v.person, v.customerID())
	if err != nil {
		return nil, err
	}
	return &answer{to: "/customers/" + customer.ID, said: v.said("customer.suspended", customer.Name)}, nil
}

func (c *Console) confirmResume(v *visit) (*answer, error) {
	customer, err := c.o.Office.Customer(v.r.Context(), v.person, v.customerID())
	if err != nil {
		return nil, err
	}
	return confirmAnswer(v, "customers", "/customers/"+customer.ID, v.T("resume.title", customer.Name), v.T("resume.text"),
		piece.Button{Kind: "primary", Label: v.T("resume.do"), Busy: v.T("resume.busy")}, false, nil), nil
}

func (c *Console) resume(v *visit) (*answer, error) {
	customer, err := c.o.Office.Resume(v.r.Context(), v.person, v.customerID())
	if err != nil {
		return nil, err
	}
	return &answer{to: "/customers/" + customer.ID, said: v.said("customer.resumed", customer.Name)}, nil
}
