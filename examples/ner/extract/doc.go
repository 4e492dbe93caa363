// Package extract finds people, places, organisations and positions in a text.
//
// It is a rule-based extractor for English prose: term lists (names, cities,
// companies, job titles), capital letters, and the words around a name decide.
// It has no statistical model, so it loads in a few milliseconds, keeps a few
// hundred kilobytes, and answers a sentence in microseconds. What that costs
// in accuracy is measured: see the table in examples/ner/README.md.
//
// A text walks through it like this:
//
//	text ─► tokens (words, marks, sentence starts) ─► each rule claims the tokens it is sure of, surest rule first
//	                                              ─► what is claimed becomes extractions, in the order of the text
//
// Any string may be given, in any script, normalised or not, even one that is
// not UTF-8: the answer's positions always refer to the text as it was given.
package extract
