// Package day is the daybook's module of days: one note per user and day. It
// knows no HTTP and no other module, and it has tables of its own.
package day

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/examples/daybook/database"
)

// MaxNote is the length of the longest note, in characters (code points).
const MaxNote = 20_000

// Date is a day of the calendar, written 2006-01-02.
type Date string

// DateOf returns the day that a moment is on, in the moment's own time zone.
func DateOf(t time.Time) Date { return Date(t.Format(time.DateOnly)) }

// ParseDate reads a day; only 2006-01-02 is one.
func ParseDate(text string) (Date, error) {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return "", fmt.Errorf("%q is no day", text)
	}
	return Date(text), nil
}

// Time returns the beginning of the day in UTC.
func (d Date) Time() time.Time {
	t, _ := time.Parse(time.DateOnly, string(d)) // a Date is only made from one
	return t
}

// Note is what a user wrote on a day.
type Note struct {
	Date    Date
	Text    string // with \n between lines
	Version int    // 0: never saved; raised by each save
	SavedAt time.Time
}

// ErrChanged says that a note was saved by someone else (another tab, another
// machine) after it was read.
var ErrChanged = errors.New("the note was changed meanwhile")

// TooLongError says that a note is longer than MaxNote.
type TooLongError struct{ Characters int }

// Error says how long it is and how long it may be, for a log.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("a note of %d characters; a day can hold %d", e.Characters, MaxNote)
}

// Notes keeps the notes. It is safe for concurrent use.
type Notes struct {
	db  *database.DB
	now func() time.Time
}

//go:embed schema/1-day.sql
var first string

// Open makes the module's tables where they are missing.
func Open(ctx context.Context, db *database.DB, now func() time.Time) (*Notes, error) {
	if err := db.Migrate(ctx, "day", first); err != nil {
		return nil, err
	}
	return &Notes{db: db, now: now}, nil
}

// Clean is the text as it is stored: \n between lines, and what no text can
// hold (broken UTF-8, NUL) replaced.
func Clean(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\x00", "\uFFFD")
	return strings.ToValidUTF8(text, "\uFFFD")
}

// Check tells whether a text can be a note: a *TooLongError if not. It is what
// Save checks, for who wants to know before.
func Check(text string) error {
	if length := utf8.RuneCountInString(Clean(text)); length > MaxNote {
		return &TooLongError{Characters: length}
	}
	return nil
}

// Note returns a user's note of a day; one that was never saved has Version 0.
func (n *Notes) Note(ctx context.Context, userID string, date Date) (Note, error) {
	note := Note{Date: date}
	var saved int64
	err := n.db.QueryRow(ctx, `SELECT note, version, saved_at FROM {day.day} WHERE user_id = $1 AND date = $2`, userID, string(date)).
		Scan(&note.Text, &note.Version, &saved)
	if errors.Is(err, sql.ErrNoRows) {
		return note, nil
	}
	if err != nil {
		return Note{}, fmt.Errorf("reading a note: %w", err)
	}
	note.SavedAt = time.UnixMicro(saved)
	return note, nil
}

// Save stores a user's note of a day. version is that of the note that the new
// text was made from: when another text was saved since, it stores nothing and
// returns ErrChanged. A note that is too long is a *TooLongError.
func (n *Notes) Save(ctx context.Context, userID string, date Date, text string, version int) (Note, error) {
	if err := Check(text); err != nil {
		return Note{}, err
	}
	note := Note{Date: date, Text: Clean(text), Version: version + 1, SavedAt: n.now().Truncate(time.Microsecond)}
	// The first save makes the row; every other one changes it only if it still
	// is what the text was made from. Of two at once, one finds nothing to do.
	statement := `UPDATE {day.day} SET note = $3, version = $4, saved_at = $5 WHERE user_id = $1 AND date = $2 AND version = $4 - 1`
	if version == 0 {
		statement = `INSERT INTO {day.day} (user_id, date, note, version, saved_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id, date) DO NOTHING`
	}
	changed, err := n.db.Exec(ctx, statement, userID, string(date), note.Text, note.Version, note.SavedAt.UnixMicro())
	if err != nil {
		return Note{}, fmt.Errorf("storing a note: %w", err)
	}
	if changed == 1 {
		return note, nil
	}
	stored, err := n.Note(ctx, userID, date)
	if err != nil {
		return Note{}, err
	}
	if stored.Version > 0 && stored.Text == note.Text {
		return stored, nil // the same form, sent twice
	}
	return Note{}, ErrChanged
}

// History returns a user's notes that are not empty, latest day first: at most
// limit of them, from days before the given one ("" for all). more says whether
// there are older ones.
func (n *Notes) History(ctx context.Context, userID string, before Date, limit int) (notes []Note, more bool, err error) {
	if before == "" {
		before = "9999-99-99"
	}
	rows, err := n.db.Query(ctx, `
		SELECT date, note, version, saved_at FROM {day.day}
		 WHERE user_id = $1 AND date < $2 AND note <> '' ORDER BY date DESC LIMIT $3`, userID, string(before), limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("reading the history: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var note Note
		var saved int64
		if err := rows.Scan(&note.Date, &note.Text, &note.Version, &saved); err != nil {
			return nil, false, fmt.Errorf("reading the history: %w", err)
		}
		note.SavedAt = time.UnixMicro(saved)
		notes = append(notes, note)
	}
	if err := rows.Err(); err != nil {
		return nil, false, fmt.Errorf("reading the history: %w", err)
	}
	if len(notes) > limit {
		return notes[:limit], true, nil
	}
	return notes, false, nil
}
