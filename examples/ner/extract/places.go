package extract

// geographicNames claims names that say by one of their words that they are a
// place: Lake Turkana, Hudson River.
func (r *reading) geographicNames() {
	for i := 0; i < len(r.tokens); i++ {
		if !r.known(i) || r.loud[i] {
			continue
		}
		if length, _ := r.lex.longest(r.tokens[i:], placeHead); length > 0 && !(r.tokens[i].opens && r.is(i, ordinary)) {
			if end := r.run(i+length, 2); end > i+length {
				r.claim(i, end, Place)
				i = end - 1
				continue
			}
		}
		if length, _ := r.lex.longest(r.tokens[i:], placeTail); length > 0 && !r.tokens[i].opens {
			if first := r.runBefore(i, 2); first < i && !r.is(first, givenName) {
				r.claim(first, i+length, Place)
			}
		}
	}
}

// placeBeside says whether a word that is a place among other things (Nice,
// Reading) is one here.
func (r *reading) placeBeside(i int) bool {
	if r.tokens[i].opens || r.loud[i] {
		return false
	}
	before := i - 1
	if r.key(before) == "the" {
		before--
	}
	if !r.is(before, placeBefore) {
		return r.key(i+1) == "," && r.is(i+2, place) && r.tokens[i+2].capital // Austin, Texas
	}
	// "wrote to Sofia" and "a letter from Sofia" speak of a person.
	if r.is(i, givenName) && (r.key(before) == "to" || r.key(before) == "from" || r.key(before) == "of") {
		return r.travelBefore(before)
	}
	if r.is(i, weakOrganisation) {
		return r.key(before) == "river" || before+1 < i
	}
	return true
}

// travelBefore says whether a verb of motion stands within a few words before
// token i.
func (r *reading) travelBefore(i int) bool {
	for j := i - 1; j >= 0 && j >= i-5; j-- {
		switch r.key(j) {
		case "go", "goes", "going", "went", "gone", "move", "moves", "moved", "moving", "fly", "flies", "flew", "flight", "travel", "travels", "travelled", "traveled", "travelling", "traveling",
			"drive", "drives", "drove", "sail", "sailed", "walk", "walked", "train", "bus", "ferry", "trip", "journey", "return", "returned", "returns", "came", "come", "comes", "born", "emigrated", "fled", "commute", "commutes", "way", "road", "ship", "shipped", "ran", "hails", "relocated", "relocate":
			return true
		}
		if r.tokens[j].opens {
			return false
		}
	}
	return false
}

// placesInContext claims unknown names where a place stands: "lives in Vevey".
func (r *reading) placesInContext() {
	for i := 1; i < len(r.tokens); i++ {
		if !r.nameWord(i) || r.tokens[i].opens || r.nameWord(i-1) {
			continue
		}
		end := r.run(i, 2)
		if r.nameWord(end) || r.tokens[i].caps {
			continue
		}
		switch r.key(i - 1) {
		case "in", "near", "outside", "towards", "across", "throughout", "inside", "around":
			r.claim(i, end, Place)
		case "to", "from", "for":
			if r.travelBefore(i - 1) {
				r.claim(i, end, Place)
			}
		case "of":
			if r.key(end) == "," && end+1 < len(r.tokens) && r.owner[end+1] == Place {
				r.claim(i, end, Place)
			}
		case "visited", "reached", "visit", "visiting":
			r.claim(i, end, Place)
		}
	}
}
