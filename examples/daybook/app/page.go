package app

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"time"

	"github.com/tollhouse/tollhouse/examples/daybook/day"
	"github.com/tollhouse/tollhouse/examples/daybook/user"
	"github.com/tollhouse/tollhouse/examples/internal/rootpath"
)

//go:embed pages/*.html
var pageFiles embed.FS

// page is what every template gets.
type page struct {
	Root       string     // before every link: "" or the path that the gateway takes off
	Stylesheet string     // its current file name
	Icon       string     // its current file name
	Title      string     // of the window
	Here       string     // which entry of the menu is the current one
	Person     *user.User // who is signed in, or nil
	Content    any        // what the page itself shows
}

// templates holds each page with the layout around it.
var templates = func() map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"longDay":  func(d day.Date) string { return d.Time().Format("Monday, 2 January 2006") },
		"shortDay": func(d day.Date) string { return d.Time().Format("Mon 2 Jan 2006") },
		"clock":    func(t time.Time) string { return t.Format("15:04") },
		"machine":  func(t time.Time) string { return t.Format(time.RFC3339) },
	}).ParseFS(pageFiles, "pages/layout.html"))
	all := map[string]*template.Template{}
	for _, name := range []string{"sign-up", "sign-in", "today", "history", "day", "problem"} {
		all[name] = template.Must(template.Must(layout.Clone()).ParseFS(pageFiles, "pages/"+name+".html"))
	}
	return all
}()

// show renders a page whole before a byte is sent, so that a fault cannot cut
// it in the middle.
func (a *App) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Root, p.Stylesheet, p.Icon = rootpath.Of(r), stylesheetName, iconName
	if u, ok := r.Context().Value(personKey{}).(user.User); ok {
		p.Person = &u
	}
	var out bytes.Buffer
	if err := templates[name].Execute(&out, p); err != nil {
		a.log.ErrorContext(r.Context(), "a page could not be rendered", "page", name, "error", err)
		http.Error(w, "Something went wrong on our side. Try again.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // the browser may be gone; there is nobody to tell
}

// redirect sends the browser to another page of the app with GET.
func redirect(w http.ResponseWriter, r *http.Request, path string) {
	w.Header().Set("Location", rootpath.Of(r)+path)
	w.WriteHeader(http.StatusSeeOther)
}

// trouble is what the problem page shows.
type trouble struct{ What, Cure string }

func (a *App) problem(w http.ResponseWriter, r *http.Request, status int, what, cure string) {
	a.show(w, r, status, "problem", page{Title: what, Content: trouble{what, cure}})
}

func (a *App) notFound(w http.ResponseWriter, r *http.Request) {
	// Whoever is signed in keeps the menu.
	if u, _, err := a.who(r); err == nil {
		r = r.WithContext(context.WithValue(r.Context(), personKey{}, u))
	}
	a.problem(w, r, http.StatusNotFound, "There is no such page", "The address may be mistyped, or the day has no note.")
}

// readForm reads a form, or answers why it cannot.
func (a *App) readForm(w http.ResponseWriter, r *http.Request) bool {
	err := r.ParseForm()
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &large):
		a.problem(w, r, http.StatusRequestEntityTooLarge, "This is too much for one form", "A day can hold 20,000 characters. Go back, shorten the note and save again.")
	default:
		a.problem(w, r, http.StatusBadRequest, "This form could not be read", "Go back and send it again.")
	}
	return false
}
