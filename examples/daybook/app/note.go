package app

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/tollhouse/tollhouse/examples/daybook/day"
)

// writing is what the page of today shows.
type writing struct {
	Note    day.Note  // its text is what stands in the form, saved or not
	Wrong   string    // why it was not saved; "" when nothing is wrong
	Other   *day.Note // what was saved elsewhere meanwhile
	MaxNote int
}

func (a *App) today() day.Date { return day.DateOf(a.now()) }

func (a *App) showToday(w http.ResponseWriter, r *http.Request) {
	note, err := a.notes.Note(r.Context(), person(r.Context()).ID, a.today())
	if err != nil {
		a.failed(w, r, err)
		return
	}
	a.showWriting(w, r, http.StatusOK, writing{Note: note})
}

func (a *App) showWriting(w http.ResponseWriter, r *http.Request, status int, content writing) {
	content.MaxNote = day.MaxNote
	content.Note.SavedAt = content.Note.SavedAt.In(a.now().Location())
	a.show(w, r, status, "today", page{Title: "Today", Here: "today", Content: content})
}

// saveNote saves the note of the day that the form was opened on. That day is
// today, or yesterday for who wrote past midnight.
func (a *App) saveNote(w http.ResponseWriter, r *http.Request) {
	if !a.readForm(w, r) {
		return
	}
	today := a.today()
	date, err := day.ParseDate(r.PostForm.Get("date"))
	if err != nil || date != today && date != day.DateOf(a.now().AddDate(0, 0, -1)) {
		a.problem(w, r, http.StatusUnprocessableEntity, "This day is over", "Only today's note can be written. Go back and copy what you wrote, then open today.")
		return
	}
	version, err := strconv.Atoi(r.PostForm.Get("version"))
	if err != nil || version < 0 {
		a.problem(w, r, http.StatusBadRequest, "This form could not be read", "Go back, copy what you wrote, and open today again.")
		return
	}
	text := r.PostForm.Get("note")
	typed := day.Note{Date: date, Text: text, Version: version}
	_, err = a.notes.Save(r.Context(), person(r.Context()).ID, date, text, version)
	var long *day.TooLongError
	switch {
	case errors.As(err, &long):
		a.showWriting(w, r, http.StatusUnprocessableEntity, writing{Note: typed, Wrong: long.Error()})
	case errors.Is(err, day.ErrChanged):
		stored, err := a.notes.Note(r.Context(), person(r.Context()).ID, date)
		if err != nil {
			a.failed(w, r, err)
			return
		}
		typed.Version = stored.Version
		a.showWriting(w, r, http.StatusConflict, writing{Note: typed, Other: &stored, Wrong: "This note was saved somewhere else after you opened it. What is stored stands below yours. Save to put yours in its place."})
	case err != nil:
		a.failed(w, r, err)
	case date == today:
		redirect(w, r, "/")
	default:
		redirect(w, r, "/history/"+string(date))
	}
}
