package app

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/examples/daybook/day"
	"github.com/tollhouse/tollhouse/hx"
)

// perPage is how many days a page of the history shows.
const perPage = 30

// past is what the pages of the history show.
type past struct {
	Days  []glimpse
	Older day.Date // where the next page begins, "" when this is the last
	Later bool     // whether this is not the first page
}

// glimpse is a day in the list: its date and how its note begins.
type glimpse struct {
	Date      day.Date
	Beginning string
}

func (a *App) showHistory(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	var before day.Date
	if text := r.URL.Query().Get("before"); text != "" {
		date, err := day.ParseDate(text)
		if err != nil {
			return hx.Answer{}, hx.Errorf(http.StatusNotFound, "There is no such day.")
		}
		before = date
	}
	notes, more, err := a.notes.History(r.Context(), person(r).ID, before, perPage)
	if err != nil {
		return hx.Answer{}, err
	}
	content := past{Later: before != ""}
	for _, note := range notes {
		content.Days = append(content.Days, glimpse{note.Date, beginning(note.Text)})
	}
	if more {
		content.Older = notes[len(notes)-1].Date
	}
	return a.page(w, r, seen(r).words.T("history.title"), "history", content)
}

// beginning is the first line that says something, shortened.
func beginning(text string) string {
	const most = 120
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if utf8.RuneCountInString(line) <= most {
		return line
	}
	return strings.TrimSpace(string([]rune(line)[:most])) + "…"
}

func (a *App) showDay(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	date, err := day.ParseDate(r.PathValue("date"))
	if err != nil {
		return hx.Answer{}, hx.Errorf(http.StatusNotFound, "There is no such day.")
	}
	note, err := a.notes.Note(r.Context(), person(r).ID, date)
	if err != nil {
		return hx.Answer{}, err
	}
	if note.Version == 0 {
		return hx.Answer{}, hx.Errorf(http.StatusNotFound, "That day has no note.")
	}
	note.SavedAt = note.SavedAt.In(a.now().Location())
	return a.page(w, r, seen(r).words.LongDay(note.Date.Time()), "day", note)
}
