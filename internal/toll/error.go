package toll

import (
	"errors"
	"fmt"
	"strings"
)

// Code says what kind of failure an Error is. Surfaces map it to an HTTP
// status or an exit status in one place.
type Code string

// The codes. A surface may meet no others.
const (
	Invalid      Code = "invalid"      // the caller's input is wrong; Field says where
	NotFound     Code = "not_found"    // the thing named does not exist, or not for this caller
	Conflict     Code = "conflict"     // it exists already, or was changed by someone else meanwhile
	Unauthorized Code = "unauthorized" // nobody is signed in, or the proof is wrong
	Forbidden    Code = "forbidden"    // signed in, but not allowed
	Unavailable  Code = "unavailable"  // cannot be answered now; trying again later may help
	Internal     Code = "internal"     // our fault; the message says nothing of the inside
)

// Error is a failure with a code and a message that is safe to show to whoever
// asked. What must not be shown (paths, SQL, addresses) goes into the wrapped
// cause, which only the log sees.
type Error struct {
	Code    Code
	Message string // a whole sentence: what happened and what to do
	Field   string // the input field at fault, "" when none
	Cause   error
}

// Errorf makes an Error whose message is formatted. A %w verb sets the cause,
// and its text becomes part of the message: wrap only what is safe to show.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Cause: errors.Unwrap(err)}
}

// FieldError makes an Invalid error about one input field.
func FieldError(field, format string, args ...any) *Error {
	e := Errorf(Invalid, format, args...)
	e.Field = field
	return e
}

// Error returns the safe message, and the cause's text where there is one that
// the message does not hold already: it is meant for the log.
func (e *Error) Error() string {
	if e.Cause == nil || strings.Contains(e.Message, e.Cause.Error()) {
		return e.Message
	}
	return strings.TrimSuffix(e.Message, ".") + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// CodeOf returns the code of the first Error in err's chain, Internal when
// there is none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// SafeMessage returns the message of the first Error in err's chain, or a
// sentence that tells nothing of the inside.
func SafeMessage(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "Something went wrong on our side. Try again; if it stays, tell us the request ID."
}
