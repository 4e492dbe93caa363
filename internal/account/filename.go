package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// longestFileName is how many characters of a file's name are kept.
const longestFileName = 100

// CleanFileName makes a name of what a browser says a file is called: the last
// element of its path in Unicode form C, at most 100 characters, of which none
// ends a line, turns the direction of text, or means something to a shell, a
// browser or a file system. Where nothing is left it is "file".
func CleanFileName(name string) string {
	if len(name) > 4096 {
		name = name[len(name)-4096:]
	}
	name = norm.NFC.String(strings.ToValidUTF8(name, ""))
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), turnsText(r), unicode.Is(unicode.Cf, r), r == utf8.RuneError:
			return -1
		case strings.ContainsRune(`<>:"|?*;%&'`+"`$", r):
			return '_'
		}
		return r
	}, name)
	name = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(name), ".")) // no hidden file
	if r := []rune(name); len(r) > longestFileName {
		ending := ""
		if i := strings.LastIndexByte(name, '.'); i > 0 && utf8.RuneCountInString(name[i:]) <= 10 {
			ending = name[i:]
		}
		name = strings.TrimSpace(string(r[:longestFileName-utf8.RuneCountInString(ending)])) + ending
	}
	if name == "" || strings.Trim(name, "._ ") == "" {
		return "file"
	}
	return name
}
