package config

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// maxProblems bounds how many problems are kept of one file; a file with more
// is not a configuration with mistakes but something else.
const maxProblems = 100

// Problem is one thing that is wrong with a configuration file.
type Problem struct {
	File    string // the name that Load or Parse was given
	Line    int    // from 1; 0 when the file as a whole is at fault (not found, a directory)
	Column  int    // from 1, in characters; 0 when Line is 0
	Message string // where in the structure, what is wrong, and the cure; one line

	excerpt string // the source line, clipped, with secrets blotted out
	caret   string // what stands under it
}

// String gives the problem on one line, in the form that editors and terminals
// make clickable: "tollhouse.yml:12:5: services.ner: unknown field …".
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// Long gives the one-line form, the source line, and a caret under the place.
// It ends without a line break. Literal secrets of the source line are left out.
func (p Problem) Long() string {
	if p.Line == 0 || p.caret == "" {
		return p.String()
	}
	number := fmt.Sprintf("%5d", p.Line)
	source := strings.TrimRight(number+" | "+p.excerpt, " ")
	return fmt.Sprintf("%s\n%s\n%s | %s", p.String(), source, strings.Repeat(" ", len(number)), p.caret)
}

// Error is everything that is wrong with a configuration file. Its code is
// toll.Invalid, or toll.NotFound when there is no such file; read it with
// toll.CodeOf.
type Error struct {
	Problems []Problem // by position; at least one, at most 100

	code  toll.Code
	cause error
}

// Error gives each problem in its one-line form, a line each.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Long gives each problem with its source line and caret, then their number.
// It ends with a line break and is meant for a terminal.
func (e *Error) Long() string {
	var b strings.Builder
	for _, p := range e.Problems {
		b.WriteString(p.Long())
		b.WriteString("\n\n")
	}
	switch n := len(e.Problems); {
	case n == 1:
		fmt.Fprintf(&b, "1 problem in %s.\n", e.Problems[0].File)
	case n >= maxProblems:
		fmt.Fprintf(&b, "%d problems and maybe more in %s.\n", n, e.Problems[0].File)
	default:
		fmt.Fprintf(&b, "%d problems in %s.\n", n, e.Problems[0].File)
	}
	return b.String()
}

// Unwrap gives a *toll.Error whose safe message is the first problem, so that
// toll.CodeOf and toll.SafeMessage know what to say.
func (e *Error) Unwrap() error {
	message := e.Problems[0].String()
	if more := len(e.Problems) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more)", more)
	}
	return &toll.Error{Code: e.code, Message: message, Cause: e.cause}
}

// fileError is an Error about a file as a whole.
func fileError(name string, code toll.Code, cause error, format string, args ...any) *Error {
	return &Error{
		Problems: []Problem{{File: name, Message: fmt.Sprintf(format, args...)}},
		code:     code,
		cause:    cause,
	}
}

// report collects problems while a file is read.
type report struct {
	src      *source
	problems []Problem
}

// addf notes a problem at a place. Width is how many characters the caret
// should underline; it is kept within the line.
func (r *report) addf(line, column, width int, format string, args ...any) {
	if len(r.problems) >= maxProblems {
		return
	}
	line, column = r.src.clamp(line, column)
	p := Problem{File: r.src.name, Line: line, Column: column, Message: oneLine(fmt.Sprintf(format, args...))}
	p.excerpt, p.caret = r.src.excerpt(line, column, width)
	r.problems = append(r.problems, p)
}

// at notes a problem at a node.
func (r *report) at(n *node, format string, args ...any) {
	r.addf(n.line, n.column, n.width, format, args...)
}

// err gives what was collected, by position, or nil.
func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	sort.SliceStable(r.problems, func(i, j int) bool {
		a, b := r.problems[i], r.problems[j]
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
	return &Error{Problems: r.problems, code: toll.Invalid}
}

// oneLine makes text from a file safe for one line of a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if printable(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// quoted shows a text of the file in a message, shortened when it is long.
func quoted(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return `"` + s + `"`
}
