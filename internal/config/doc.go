// Package config reads tollhouse.yml: it decodes strictly, expands the
// environment, checks what the file says as a whole, and gives it in the nouns
// that the rest of the house speaks.
//
//	tollhouse.yml ─► source ─► tree ─► file (Go types) ─► check ─► Config: Services, Plans, Addons …
//	                 lines     places   tags: doc,         whole
//	                                    default, range     sentences
//
// The way in is Load (a file), Parse (its bytes) or ForUpstream (no file at
// all). Each answers with a Config that can be run as it is, or with an *Error
// that names every problem found, not only the first: file, line, column, what
// is wrong, and the cure.
//
// The types in file.go are the one description of the format. The decoder, the
// JSON Schema for editors (Schema) and the reference in docs/configuration.md
// all come from them, so they cannot drift apart.
package config
