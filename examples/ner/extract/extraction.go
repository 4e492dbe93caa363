package extract

// Type says what an extraction names.
type Type string

// The types. There are no others.
const (
	Person       Type = "PERSON"
	Place        Type = "PLACE"
	Organisation Type = "ORGANISATION"
	Position     Type = "POSITION"
)

// Types lists every type, in the order in which tables show them.
func Types() []Type { return []Type{Person, Place, Organisation, Position} }

// Extraction is one thing that was found.
type Extraction struct {
	Start int    // of its first character, counted in Unicode code points from 0
	End   int    // one after its last character; End > Start
	Type  Type   // what it is
	Text  string // the characters from Start to End, as they stand in the text
}
