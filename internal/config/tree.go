package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds on what a file may unfold to, so that a few bytes of aliases
// ("billion laughs") or brackets cannot take the machine's memory.
const (
	maxNesting = 32      // brackets, dashes of one line, levels of the tree
	maxTokens  = 100_000 // words and signs; the parser's time grows with the square of a mapping's names
	maxNodes   = 200_000 // values, counted again for each alias
)

// nodeKind tells what shape a value has.
type nodeKind uint8

const (
	nothing nodeKind = iota // "data:" with nothing behind it, or null
	scalar
	list
	mapping
)

func (k nodeKind) String() string {
	return [...]string{"nothing", "a single value", "a list", "a mapping"}[k]
}

// node is a value of the file with its place. Aliases are followed: the node
// of an alias is that of its anchor.
type node struct {
	kind   nodeKind
	line   int
	column int // in characters, from 1
	width  int // in characters, for the caret

	text     string // scalar: the value, after expansion of the environment
	written  string // scalar: the value as it stands in the file
	expanded bool   // scalar: text came from the environment, so it is not shown in messages
	bad      bool   // scalar: expansion failed and was reported

	items  []*node // list
	fields []field // mapping, in the order of the file
	size   int     // values in it, itself included
}

// field is an entry of a mapping.
type field struct {
	name   string
	key    *node
	value  *node
	merged bool // came in through "<<"
}

// show gives a scalar for a message: as it is written, never what an
// environment variable or a secret file held, and without a password.
func (n *node) show() string { return quoted(withoutPassword(n.written)) }

// grow turns the parser's tree into nodes, and notes what YAML allows but a
// configuration does not need: second documents, tags, keys twice.
type grow struct {
	*report
	anchors map[string]*node
	nodes   int
}

// parse reads the YAML of a source. It gives nil when that cannot be done; why
// stands in the report.
func parse(r *report) *node {
	tokens, ok := scan(r)
	if !ok {
		return nil
	}
	parsed, err := parseTokens(tokens)
	if err != nil {
		r.syntax(err, tokens)
		return nil
	}
	g := &grow{report: r, anchors: map[string]*node{}}
	var body ast.Node
	for _, doc := range parsed.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			g.at(g.place(doc.Body), "a second YAML document; a configuration is one document: delete the `---` above this line")
			return nil
		}
		body = doc.Body
	}
	if body == nil {
		r.addf(1, 1, 1, "the file holds only comments; `tollhouse init` writes one to start from")
		return nil
	}
	root := g.node(body, 0)
	if g.nodes > maxNodes {
		return nil
	}
	if root.kind != mapping {
		r.at(root, "expected fields such as `services:` and `plans:`, found %s; `tollhouse init` writes a file to start from", root.kind)
		return nil
	}
	return root
}

// scan splits the source into tokens and refuses what would take the parser's
// time or stack.
func scan(r *report) (tokens token.Tokens, ok bool) {
	tokens = lexer.Tokenize(r.src.text)
	if len(tokens) > maxTokens {
		t := tokens[maxTokens]
		r.addf(t.Position.Line, t.Position.Column, 1, "more than %d words and signs up to here; a configuration has far less: is this the right file?", maxTokens)
		return nil, false
	}
	brackets, dashes, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, dashes = t.Position.Line, 0
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			brackets++
		case token.MappingEndType, token.SequenceEndType:
			brackets = max(0, brackets-1)
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			dashes++
		}
		if brackets > maxNesting || dashes > maxNesting {
			r.addf(t.Position.Line, t.Position.Column, 1, "nested more than %d deep; a configuration needs five levels", maxNesting)
			return nil, false
		}
	}
	return tokens, true
}

// parseTokens runs the YAML parser. A panic of it is an error like any other:
// a reload with a strange file must not end a running gateway.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the YAML parser gave up: %v", p)
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// cures says in our words what the parser's messages mean and what to do.
var cures = []struct{ has, say string }{
	{"mapping value is not allowed", "a `:` where none can stand, or a line indented too far; put one `name: value` on a line, and quote a value that holds `: `"},
	{"unexpected key name", "this is no `name: value`; a space must follow the `:`"},
	{"',' or '}' must be", "a `{` is not closed, or a comma is missing; inside braces quote values that hold `{`, `}` or `,`"},
	{"',' or ']' must be", "a `[` is not closed, or a comma is missing before this; add `]` or `,`"},
	{"flow mapping end token", "a `{` is not closed; add `}`"},
	{"could not find flow map content", "a `{` is not closed; add `}`"},
	{"could not find map value", "a value is missing, or a `{` is not closed"},
	{"sequence end token", "a `[` is not closed; add `]`"},
	{"corresponding to ']'", "a `]` without its `[`; delete it"},
	{"corresponding to '}'", "a `}` without its `{`; delete it"},
	{"end character of double-quoted", "a `\"` is not closed; add the second one"},
	{"end character of single-quoted", "a `'` is not closed; add the second one"},
	{"is a reserved character", "a value cannot begin with this character; put it in quotes"},
	{"unknown escape character", "a `\\` that escapes nothing; write `\\\\`, or use single quotes"},
	{"that cannot start any token", "a tab; YAML takes only spaces here: replace it"},
	{"tab character", "a tab; YAML takes only spaces here: replace it"},
	{"value is not allowed in this context", "a value where none can stand; check the indentation and the quotes"},
	{"non-map value is specified", "expected `name: value` like the lines around it; check the indentation"},
	{"block sequence entries are not allowed", "a list entry cannot stand behind `name:` on one line; put it on the next"},
}

// syntax notes an error of the YAML parser in our form.
func (r *report) syntax(err error, tokens token.Tokens) {
	var message string
	line, column, width := 1, 1, 1
	var placed yaml.Error
	if !errors.As(err, &placed) {
		message = strings.SplitN(err.Error(), "\n", 2)[0]
	} else {
		message = placed.GetMessage() // its Error draws the source, which takes long
		if t := placed.GetToken(); t != nil && t.Position != nil {
			line, column = t.Position.Line, t.Position.Column
		}
	}
	if strings.Contains(message, "is not allowed in this context") && r.elsewhere(line, tokens) {
		return
	}
	for _, c := range cures {
		if strings.Contains(message, c.has) {
			message = c.say
			break
		}
	}
	r.addf(line, column, width, "not valid YAML: %s", message)
}

// elsewhere notes the two mistakes that YAML parsers find only later, or
// place too early: a quote that the next quote of the file closed, and a line
// indented below a value. It tells whether it found one.
func (r *report) elsewhere(line int, tokens token.Tokens) bool {
	for _, t := range tokens {
		if t.Position.Line > line {
			break
		}
		quote := t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType
		if lines := strings.Count(strings.TrimSpace(t.Origin), "\n"); quote && lines > 0 {
			r.addf(t.Position.Line, t.Position.Column, 1,
				"not valid YAML: the quote that begins here ends only on line %d; close it on its own line", t.Position.Line+lines)
			return true
		}
	}
	if line >= len(r.src.lines) {
		return false
	}
	here, below := r.src.lines[line-1], r.src.lines[line]
	name, value, _ := strings.Cut(strings.TrimSpace(here), ":")
	value = strings.TrimSpace(value)
	if value != "" && !strings.Contains(value, ": ") && !strings.HasSuffix(value, ":") && depthOf(below) > depthOf(here) && strings.TrimSpace(below) != "" {
		r.addf(line+1, depthOf(below)+1, 1,
			"not valid YAML: this line is indented below `%s`, which has a value already; take out the indentation, or the value", shorten(name))
		return true
	}
	return false
}

// depthOf is how many spaces a line begins with.
func depthOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// place gives a node without content at a parser's node.
func (g *grow) place(from ast.Node) *node {
	n := &node{line: 1, column: 1, width: 1, size: 1}
	if m, ok := from.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		from = m.Values[0].Key // a mapping's own token is its first colon
	}
	if v, ok := from.(*ast.MappingValueNode); ok {
		from = v.Key
	}
	t := from.GetToken()
	if t == nil || t.Position == nil {
		return n
	}
	n.line, n.column = g.src.clamp(t.Position.Line, t.Position.Column)
	n.column = g.src.skipBlank(n.line, n.column)
	if shown := strings.TrimSpace(t.Origin); shown != "" && !strings.Contains(shown, "\n") {
		n.width = utf8.RuneCountInString(shown)
	}
	return n
}

// node turns a parser's node into ours. It never gives nil.
func (g *grow) node(from ast.Node, depth int) *node {
	if from == nil {
		return &node{line: 1, column: 1, width: 1, size: 1}
	}
	n := g.place(from)
	g.nodes++
	if g.nodes > maxNodes+1 { // it was said already
		return n
	}
	if depth > maxNesting || g.nodes > maxNodes {
		g.at(n, "nested more than %d deep, or more than %d values; a configuration needs far less", maxNesting, maxNodes)
		g.nodes = maxNodes + 2
		return n
	}
	switch from := from.(type) {
	case *ast.MappingNode:
		g.mapping(n, from.Values, depth)
	case *ast.MappingValueNode:
		g.mapping(n, []*ast.MappingValueNode{from}, depth)
	case *ast.SequenceNode:
		n.kind = list
		for _, v := range from.Values {
			item := g.node(v, depth+1)
			n.items = append(n.items, item)
			n.size += item.size
		}
	case *ast.AnchorNode:
		name := from.Name.GetToken().Value
		delete(g.anchors, name) // an alias inside its own anchor finds nothing
		n = g.node(from.Value, depth+1)
		g.anchors[name] = n
	case *ast.AliasNode:
		return g.alias(n, from)
	case *ast.TagNode:
		g.at(n, "a tag; types are known here: delete %s", quoted(from.GetToken().Value))
		if from.Value != nil {
			return g.node(from.Value, depth+1)
		}
	case *ast.NullNode:
	case *ast.LiteralNode:
		n.kind, n.text = scalar, from.Value.Value
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.InfinityNode, *ast.NanNode, *ast.MergeKeyNode:
		n.kind, n.text = scalar, from.GetToken().Value
	default:
		g.at(n, "this kind of YAML is not used in a configuration; write a plain value")
	}
	n.written = n.text
	return n
}

// alias gives the node of an anchor. Each use is counted with all that it
// unfolds to.
func (g *grow) alias(n *node, from *ast.AliasNode) *node {
	name := from.Value.GetToken().Value
	target, ok := g.anchors[name]
	if !ok {
		g.at(n, "`*%s` has no anchor before it; define it first as `&%s`", name, name)
		n.kind = scalar
		n.bad = true
		return n
	}
	if g.nodes+target.size > maxNodes {
		g.at(n, "the aliases of this file unfold to more than %d values; write out what is meant", maxNodes)
		g.nodes = maxNodes + 2
		return n
	}
	g.nodes += target.size
	return target
}

// mapping fills n with the entries of a mapping.
func (g *grow) mapping(n *node, values []*ast.MappingValueNode, depth int) {
	n.kind = mapping
	seen := map[string]int{}
	var merges []*node
	for _, v := range values {
		value := g.node(v.Value, depth+1)
		if g.nodes > maxNodes {
			return
		}
		n.size += value.size
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			merges = append(merges, value)
			continue
		}
		key := g.node(v.Key, depth+1)
		if key.kind == nothing && v.Key.GetToken() != nil && v.Key.Type() == ast.NullType {
			key.kind, key.text = scalar, v.Key.GetToken().Value
		}
		if key.kind != scalar {
			g.at(key, "a name must be a plain word")
			continue
		}
		if _, null := v.Value.(*ast.NullNode); null {
			value.line, value.column, value.width = key.line, key.column, key.width // nothing has no place of its own
		}
		if first, twice := seen[key.text]; twice {
			g.at(key, "`%s` stands here twice, first on line %d; delete one", shorten(key.text), first)
			continue
		}
		seen[key.text] = key.line
		n.fields = append(n.fields, field{name: key.text, key: key, value: value})
	}
	for _, m := range merges {
		g.merge(n, m, seen)
	}
}

// merge adds the entries of "<<: *anchor" that the mapping does not have.
func (g *grow) merge(n, from *node, seen map[string]int) {
	sources := []*node{from}
	if from.kind == list {
		sources = from.items
	}
	for _, s := range sources {
		if s.kind != mapping {
			if !s.bad {
				g.at(s, "`<<` takes a mapping or a list of mappings, found %s; name an anchor, for example `<<: *common`", s.kind)
			}
			continue
		}
		for _, f := range s.fields {
			if _, have := seen[f.name]; !have {
				seen[f.name] = f.key.line
				n.fields = append(n.fields, field{name: f.name, key: f.key, value: f.value, merged: true})
			}
		}
	}
}

// shorten keeps a name of the file short enough for a message.
func shorten(s string) string {
	q := quoted(s)
	return q[1 : len(q)-1]
}
