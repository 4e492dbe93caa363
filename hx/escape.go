package hx

import (
	"html"
	"io"
)

// writeEscaped writes text between tags, or inside a quoted attribute.
func writeEscaped(w io.Writer, text string) error {
	_, err := io.WriteString(w, html.EscapeString(text))
	return err
}
