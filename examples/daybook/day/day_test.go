package day_test

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/examples/daybook/database"
	"github.com/tollhouse/tollhouse/examples/daybook/database/databasetest"
	"github.com/tollhouse/tollhouse/examples/daybook/day"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

// eachNotes runs a test on the module over each database.
func eachNotes(t *testing.T, test func(t *testing.T, notes *day.Notes)) {
	t.Helper()
	t.Parallel()
	databasetest.Each(t, pgserver.Database, func(t *testing.T, db *database.DB) {
		notes, err := day.Open(t.Context(), db, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		test(t, notes)
	})
}

func TestOfManySavesOfOneVersionOneWins(t *testing.T) {
	eachNotes(t, func(t *testing.T, notes *day.Notes) {
		for version := range 5 {
			var wg sync.WaitGroup
			errs := make([]error, 8)
			for i := range errs {
				wg.Go(func() {
					_, errs[i] = notes.Save(t.Context(), "ada", "2026-11-20", "text "+strconv.Itoa(version)+" of "+strconv.Itoa(i), version)
				})
			}
			wg.Wait()
			won := -1
			for i, err := range errs {
				switch {
				case err == nil && won < 0:
					won = i
				case err == nil:
					t.Errorf("version %d: %d and %d both won", version, won, i)
				case !errors.Is(err, day.ErrChanged):
					t.Error(err)
				}
			}
			note, err := notes.Note(t.Context(), "ada", "2026-11-20")
			if err != nil {
				t.Fatal(err)
			}
			if want := "text " + strconv.Itoa(version) + " of " + strconv.Itoa(won); note.Text != want || note.Version != version+1 {
				t.Errorf("stored is %q, version %d; want %q", note.Text, note.Version, want)
			}
		}
	})
}

func TestRefusesToSaveOverANoteThatNeverWas(t *testing.T) {
	eachNotes(t, func(t *testing.T, notes *day.Notes) {
		if _, err := notes.Save(t.Context(), "ada", "2026-11-20", "x", 3); !errors.Is(err, day.ErrChanged) {
			t.Errorf("got %v", err)
		}
		if note, err := notes.Note(t.Context(), "ada", "2026-11-20"); err != nil || note.Version != 0 {
			t.Errorf("got %+v, %v", note, err)
		}
	})
}

func TestStoresTextAsItIsButForLineEnds(t *testing.T) {
	eachNotes(t, func(t *testing.T, notes *day.Notes) {
		for given, want := range map[string]string{
			"a\r\nb\nc":             "a\nb\nc",
			" kept \t":              " kept \t",
			"":                      "",
			"e\u0301 👩‍💻 שלום":      "e\u0301 👩‍💻 שלום",
			"\x00nul":               "\uFFFDnul",
			"not \xff UTF-8":        "not \uFFFD UTF-8",
			"'; DROP TABLE day; --": "'; DROP TABLE day; --",
		} {
			stored, err := notes.Note(t.Context(), "ada", "2026-11-20")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := notes.Save(t.Context(), "ada", "2026-11-20", given, stored.Version); err != nil {
				t.Fatal(err)
			}
			if stored, err = notes.Note(t.Context(), "ada", "2026-11-20"); err != nil || stored.Text != want {
				t.Errorf("%q became %q (%v)", given, stored.Text, err)
			}
		}
	})
}

func TestCountsTheLengthInCharacters(t *testing.T) {
	eachNotes(t, func(t *testing.T, notes *day.Notes) {
		if _, err := notes.Save(t.Context(), "ada", "2026-11-20", strings.Repeat("語", day.MaxNote), 0); err != nil {
			t.Errorf("the longest note: %v", err)
		}
		var long *day.TooLongError
		if _, err := notes.Save(t.Context(), "ada", "2026-11-20", strings.Repeat("語", day.MaxNote+1), 1); !errors.As(err, &long) || long.Characters != day.MaxNote+1 {
			t.Errorf("one more: %v", err)
		}
	})
}

func TestReadsOnlyDaysOfTheCalendar(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"2026-11-20": true, "2024-02-29": true, "2026-02-29": false, "2026-13-01": false, "20-11-2026": false, "2026-1-1": false, "": false, "2026-11-20 ": false, "../etc": false,
	} {
		if _, err := day.ParseDate(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
