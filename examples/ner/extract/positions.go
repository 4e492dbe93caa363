package extract

import "strings"

// positions claims job titles and offices, in any case, with the words before
// and after that belong to them.
func (r *reading) positions() {
	for i := 0; i < len(r.tokens); i++ {
		if r.owner[i] != "" || !r.tokens[i].word {
			continue
		}
		last := r.titleEnd(i)
		if last == i {
			continue
		}
		first := r.titleStart(i)
		if last == i+1 && first == i && !r.standsAlone(i) {
			continue
		}
		last = r.withField(last)
		if r.claim(first, last, Position) {
			i = last - 1
		}
	}
}

// titleEnd returns the end of the title word or whole title that starts at
// token i, or i.
func (r *reading) titleEnd(i int) int {
	if length, _ := r.lex.longest(r.tokens[i:], jobTitle); length > 0 && r.allFree(i, i+length) {
		return i + length
	}
	if length, _ := r.lex.longest(r.tokens[i:], office); length > 0 && r.allFree(i, i+length) && r.officeHere(i, i+length) {
		return i + length
	}
	if r.is(i, jobHead|weakJobHead) || r.lex.is(singular(r.key(i)), jobHead|weakJobHead|jobTitle) {
		// The last title word of a row is its head: assistant manager.
		last := i
		for r.free(last+1) && !r.tokens[last+1].opens && (r.is(last+1, jobHead|jobTitle) || r.lex.is(singular(r.key(last+1)), jobHead)) {
			last++
		}
		return last + 1
	}
	if r.key(i) == "head" && r.key(i+1) == "of" && r.withField(i+1) > i+1 {
		return i + 1
	}
	return i
}

func (r *reading) allFree(first, last int) bool {
	for i := first; i < last; i++ {
		if !r.free(i) {
			return false
		}
	}
	return true
}

// officeHere says whether words that are an office among other things (General,
// Judge, King) are one here: before a name.
func (r *reading) officeHere(first, last int) bool {
	if !r.tokens[first].capital {
		return false
	}
	return last < len(r.tokens) && !r.tokens[last].opens && (r.owner[last] == Person || r.nameWord(last))
}

// standsAlone says whether a title word is one without a word before it.
func (r *reading) standsAlone(i int) bool {
	if r.is(i, jobTitle|jobHead) || r.is(i, office) && r.officeHere(i, i+1) {
		return true
	}
	if r.key(i) == "head" {
		return r.withField(i+1) > i+1
	}
	if r.is(i, weakJobHead) {
		return r.withField(i+1) > i+1
	}
	return r.lex.is(singular(r.key(i)), jobHead|jobTitle)
}

// titleStart walks left from a title's head over the words that belong to it.
func (r *reading) titleStart(i int) int {
	first := i
	for first > 0 && !r.tokens[first].opens {
		length := r.modifierEndingAt(first)
		if length == 0 {
			break
		}
		first -= length
	}
	return first
}

// modifierEndingAt returns how many tokens before token i make a word that
// belongs to the title at i: a known one, or in a capitalised title any
// capitalised one (a Kafka Engineer).
func (r *reading) modifierEndingAt(i int) int {
	for length := min(3, i); length >= 1; length-- {
		start := i - length
		if !r.allFree(start, i) {
			continue
		}
		if n, _ := r.lex.longest(r.tokens[start:i], jobModifier); n == length {
			if t := &r.tokens[start]; t.end-t.start > 2 || t.capital {
				return length
			}
		}
	}
	if key := r.key(i - 1); (key == "&" || key == "/" || key == "and") && r.is(i-2, jobModifier) && r.free(i-1) && r.free(i-2) && r.is(i, jobModifier) {
		return 2
	}
	if r.nameWord(i-1) && r.tokens[i].capital && !r.tokens[i-1].opens && !r.is(i-1, place|organisation|givenName|surname) {
		return 1
	}
	return 0
}

// withField passes over "of Marketing" after a title, or returns i.
func (r *reading) withField(i int) int {
	if r.key(i) != "of" {
		return i
	}
	length := 0
	if i+1 < len(r.tokens) {
		length, _ = r.lex.longest(r.tokens[i+1:], jobField)
	}
	if length == 0 || !r.allFree(i, i+1+length) {
		return i
	}
	return i + 1 + length
}

// singular takes the plural ending off a word; words that have none come back
// as they are.
func singular(key string) string {
	switch {
	case strings.HasSuffix(key, "ies"):
		return strings.TrimSuffix(key, "ies") + "y"
	case strings.HasSuffix(key, "men"):
		return strings.TrimSuffix(key, "men") + "man"
	case strings.HasSuffix(key, "sses"):
		return strings.TrimSuffix(key, "es")
	case strings.HasSuffix(key, "ss"):
		return key
	}
	return strings.TrimSuffix(key, "s")
}
