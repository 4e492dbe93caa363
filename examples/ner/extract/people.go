package extract

import "strings"

// addressedPeople claims a form of address and the name after it: Dr. King.
func (r *reading) addressedPeople() {
	for i := 0; i < len(r.tokens); i++ {
		if !r.known(i) || r.loud[i] {
			continue
		}
		length, _ := r.lex.longest(r.tokens[i:], honorific)
		if length == 0 {
			continue
		}
		if end := r.nameEnd(i + length); end > i+length {
			r.claim(i, end, Person)
			i = end - 1
		}
	}
}

// fullNames claims names of two words or more that hold a known given name, a
// known family name, or initials.
func (r *reading) fullNames() {
	for i := 0; i < len(r.tokens); i++ {
		if !r.known(i) {
			continue
		}
		end := r.nameEnd(i)
		if r.loud[i] {
			end = r.loudNameEnd(i)
		}
		if words := r.words(i, end); words < 2 {
			continue
		}
		if r.isFullName(i, end) {
			r.claim(i, end, Person)
			i = end - 1
		}
	}
}

// nameEnd returns the end of the row of words from token i on that reads like
// one person's name: name words, initials with their point, and particles
// before a further name word. It returns i when none starts there.
func (r *reading) nameEnd(i int) int {
	end, words := i, 0
	for end < len(r.tokens) && words < 5 {
		switch {
		case end > i && r.tokens[end].opens:
			return end
		case r.initial(end):
			end++
			if r.key(end) == "." && r.tokens[end].glued {
				end++
			}
			words++
		case r.namePart(end, end > i):
			end, words = end+1, words+1
		case end > i && r.is(end, nameParticle) && !r.tokens[end].capital && r.owner[end] == "":
			next := end + 1
			for next < len(r.tokens) && r.is(next, nameParticle) && !r.tokens[next].capital && r.owner[next] == "" && next-end < 3 {
				next++
			}
			if !r.nameWord(next) || r.key(end) == "y" || r.key(end) == "e" {
				return end
			}
			end, words = next+1, words+1
		default:
			return end
		}
	}
	return end
}

// namePart is a name word that is not plainly something else; the first word
// of a name may be an ordinary word too (Mark, Will), a later one may not.
func (r *reading) namePart(i int, later bool) bool {
	if !later && r.free(i) && !r.loud[i] && r.tokens[i].capital && r.is(i, givenName|weakGivenName) {
		return true
	}
	if !r.nameWord(i) {
		return false
	}
	if later && r.is(i, surname) {
		return true
	}
	if r.is(i, organisationSuffix|organisationHead|placeTail|organisation) {
		return false
	}
	// Naomi Osaka is a person; what follows the name of a city is no part of it.
	return !later || !r.is(i, place) || r.is(i-1, givenName) && !r.is(i-1, place)
}

// initial is one capital letter, with or without its point.
func (r *reading) initial(i int) bool {
	if i >= len(r.tokens) || r.owner[i] != "" || r.loud[i] {
		return false
	}
	t := &r.tokens[i]
	if !t.word || !t.capital {
		return false
	}
	if t.end-t.start == 1 {
		return r.key(i+1) == "." && r.tokens[i+1].glued
	}
	return strings.HasSuffix(t.text, ".")
}

// isFullName says whether the words from first to end, which have the shape of
// a name, are one.
func (r *reading) isFullName(first, end int) bool {
	last := end - 1
	for r.key(last) == "." {
		last--
	}
	knownLast := r.is(last, surname) || looksLikeSurname(r.key(last))
	switch {
	case r.initial(first):
		return knownLast || r.words(first, end) > 2 || !r.tokens[first].opens
	case r.startsWithGivenName(first):
		// "Georgia Taylor" is a person, and "Paris Agreement" is none.
		return !r.is(first, place) || knownLast || r.is(first, givenName)
	case r.is(first, weakGivenName):
		return knownLast
	case r.is(first, place|weakPlace|organisation|weakOrganisation|office|jobTitle|jobHead):
		return false
	}
	// An unknown word before a known family name: Thulani Mokoena. At the start
	// of a sentence the first word may be any.
	return knownLast && (!r.tokens[first].opens || r.is(end, personVerb) || r.key(end) == ",") && !r.is(first, jobModifier)
}

// startsWithGivenName looks also at the first part of Jean-Luc or Ann-Kathrin.
func (r *reading) startsWithGivenName(i int) bool {
	if r.is(i, givenName) {
		return true
	}
	first, _, ok := strings.Cut(r.key(i), "-")
	return ok && r.lex.is(first, givenName)
}

// loudNameEnd finds JOHN DOE in a sentence of capitals: only two known words
// beside each other count.
func (r *reading) loudNameEnd(i int) int {
	if r.is(i, givenName) && r.is(i+1, surname) && r.free(i+1) {
		return i + 2
	}
	return i
}

func (r *reading) words(first, last int) int {
	n := 0
	for i := first; i < last; i++ {
		if r.tokens[i].word {
			n++
		}
	}
	return n
}

// looksLikeSurname knows the endings and beginnings of family names of many
// languages.
func looksLikeSurname(key string) bool {
	if len(key) < 6 {
		return false
	}
	for _, ending := range surnameEndings {
		if strings.HasSuffix(key, ending) {
			return true
		}
	}
	return strings.HasPrefix(key, "o'") || strings.HasPrefix(key, "mc") || strings.HasPrefix(key, "al-") || strings.HasPrefix(key, "el-")
}

var surnameEndings = []string{
	"sson", "sen", "ez", "ov", "ova", "ev", "eva", "sky", "ski", "ska", "skyi", "enko", "vic", "wicz", "yan", "ian", "idis", "opoulos", "akis",
	"stein", "berg", "mann", "bauer", "meyer", "heimer", "baum", "witz", "quist", "qvist", "strom", "lund", "dottir", "escu", "oglu", "zadeh",
	"pour", "nejad", "wala", "kar", "elli", "etti", "ucci", "shvili", "adze", "uk", "iewicz", "moto", "mura", "zaki", "yama", "ton", "ley", "worth",
}

// peopleInContext claims unknown names that stand where a person stands.
func (r *reading) peopleInContext() {
	for i := 0; i < len(r.tokens); i++ {
		if !r.nameWord(i) || r.nameWord(i-1) && !r.tokens[i].opens {
			continue
		}
		end := r.nameEnd(i)
		if end == i || r.words(i, end) > 3 {
			continue
		}
		if r.personBeside(i, end) {
			r.claim(i, end, Person)
			i = end - 1
		}
	}
}

// personBeside looks at the words before token first and after token end-1.
func (r *reading) personBeside(first, end int) bool {
	if r.is(first, placeTail|placeHead|weakOrganisation) {
		return false
	}
	before := first - 1
	if first > 0 && !r.tokens[first].opens {
		if r.owner[before] == Position && !r.lowerPosition(before) {
			return true
		}
		if r.key(before) == "," && before > 0 && r.owner[before-1] == Position && (r.key(end) == "," || r.key(end) == "." || end == len(r.tokens)) {
			return true
		}
		switch r.key(before) {
		case "said", "says", "dear", "hi", "hello", "named", "called", "told", "asked", "thanked", "met", "married", "meet", "by", "with":
			known := r.is(first, surname) || r.is(end-1, surname) || r.is(first, givenName|weakGivenName)
			return r.key(before) != "by" && r.key(before) != "with" && r.key(before) != "called" || known
		}
	}
	switch {
	case r.is(end, personVerb):
		return true
	case r.is(end-1, surname) && surnameVerb[r.key(end)]:
		return true
	case r.key(end) == "<", r.key(end) == "(" && r.key(end+1) == "born":
		return true
	case r.key(end) == "," && end+1 < len(r.tokens) && r.owner[end+1] == Position:
		return true
	case (r.key(end) == "is" || r.key(end) == "was" || r.key(end) == "became") && r.positionWithin(end+1, 3):
		return true
	case r.key(end) == "'s" && r.is(end-1, surname) && !r.tokens[first].opens:
		return true
	}
	return false
}

// surnameVerb holds what organisations do as well, so that only a known family
// name before it makes a person.
var surnameVerb = map[string]bool{
	"won": true, "signed": true, "met": true, "announced": true, "visited": true, "resigned": true, "arrived": true, "wants": true, "joined": true,
	"founded": true, "became": true, "left": true, "scored": true, "beat": true, "lost": true, "criticised": true, "criticized": true, "defeated": true,
}

// lowerPosition says that the position that ends at token i is written small:
// then the name after it is told apart by a comma, as in "the CEO, Jane".
func (r *reading) lowerPosition(i int) bool { return !r.tokens[i].capital && !r.is(i, office) }

func (r *reading) positionWithin(i, limit int) bool {
	for j := i; j < i+limit && j < len(r.tokens); j++ {
		if r.owner[j] == Position {
			return true
		}
	}
	return false
}

// givenNames claims given names that stand alone.
func (r *reading) givenNames() {
	for i := range r.tokens {
		if !r.known(i) || r.loud[i] {
			continue
		}
		alone := !r.nameWord(i+1) || r.tokens[i+1].opens
		switch {
		case r.is(i, givenName) || r.startsWithGivenName(i):
			r.claim(i, i+1, Person)
		case r.is(i, weakGivenName) && !r.is(i, ordinary) && !r.tokens[i].opens && alone:
			r.claim(i, i+1, Person)
		}
	}
}
