package files

import "strings"

// hashed tells whether a file's name holds the hash of its content, as build
// tools write it: eight or more hexadecimal digits between dots, dashes or
// underscores, letters and numbers among them (a date has no letters, a word no
// numbers). Hashes in other alphabets look too much like words to be guessed;
// their folder can be named instead.
func hashed(name string) bool {
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '.' || r == '-' || r == '_' }) {
		if isHash(part) {
			return true
		}
	}
	return false
}

func isHash(s string) bool {
	letters, numbers := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			numbers++
		case c >= 'a' && c <= 'f':
			letters++
		default:
			return false
		}
	}
	return len(s) >= 8 && letters > 0 && numbers > 0
}

// inFolder tells whether a name is below a folder, which is written as paths are.
func inFolder(name, folder string) bool {
	folder = strings.Trim(folder, "/")
	rest, below := strings.CutPrefix(name, folder)
	return below && (folder == "" || strings.HasPrefix(rest, "/"))
}
