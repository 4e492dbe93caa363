package config

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// Change is one place at which two configurations say different things. What
// is secret is never in it: sections that hold secrets are blotted out, and a
// value from the environment is shown as it is written, `${NAME}`.
type Change struct {
	Path string `json:"path"`           // "services.ner.max_in_flight", "plans.free.limits[minute].rate"
	From string `json:"from,omitempty"` // as it is written; "" where the field is new
	To   string `json:"to,omitempty"`   // "" where the field is gone
}

// String says the change in one line.
func (c Change) String() string {
	switch {
	case c.From == "" && c.To == "":
		return c.Path + ": another value"
	case c.From == "":
		return c.Path + ": new, " + c.To
	case c.To == "":
		return c.Path + ": gone, was " + c.From
	case c.From == c.To: // the same words, and what they stand for differs
		return c.Path + ": " + c.To + " stands for another value"
	}
	return c.Path + ": " + c.From + " → " + c.To
}

// said is one value of a file: where it stands, how it is written, and what it
// came to, as a hash, for it may be a secret.
type said struct {
	path  string
	shown string
	value [32]byte
}

// Changes says what next has otherwise than was, by the order of next's file,
// and then what it has no more. A field that is written out and one that is
// left to its default differ, even where they come to the same.
func Changes(was, next *Config) []Change {
	before := make(map[string]said, len(was.said))
	for _, s := range was.said {
		before[s.path] = s
	}
	out := []Change{}
	for _, s := range next.said {
		old, there := before[s.path]
		delete(before, s.path)
		switch {
		case !there:
			out = append(out, Change{Path: s.path, To: s.shown})
		case old.value != s.value:
			out = append(out, Change{Path: s.path, From: old.shown, To: s.shown})
		}
	}
	for _, s := range was.said {
		if _, gone := before[s.path]; gone {
			out = append(out, Change{Path: s.path, From: s.shown})
		}
	}
	return out
}

// sayAll lists the values of a tree. A list of single values is one value; the
// members of other lists go by their name, or by their place where they have none.
func sayAll(out []said, path string, n *node) []said {
	switch n.kind {
	case mapping:
		for _, f := range n.fields {
			at := f.name
			if path != "" {
				at = path + "." + f.name
			}
			out = sayAll(out, at, f.value)
		}
		return out
	case list:
		if !flat(n) {
			seen := map[string]bool{}
			for i, item := range n.items {
				at := fmt.Sprintf("%s[%d]", path, i)
				if name := nameOf(item); name != "" && !seen[name] {
					seen[name] = true
					at = path + "[" + name + "]"
				}
				out = sayAll(out, at, item)
			}
			return out
		}
	}
	shown, value := written(path, n)
	return append(out, said{path: path, shown: shown, value: sha256.Sum256([]byte(value))})
}

// flat tells whether a list holds single values only.
func flat(n *node) bool {
	for _, item := range n.items {
		if item.kind != scalar && item.kind != nothing {
			return false
		}
	}
	return true
}

// nameOf is what a member of a list is known by, "" for nothing.
func nameOf(n *node) string {
	for _, f := range n.fields {
		if f.name == "name" && f.value.kind == scalar {
			return f.value.text
		}
	}
	return ""
}

// written gives a value for people, and whole for the comparison.
func written(path string, n *node) (shown, value string) {
	switch n.kind {
	case scalar:
		shown, value = oneLine(withoutPassword(n.written)), n.text
		if secretPath(path) && !variables.MatchString(n.written) {
			shown = "[redacted]"
		}
		return shown, value
	case list:
		var all, whole []string
		for _, item := range n.items {
			s, v := written(path, item)
			all, whole = append(all, s), append(whole, v)
		}
		return "[" + strings.Join(all, ", ") + "]", "[" + strings.Join(whole, "\x00") + "]"
	}
	return "nothing", ""
}

// secretPath tells whether what stands at a path must not be shown: the
// secrets, and what is sent to others in header fields, such as a CDN's key.
func secretPath(path string) bool {
	return path == "secrets" || strings.HasPrefix(path, "secrets.") || strings.Contains(path, ".purge_hooks")
}
