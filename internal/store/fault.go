package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// faultKind is what an error of a driver means to a caller.
type faultKind uint8

const (
	otherFault  faultKind = iota
	existsFault           // a row with this identity is there
	orphanFault           // it refers to a row that is not there
	ruleFault             // a rule of the schema is broken
	textFault             // text that the database cannot keep
	againFault            // lost against another transaction; trying again helps
	busyFault             // others hold the database for too long
	fullFault             // the disk is full
	damageFault           // the file is damaged
	awayFault             // the server or the disk does not answer
	rightsFault           // the database's user may not do that
)

// fault says what to tell when an operation fails.
type fault struct {
	doing   string // "creating a customer", for the log
	missing string // the sentence for a row that is not there
	exists  string // the sentence for one that is there already
	orphan  string // the sentence for a reference to nothing
	rule    string // the sentence for a broken rule of the schema
	field   string // the input field that exists is about
}

// fail turns an error of the driver into what callers act on. A *toll.Error
// and nil pass through.
func (s *Store) fail(err error, f fault) error {
	var known *toll.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", f.doing, err)
	case errors.Is(err, sql.ErrNoRows):
		return tell(toll.NotFound, f.missing, "There is no such thing.", f.doing, err)
	case s.closed.Load():
		return tell(toll.Unavailable, "", "The database is closed, because the program is stopping.", f.doing, err)
	}
	switch s.engine.kind(err) {
	case existsFault:
		e := tell(toll.Conflict, f.exists, "It exists already.", f.doing, err)
		e.Field = f.field
		return e
	case orphanFault:
		return tell(toll.NotFound, f.orphan, "It refers to something that does not exist.", f.doing, err)
	case ruleFault:
		return tell(toll.Invalid, f.rule, "A value is outside of what is allowed.", f.doing, err)
	case textFault:
		return tell(toll.Invalid, "", "A text holds characters that cannot be kept; take NUL bytes and broken UTF-8 out.", f.doing, err)
	case againFault, busyFault:
		return tell(toll.Unavailable, "", "The database is busy; try again in a moment.", f.doing, err)
	case fullFault:
		return tell(toll.Unavailable, "", "The database's disk is full; its operator must make room.", f.doing, err)
	case damageFault:
		return tell(toll.Unavailable, "", "The database is damaged; its operator must restore it from a backup.", f.doing, fmt.Errorf("%s: %w", s.engine.where(), err))
	case rightsFault:
		return tell(toll.Unavailable, "", "The database's user has not the rights for this any more; grant it select, insert, update and delete on the tables of Tollhouse's schema.", f.doing, err)
	case awayFault:
		return tell(toll.Unavailable, "", "The database does not answer; try again in a moment.", f.doing, err)
	}
	return fmt.Errorf("%s: %w", f.doing, err)
}

func tell(code toll.Code, message, otherwise, doing string, cause error) *toll.Error {
	if message == "" {
		message = otherwise
	}
	return &toll.Error{Code: code, Message: message, Cause: fmt.Errorf("%s: %w", doing, cause)}
}

// storable tells whether both engines can keep the text: PostgreSQL takes
// neither NUL nor broken UTF-8, so neither does SQLite here.
func storable(text string) bool {
	return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0
}

// field is a text of the caller with the name it has there.
type field struct{ name, text string }

// refuseUnstorable answers with an Invalid error about the first text that the
// database cannot keep.
func refuseUnstorable(fields ...field) error {
	for _, f := range fields {
		if !storable(f.text) {
			return toll.FieldError(f.name, "The %s holds characters that cannot be kept; take NUL bytes and broken UTF-8 out.", strings.ReplaceAll(f.name, "_", " "))
		}
	}
	return nil
}

// mend makes text storable, for what must be counted whatever it holds.
func mend(text string) string {
	if storable(text) {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}
