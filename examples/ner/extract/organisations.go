package extract

// namedOrganisations claims what says by its own name that it is an
// organisation: a legal form at the end, or an institution's word.
func (r *reading) namedOrganisations() {
	for i := range r.tokens {
		if r.owner[i] == "" && !r.loud[i] {
			r.companyEndingAt(i)
		}
	}
	for i := range r.tokens {
		if r.known(i) && !r.loud[i] {
			r.institutionAt(i)
		}
	}
}

// companyEndingAt claims "Miller & Sons Ltd" when token i starts its legal form.
func (r *reading) companyEndingAt(i int) {
	t := &r.tokens[i]
	if t.word && !t.capital && t.key != "plc" && t.key != "e.v." {
		return
	}
	length, _ := r.lex.longest(r.tokens[i:], organisationSuffix)
	if length == 0 {
		return
	}
	last := i + length
	// A second form follows the first: Holdings Ltd, Robotics Inc.
	for last < len(r.tokens) && r.tokens[last].capital && r.owner[last] == "" {
		more, _ := r.lex.longest(r.tokens[last:], organisationSuffix)
		if more == 0 {
			break
		}
		last += more
	}
	before := i
	if r.key(i-1) == "," && legalForm[t.key] {
		before = i - 1
	}
	first := r.companyStart(before)
	if first == before {
		return
	}
	if r.key(last) == "." && r.tokens[last].glued && pointed[r.key(last-1)] && last+1 < len(r.tokens) {
		last++
	}
	r.claim(first, last, Organisation)
}

// legalForm holds the forms that may follow a comma: Acme, Inc.
var legalForm = map[string]bool{"inc": true, "llc": true, "ltd": true, "llp": true, "corp": true, "co": true, "gmbh": true, "plc": true, "incorporated": true, "limited": true}

// pointed holds the forms whose point belongs to the name.
var pointed = map[string]bool{"inc": true, "corp": true, "co": true, "ltd": true, "bros": true}

// companyStart walks left from token i over the words of a company's name,
// with "&", "+", "and" and "of" between capitalised words.
func (r *reading) companyStart(i int) int {
	first := i
	for first > 0 && i-first < 7 && !r.tokens[first].opens {
		j := first - 1
		switch {
		case r.companyWord(j):
			first = j
		case (r.key(j) == "&" || r.key(j) == "+" || r.key(j) == "and" || r.key(j) == "of") && r.companyWord(j-1) && first < i+1 && r.free(j):
			first = j - 1
		default:
			return first
		}
	}
	return first
}

// companyWord is a name word, or one that a company may be named after though
// it is an ordinary word or a people's name: British, First, New.
func (r *reading) companyWord(i int) bool {
	if r.nameWord(i) {
		return true
	}
	if i < 0 || i >= len(r.tokens) || r.loud[i] || r.owner[i] != "" || !r.tokens[i].capital {
		return false
	}
	return r.is(i, demonym) || !r.tokens[i].opens && adjective[r.key(i)]
}

var adjective = map[string]bool{"new": true, "old": true, "great": true, "first": true, "north": true, "south": true, "east": true, "west": true, "open": true}

// institutionAt claims "Kenyatta National Hospital", "University of Oxford",
// "Ministry of Health" when the row of capitalised words from token i on holds
// an institution's word.
func (r *reading) institutionAt(i int) {
	if i > 0 && r.companyWord(i-1) && !r.tokens[i].opens || !r.companyWord(i) {
		return
	}
	end := i
	for end < len(r.tokens) && end-i < 7 && r.companyWord(end) && (end == i || !r.tokens[end].opens) {
		end++
	}
	// The last institution's word of the row decides where the name ends.
	for last := end; last > i; last-- {
		head := r.headEndingAt(i, last)
		if head == 0 {
			continue
		}
		if of := r.ofName(last); of > last {
			r.claim(i, of, Organisation)
			return
		}
		if last-i > head {
			r.claim(i, last, Organisation)
			return
		}
	}
}

// headEndingAt returns how many tokens before last make an institution's word.
func (r *reading) headEndingAt(first, last int) int {
	for start := max(first, last-3); start < last; start++ {
		if length, _ := r.lex.longest(r.tokens[start:last], organisationHead); length == last-start {
			return length
		}
	}
	return 0
}

// ofName returns the end of "of Cape Town" or "for Health and Education" that
// follows an institution's word at token i, or i.
func (r *reading) ofName(i int) int {
	if r.key(i) != "of" && r.key(i) != "for" {
		return i
	}
	at := i + 1
	if r.key(at) == "the" {
		at++
	}
	end := at
	for end < len(r.tokens) && end-at < 4 && r.companyWord(end) {
		end++
	}
	if end == at {
		return i
	}
	if r.key(end) == "and" && r.companyWord(end+1) && !r.is(end+1, givenName) && r.key(i-1) != "university" {
		end += 2
	}
	return end
}

// longPlacesAndOrgs claims known names of two or more words, the longest first.
func (r *reading) longPlacesAndOrgs() {
	for i := 0; i < len(r.tokens); i++ {
		if r.known(i) {
			if length, kinds := r.lex.longest(r.tokens[i:], place|organisation); length > 1 && r.allShaped(i, i+length) {
				r.claimKnown(i, length, kinds)
				i += length - 1
			}
		}
	}
}

// allShaped says that no word of a known name is written small that should not
// be: "bank of america" is a bank, "red cross" may be any.
func (r *reading) allShaped(first, last int) bool {
	t := &r.tokens[last-1]
	return !t.word || t.nameShaped() || t.caseless || t.key == "d.c."
}

func (r *reading) claimKnown(i, length int, kinds kind) {
	if kinds&organisation != 0 {
		r.claim(i, i+length, Organisation)
		return
	}
	r.claim(i, i+length, Place)
}

// knownPlacesAndOrgs claims known names of one word. Where a name may be
// something else too, the words beside it decide.
func (r *reading) knownPlacesAndOrgs() {
	for i := range r.tokens {
		if !r.known(i) || r.is(i, ordinary) && r.tokens[i].opens {
			continue
		}
		k := r.kinds[i]
		switch {
		case k&place != 0:
			r.claim(i, i+1, Place)
		case k&organisation != 0 && (len(r.tokens[i].text) > 2 || r.tokens[i].caps) && !(r.tokens[i].key == "who" && !r.tokens[i].caps):
			r.claim(i, i+1, Organisation)
		case k&weakPlace != 0 && r.placeBeside(i):
			r.claim(i, i+1, Place)
		case k&weakOrganisation != 0 && r.organisationBeside(i):
			r.claim(i, i+1, Organisation)
		}
	}
}

// organisationBeside says whether a word that is an organisation among other
// things (Apple, Shell) is one here.
func (r *reading) organisationBeside(i int) bool {
	if r.loud[i] {
		return false
	}
	if r.tokens[i].opens {
		return r.is(i+1, organisationVerb) || r.key(i+1) == "," && r.nameWord(i+2)
	}
	return !r.is(i, weakGivenName) || r.is(i-1, organisationVerb) || r.key(i-1) == "at" || r.key(i-1) == "for"
}

// organisationsByPlea claims unknown names that stand where an organisation
// stands: "works at Nimbus", "joined Quux", "CEO of Umbrella".
func (r *reading) organisationsByPlea() {
	for i := 1; i < len(r.tokens); i++ {
		if !r.nameWord(i) || r.tokens[i].opens || r.nameWord(i-1) {
			continue
		}
		before := i - 1
		if r.key(before) == "the" {
			before--
		}
		end := r.run(i, 3)
		if r.key(end) == "&" && r.nameWord(end+1) || r.key(end) == "+" && r.nameWord(end+1) {
			r.claim(i, r.run(end+1, 2), Organisation)
			continue
		}
		switch r.key(before) {
		case "at", "joined", "joining", "joins", "acquired", "für", "bei":
			r.claim(i, end, Organisation)
		case "for":
			if r.worksBefore(before) || before+1 < i {
				r.claim(i, end, Organisation)
			}
		case "of", "from", "left":
			if r.owner[max(before-1, 0)] == Position || before+1 < i && r.tokens[i].caps {
				r.claim(i, end, Organisation)
			}
		default:
			if before+1 < i && r.tokens[i].caps && end == i+1 && r.tokens[i].end-r.tokens[i].start <= 6 {
				r.claim(i, end, Organisation)
			}
		}
	}
}

// worksBefore says whether the words before token i tell of work: "works for",
// "a consultant for".
func (r *reading) worksBefore(i int) bool {
	for j := i - 1; j >= 0 && j >= i-5; j-- {
		if r.owner[j] == Position {
			return true
		}
		switch r.key(j) {
		case "work", "works", "worked", "working", "plays", "played", "left", "leaves", "trabalha", "trabaja", "travaille", "arbeitet":
			return true
		}
		if r.tokens[j].opens {
			return false
		}
	}
	return false
}
