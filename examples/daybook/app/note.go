package app

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/tollhouse/tollhouse/examples/daybook/day"
	"github.com/tollhouse/tollhouse/hx"
)

// writing is what the page of today shows.
type writing struct {
	Note  day.Note  // its text is what stands in the form, saved or not
	Owner string    // whose it is, for what the browser keeps meanwhile
	State state     // of what stands in the form
	Other *day.Note // what was saved elsewhere meanwhile
}

// state says whether a text is saved.
type state struct {
	Saved bool
	Wrong bool   // it could not be saved as it is
	Text  string // in words
	Else  string // what is true once the form was changed, where no script can ask
}

func (a *App) today() day.Date { return day.DateOf(a.now()) }

// at is when a note was saved, as a clock here shows it.
func (a *App) at(r *http.Request, n day.Note) string {
	return seen(r).words.Clock(n.SavedAt.In(a.now().Location()))
}

// stateOf compares a typed text with what is stored.
func (a *App) stateOf(r *http.Request, stored day.Note, typed string) state {
	w := seen(r).words
	var long *day.TooLongError
	switch {
	case errors.As(day.Check(typed), &long):
		return state{Wrong: true, Text: w.T("state.long", w.Number(long.Characters), w.Number(day.MaxNote))}
	case stored.Version == 0:
		return state{Text: w.T("state.never")}
	case day.Clean(typed) != stored.Text:
		return state{Text: w.T("state.changed", a.at(r, stored))}
	}
	return state{Saved: true, Text: w.T("state.saved", a.at(r, stored)), Else: w.T("state.changed", a.at(r, stored))}
}

// showToday is the page, and for htmx asking on behalf of "#state" (after a
// save, or while somebody types) that line alone: what is being typed stays as
// it is, and so do the cursor and the way back through what was typed.
func (a *App) showToday(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	stored, err := a.notes.Note(r.Context(), person(r).ID, a.today())
	if err != nil {
		return hx.Answer{}, err
	}
	return a.writing(w, r, http.StatusOK, writing{Note: stored, State: a.stateOf(r, stored, stored.Text)})
}

// writing answers with the form, or with its state and what belongs to it.
func (a *App) writing(w http.ResponseWriter, r *http.Request, status int, content writing) (hx.Answer, error) {
	content.Owner = person(r).ID
	answer, err := a.page(w, r, seen(r).words.T("today.title"), "today", content)
	if err != nil {
		return hx.Answer{}, err
	}
	answer.Status = status
	v := a.view(r, content)
	answer.Parts = map[string]hx.Renderer{"state": hx.Template(templates, "state", v)}
	if a.site.Read(r).Target.ID == "state" {
		answer.Beside = []hx.Partial{
			{Target: "#version", Content: hx.Template(templates, "version", v)},
			{Target: "#other", Content: hx.Template(templates, "other", v)},
		}
	}
	return answer, nil
}

// showState says while somebody types whether what stands in the form is saved,
// and whether it can be. It is the same check as on saving, and changes nothing.
func (a *App) showState(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	typed, err := a.typed(w, r)
	if err != nil {
		return hx.Answer{}, err
	}
	stored, err := a.notes.Note(r.Context(), person(r).ID, typed.Date)
	if err != nil {
		return hx.Answer{}, err
	}
	answer, err := a.writing(w, r, http.StatusOK, writing{Note: typed, State: a.stateOf(r, stored, typed.Text)})
	if a.site.Read(r).Target.ID == "state" {
		answer.Beside = nil // which version was read, and another's text, stay as they are
	}
	return answer, err
}

// saveNote saves the note of the day that the form was opened on. Its version
// makes it safe to send twice: see day.Notes.Save.
func (a *App) saveNote(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	typed, err := a.typed(w, r)
	if err != nil {
		return hx.Answer{}, err
	}
	words := seen(r).words
	_, err = a.notes.Save(r.Context(), person(r).ID, typed.Date, typed.Text, typed.Version)
	var long *day.TooLongError
	switch {
	case errors.As(err, &long):
		return a.writing(w, r, http.StatusUnprocessableEntity, writing{Note: typed, State: a.stateOf(r, day.Note{}, typed.Text)})
	case errors.Is(err, day.ErrChanged):
		stored, err := a.notes.Note(r.Context(), person(r).ID, typed.Date)
		if err != nil {
			return hx.Answer{}, err
		}
		typed.Version = stored.Version
		stored.SavedAt = stored.SavedAt.In(a.now().Location())
		return a.writing(w, r, http.StatusConflict, writing{Note: typed, Other: &stored, State: state{Wrong: true, Text: words.T("state.elsewhere")}})
	case err != nil:
		return hx.Answer{}, err
	case typed.Date == a.today():
		return hx.Follow("/"), nil // htmx too goes there for its state
	}
	return hx.Redirect("/history/" + string(typed.Date)), a.flashes.say(w, r, words.T("state.yesterday"))
}

// typed reads the form. Its day is today, or yesterday for who wrote past
// midnight.
func (a *App) typed(w http.ResponseWriter, r *http.Request) (day.Note, error) {
	if err := hx.ParseForm(w, r, maxForm); err != nil {
		return day.Note{}, err
	}
	date, err := day.ParseDate(r.PostForm.Get("date"))
	if err != nil || date != a.today() && date != day.DateOf(a.now().AddDate(0, 0, -1)) {
		return day.Note{}, trouble(http.StatusUnprocessableEntity, "fault.over")
	}
	version, err := strconv.Atoi(r.PostForm.Get("version"))
	if err != nil || version < 0 {
		return day.Note{}, hx.Errorf(http.StatusUnprocessableEntity, "The version is no number.")
	}
	return day.Note{Date: date, Text: r.PostForm.Get("note"), Version: version}, nil
}
