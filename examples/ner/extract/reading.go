package extract

import (
	"slices"
	"strings"
)

// reading is one text while the rules go over it.
type reading struct {
	tokens []token
	lex    *lexicon
	kinds  []kind // per token: what its word alone may be
	owner  []Type // per token: whose it is already, "" when free
	loud   []bool // per token: stands in a sentence written in capitals only
	spans  []span // what was claimed so far, unordered
}

// span is a claim: tokens first to last-1, and what they name.
type span struct {
	first, last int
	kind        Type
}

func newReading(text string, lex *lexicon) *reading {
	toks := tokens(text)
	r := &reading{
		tokens: toks,
		lex:    lex,
		kinds:  make([]kind, len(toks)),
		owner:  make([]Type, len(toks)),
		loud:   make([]bool, len(toks)),
	}
	for i := range toks {
		if n := lex.root.next[toks[i].key]; n != nil {
			r.kinds[i] = n.kinds
		}
	}
	r.findLoudSentences()
	return r
}

// findLoudSentences marks sentences of three or more words that are in capitals
// only: in them a capital letter says nothing.
func (r *reading) findLoudSentences() {
	for first := 0; first < len(r.tokens); {
		last := first + 1
		for last < len(r.tokens) && !r.tokens[last].opens {
			last++
		}
		words, caps := 0, 0
		for i := first; i < last; i++ {
			if t := &r.tokens[i]; t.word && t.end-t.start > 1 {
				words++
				if t.caps {
					caps++
				}
			}
		}
		if words >= 3 && caps == words {
			for i := first; i < last; i++ {
				r.loud[i] = true
			}
		}
		first = last
	}
}

// claim gives the tokens first to last-1 to a rule. It refuses when one of them
// is taken.
func (r *reading) claim(first, last int, kind Type) bool {
	for i := first; i < last; i++ {
		if r.owner[i] != "" {
			return false
		}
	}
	for i := first; i < last; i++ {
		r.owner[i] = kind
	}
	r.spans = append(r.spans, span{first, last, kind})
	return true
}

// extractions turns the claims into the answer.
func (r *reading) extractions(text string) []Extraction {
	slices.SortFunc(r.spans, func(a, b span) int { return a.first - b.first })
	if len(r.spans) == 0 {
		return nil
	}
	out := make([]Extraction, len(r.spans))
	for i, s := range r.spans {
		from, to := &r.tokens[s.first], &r.tokens[s.last-1]
		// The text is copied, so that an answer does not keep a whole request alive.
		out[i] = Extraction{Start: from.start, End: to.end, Type: s.kind, Text: strings.Clone(text[from.from:to.to])}
	}
	return out
}

func (r *reading) is(i int, kinds kind) bool {
	return i >= 0 && i < len(r.tokens) && r.kinds[i]&kinds != 0
}

func (r *reading) key(i int) string {
	if i < 0 || i >= len(r.tokens) {
		return ""
	}
	return r.tokens[i].key
}

func (r *reading) free(i int) bool {
	return i >= 0 && i < len(r.tokens) && r.owner[i] == ""
}

// known says whether a dictionary look-up may start at token i: its word could
// be written like this by someone who means a name.
func (r *reading) known(i int) bool {
	t := &r.tokens[i]
	return t.word && (t.capital || t.caseless) && r.owner[i] == ""
}

// nameWord says whether token i may be part of a name that no list holds: a
// free word with a capital letter that is none of the words that have one for
// another reason.
func (r *reading) nameWord(i int) bool {
	if i < 0 || i >= len(r.tokens) {
		return false
	}
	t := &r.tokens[i]
	return t.word && r.owner[i] == "" && !r.loud[i] && t.nameShaped() && !r.is(i, ordinary|demonym)
}

// nameShaped says whether a word is written like a name: with a capital, or
// with an Arabic article before one (al-Zahra).
func (t *token) nameShaped() bool {
	if t.capital {
		return true
	}
	article, rest, ok := strings.Cut(t.text, "-")
	if !ok || article != "al" && article != "el" {
		return false
	}
	capital, _, _ := caseOf(rest)
	return capital
}

// run returns the end of the longest row of name words from token i on, at most
// limit of them.
func (r *reading) run(i, limit int) int {
	end := i
	for end < len(r.tokens) && end-i < limit && r.nameWord(end) && (end == i || !r.tokens[end].opens) {
		end++
	}
	return end
}

// runBefore returns the start of the longest row of name words that ends before
// token i, at most limit of them.
func (r *reading) runBefore(i, limit int) int {
	start := i
	for start > 0 && i-start < limit && r.nameWord(start-1) && !r.tokens[start].opens {
		start--
	}
	return start
}
