package extract

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// List holds terms of somebody's own, each with what it names. It is immutable:
// any number of goroutines may use one at the same time.
type List struct {
	root    listNode
	terms   int
	skipped int
}

type listNode struct {
	names Type // "": no term ends here
	next  map[string]*listNode
}

// longestListLine is how long a line may be, in bytes.
const longestListLine = 4096

// ReadList reads a list: UTF-8 text with a term, a tab and its type in each
// line. Empty lines and those that begin with # are passed over, as are terms of types that there
// are not (Types). An error names the line.
func ReadList(r io.Reader) (*List, error) {
	l := &List{root: listNode{next: map[string]*listNode{}}}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), longestListLine)
	for at := 1; lines.Scan(); at++ {
		line := lines.Text()
		if at == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if line == "" || line[0] == '#' {
			continue
		}
		term, names, found := strings.Cut(line, "\t")
		switch {
		case !utf8.ValidString(line):
			return nil, fmt.Errorf("line %d of the list is not UTF-8 text", at)
		case !found || strings.TrimSpace(term) == "":
			return nil, fmt.Errorf("line %d of the list has no term with a tab and its type", at)
		case !slices.Contains(Types(), Type(names)):
			l.skipped++
		default:
			l.add(term, Type(names))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the list: %w", err)
	}
	return l, nil
}

// Terms tells how many terms there are.
func (l *List) Terms() int { return l.terms }

// Skipped tells how many terms were left out, because their type is none of Types.
func (l *List) Skipped() int { return l.skipped }

func (l *List) add(term string, names Type) {
	at := &l.root
	for _, t := range tokens(term) {
		following := at.next[t.key]
		if following == nil {
			following = &listNode{}
			if at.next == nil {
				at.next = make(map[string]*listNode, 1)
			}
			at.next[t.key] = following
		}
		at = following
	}
	if at == &l.root {
		return
	}
	if at.names == "" {
		l.terms++
	}
	at.names = names
}

// longest returns how many tokens from the first one on make the longest term,
// and what it names; 0 when there is none.
func (l *List) longest(from []token) (length int, names Type) {
	at := &l.root
	for i := range from {
		if at = at.next[from[i].key]; at == nil {
			break
		}
		if at.names != "" {
			length, names = i+1, at.names
		}
	}
	return length, names
}

// listed claims what stands in a list, whatever the case it is written in: of
// several lists the longest term, and of two as long the one of the last list.
func (r *reading) listed(lists []*List) {
	for i := 0; i < len(r.tokens); i++ {
		length, names := 0, Type("")
		for _, l := range lists {
			if n, t := l.longest(r.tokens[i:]); n >= length && n > 0 {
				length, names = n, t
			}
		}
		if length > 0 && r.claim(i, i+length, names) {
			i += length - 1
		}
	}
}
