package extract

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed terms/*.txt
var termFiles embed.FS

// kind is a set of things that a term may be. One term may be several: Georgia
// is a given name and a place, and the rules decide.
type kind uint32

const (
	givenName kind = 1 << iota
	surname
	nameParticle
	honorific
	office
	place
	placeHead
	organisation
	organisationSuffix
	organisationHead
	jobTitle
	jobHead
	jobModifier
	jobField
	personVerb
	organisationVerb
	placeBefore
	demonym
	ordinary

	weakGivenName    // a given name that is an ordinary word too (Will, Rose)
	weakPlace        // a place that is something else too (Nice, Reading)
	weakOrganisation // an organisation that is something else too (Apple, Shell)
	weakJobHead      // a title only after a modifier (officer, partner)
	placeTail        // makes a place of the words before it (River, Mountains)
)

// kindsOf says what the terms of a file are, and what those with a "?" are.
var kindsOf = map[string][2]kind{
	"given-names":           {givenName, weakGivenName},
	"surnames":              {surname, 0},
	"name-particles":        {nameParticle, 0},
	"honorifics":            {honorific, 0},
	"offices":               {office, 0},
	"places":                {place, weakPlace},
	"place-heads":           {placeHead, placeTail},
	"organisations":         {organisation, weakOrganisation},
	"organisation-suffixes": {organisationSuffix, 0},
	"organisation-heads":    {organisationHead, 0},
	"job-titles":            {jobTitle, 0},
	"job-heads":             {jobHead, weakJobHead},
	"job-modifiers":         {jobModifier, 0},
	"job-fields":            {jobField, 0},
	"person-verbs":          {personVerb, 0},
	"organisation-verbs":    {organisationVerb, 0},
	"places-before":         {placeBefore, 0},
	"demonyms":              {demonym, 0},
	"ordinary":              {ordinary, 0},
}

// lexicon holds all terms in one trie over folded words. It is immutable once
// built, so any number of goroutines may read it.
type lexicon struct {
	root  node
	terms int
}

type node struct {
	kinds kind
	next  map[string]*node
}

// newLexicon reads the embedded term files. It fails only when one of them is
// malformed, which the tests rule out.
func newLexicon() (*lexicon, error) {
	lex := &lexicon{root: node{next: make(map[string]*node, 8192)}}
	entries, err := termFiles.ReadDir("terms")
	if err != nil {
		return nil, fmt.Errorf("reading the term lists: %w", err)
	}
	for _, entry := range entries {
		name := strings.TrimSuffix(entry.Name(), path.Ext(entry.Name()))
		kinds, known := kindsOf[name]
		if !known {
			return nil, fmt.Errorf("the term list %s is of no known kind", entry.Name())
		}
		text, err := termFiles.ReadFile(path.Join("terms", entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading the term list %s: %w", entry.Name(), err)
		}
		if err := lex.addList(string(text), kinds); err != nil {
			return nil, fmt.Errorf("term list %s: %w", entry.Name(), err)
		}
	}
	return lex, nil
}

// addList adds the terms of one file: separated by semicolons or line ends,
// with comment lines that start with #.
func (l *lexicon) addList(text string, kinds [2]kind) error {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for term := range strings.SplitSeq(line, ";") {
			term = strings.TrimSpace(term)
			if term == "" {
				continue
			}
			k := kinds[0]
			if plain, weak := strings.CutSuffix(term, "?"); weak {
				if kinds[1] == 0 {
					return fmt.Errorf("%q has a mark that this list gives no meaning to", term)
				}
				term, k = plain, kinds[1]
			}
			l.add(term, k)
		}
	}
	return nil
}

func (l *lexicon) add(term string, k kind) {
	at := &l.root
	for _, t := range tokens(term) {
		following := at.next[t.key]
		if following == nil {
			following = &node{}
			if at.next == nil {
				at.next = make(map[string]*node, 1)
			}
			at.next[t.key] = following
		}
		at = following
	}
	at.kinds |= k
	l.terms++
}

// is says whether one word, by itself, is a term of one of the kinds.
func (l *lexicon) is(key string, kinds kind) bool {
	n := l.root.next[key]
	return n != nil && n.kinds&kinds != 0
}

// longest returns how many tokens from the first one on make the longest term
// of one of the kinds, and what that term is; 0 when there is none.
func (l *lexicon) longest(from []token, kinds kind) (int, kind) {
	at, length, found := &l.root, 0, kind(0)
	for i := range from {
		if at = at.next[from[i].key]; at == nil {
			break
		}
		if at.kinds&kinds != 0 {
			length, found = i+1, at.kinds
		}
	}
	return length, found
}
