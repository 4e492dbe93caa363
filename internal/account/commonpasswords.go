package account

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
)

// commonGz are passwords that are tried first, one a line: the 3,000 most common
// ones, and of 30,000 all those that are long enough to be chosen here. They come
// from the list of zxcvbn 4.4.2 (https://github.com/dropbox/zxcvbn), whose licence
// is in commonpasswords.LICENSE.
//
//go:embed commonpasswords.txt.gz
var commonGz []byte

var common = sync.OnceValue(func() map[string]bool {
	packed, err := gzip.NewReader(bytes.NewReader(commonGz))
	if err != nil {
		panic(fmt.Sprintf("account: the embedded list of passwords is broken: %v", err)) // it is part of the program
	}
	text, err := io.ReadAll(packed)
	if err != nil {
		panic(fmt.Sprintf("account: the embedded list of passwords is broken: %v", err))
	}
	lines := strings.Fields(string(text))
	all := make(map[string]bool, len(lines))
	for _, line := range lines {
		all[strings.ToLower(line)] = true
	}
	return all
})

// mostTail is how many digits and signs after a common password make no other.
const mostTail = 6

// isCommon tells whether a password is among those that are tried first,
// whatever its case: as it is, twice, or with a few digits and signs behind it.
func isCommon(text string) bool {
	text = strings.ToLower(text)
	all := common()
	if all[text] || len(text)%2 == 0 && text[:len(text)/2] == text[len(text)/2:] && all[text[:len(text)/2]] {
		return true
	}
	for i := 1; i <= mostTail && i < len(text); i++ {
		stem, tail := text[:len(text)-i], text[len(text)-i:]
		if strings.ContainsFunc(tail, unicode.IsLetter) {
			return false
		}
		if all[stem] {
			return true
		}
	}
	return false
}
