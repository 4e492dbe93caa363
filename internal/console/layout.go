package console

import (
	"time"

	"github.com/a-h/templ"
)

// boost is htmx's configuration of every link and form of a page (HCON).
const boost = `target:"#content" swap:"innerHTML show:top showTarget:body"`

func pageTitle(title string) string { return title + " · Tollhouse" }

func current(is bool) templ.Attributes {
	if !is {
		return nil
	}
	return templ.Attributes{"aria-current": "page"}
}

// inDialog are the attributes of a link whose page opens as a dialog when htmx
// is there.
func inDialog(href string) templ.Attributes {
	return templ.Attributes{"hx-get": href, "hx-target": "#dialog", "hx-swap": "innerHTML"}
}

func (v *visit) displayName() string {
	if v.person.Name != "" {
		return v.person.Name
	}
	return v.person.Email
}

func (v *visit) roleName() string {
	return v.T("role." + string(v.person.Kind) + "." + v.person.Role)
}

// errorTitleID names the dialog when the error stands in one.
func errorTitleID(v *visit) string {
	if v.part() == "dialog" {
		return "dialog-title"
	}
	return "title"
}

// configProblem is why the newest configuration file is not in force, for
// operators; nil for others.
func (v *visit) configProblem() error {
	if v.c.o.ConfigProblem == nil || !v.person.IsOperator() {
		return nil
	}
	return v.c.o.ConfigProblem()
}

// storeAway tells whether the database is away, and of when the snapshot is that
// stands in for it.
func (v *visit) storeAway() (away bool, snapshot time.Time) {
	if v.c.o.Store == nil {
		return false, time.Time{}
	}
	s := v.c.o.Store()
	return s.Away, s.Snapshot
}

// snapshot is how the local snapshot is, for operators; nil where none is kept.
func (v *visit) snapshot() *StoreState {
	if v.c.o.Store == nil || !v.person.IsOperator() {
		return nil
	}
	if s := v.c.o.Store(); s.Kept {
		return &s
	}
	return nil
}
