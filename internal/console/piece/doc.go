// Package piece holds the parts that the console's pages are put together
// from. A piece knows no request, no customer and no language: it gets texts
// that are ready to be shown. Each stands in a file of its own, with a golden
// file that shows its HTML, and all of them are shown together on /dev/pieces
// in development.
//
// Every control is a link or a form first: href, action and name are always
// there, htmx attributes only add.
package piece
