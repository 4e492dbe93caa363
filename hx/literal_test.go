package hx_test

import "io"

// literal is markup that a test writes out.
type literal string

func (l literal) ExecuteTemplate(w io.Writer, _ string, _ any) error {
	_, err := io.WriteString(w, string(l))
	return err
}
