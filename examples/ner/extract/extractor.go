package extract

import "sync"

// Extractor finds extractions. It is immutable: any number of goroutines may
// use one at the same time.
type Extractor struct {
	lex *lexicon
}

// New builds an Extractor over the embedded term lists. It takes a few
// milliseconds; build one and keep it. The error is always nil in a build whose
// tests passed: it tells of a malformed term list.
func New() (*Extractor, error) {
	lex, err := newLexicon()
	if err != nil {
		return nil, err
	}
	return &Extractor{lex: lex}, nil
}

// Default gives the one Extractor that a program shares, built at the first call.
var Default = sync.OnceValues(New)

// Extract returns what text names, in the order of the text and without
// overlaps; nil when it names nothing. It takes any string, reads it once and
// its time grows in proportion to the text's length.
func (x *Extractor) Extract(text string) []Extraction { return x.ExtractWith(text) }

// ExtractWith is Extract with lists of somebody's own, which come before
// everything that x knows.
func (x *Extractor) ExtractWith(text string, lists ...*List) []Extraction {
	r := newReading(text, x.lex)
	if len(r.tokens) == 0 {
		return nil
	}
	// Surest first: a token belongs to the first rule that claims it.
	r.listed(lists)
	r.namedOrganisations()  // Miller & Sons Ltd; University of Oxford
	r.longPlacesAndOrgs()   // New York Times; Cape Town; Goldman Sachs
	r.addressedPeople()     // Dr. King; Mrs. O'Brien
	r.fullNames()           // Jane Smith; Ludwig van Beethoven
	r.geographicNames()     // Lake Turkana; Hudson River
	r.knownPlacesAndOrgs()  // Kenya; Google
	r.positions()           // senior software engineer; Head of Marketing
	r.peopleInContext()     // "… said Okwudili", "President Lula"
	r.givenNames()          // Priya
	r.organisationsByPlea() // works at Nimbus; CEO of Quux
	r.placesInContext()     // lives in Vevey
	return r.extractions(text)
}
