package e2e

import (
	"math/rand/v2"
	"regexp"
	"strings"
)

// mutator damages configuration files in the ways that people, editors and
// disks do, and in some that only somebody with bad intent would.
type mutator struct{ dice *rand.Rand }

// mutate gives a file that differs from text in one to three ways, and what was done.
func (m *mutator) mutate(text string) (mutated, what string) {
	ways := []struct {
		name string
		do   func(string) string
	}{{"bytes", m.bytes}, {"lines", m.lines}, {"structure", m.structure}, {"value", m.value}, {"value", m.value}}
	for mutated = text; mutated == text; {
		var done []string
		for range 1 + m.dice.IntN(3)/2 {
			way := ways[m.dice.IntN(len(ways))]
			mutated = way.do(mutated)
			done = append(done, way.name)
		}
		what = strings.Join(done, "+")
	}
	return mutated, what
}

func pick[T any](m *mutator, from []T) T { return from[m.dice.IntN(len(from))] }

// bytes changes the text without regard for what it is.
func (m *mutator) bytes(text string) string {
	if text == "" {
		return "\x00"
	}
	at := m.dice.IntN(len(text))
	upTo := min(len(text), at+1+m.dice.IntN(40))
	switch m.dice.IntN(7) {
	case 0:
		return text[:at] + string([]byte{byte(m.dice.IntN(256))}) + text[at+1:]
	case 1:
		return text[:at] + pick(m, []string{"\x00", "\t", "\"", "'", "{", "}", "[", "]", ":", "#", "&", "*", "!", "%", "\r", "\ufeff", "\u202e", "\xff\xfe"}) + text[at:]
	case 2:
		return text[:at] + text[upTo:]
	case 3:
		return text[:upTo] + text[at:upTo] + text[upTo:]
	case 4:
		return text[:at] // the disk was full
	case 5:
		return strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text[at:]
}

// lines moves whole lines about.
func (m *mutator) lines(text string) string {
	lines := strings.Split(text, "\n")
	i, j := m.dice.IntN(len(lines)), m.dice.IntN(len(lines))
	switch m.dice.IntN(7) {
	case 0:
		lines = append(lines[:i:i], lines[i+1:]...)
	case 1:
		lines = append(lines[:i:i], append([]string{lines[i]}, lines[i:]...)...)
	case 2:
		lines[i], lines[j] = lines[j], lines[i]
	case 3:
		lines[i] = strings.Repeat(" ", 1+m.dice.IntN(6)) + lines[i]
	case 4:
		lines[i] = strings.TrimPrefix(lines[i], pick(m, []string{" ", "  ", "    "}))
	case 5:
		lines[i] = "\t" + lines[i]
	case 6:
		lines[i] = "# " + lines[i]
	}
	return strings.Join(lines, "\n")
}

var (
	aName  = regexp.MustCompile(`[a-z_]+:`)
	aValue = regexp.MustCompile(`: *("[^"\n]*"|[^\s,{}\[\]#][^,{}\[\]\n#]*)`)
)

// structure puts other shapes of YAML where a name or a value was.
func (m *mutator) structure(text string) string {
	switch m.dice.IntN(4) {
	case 0:
		return m.replace(text, aName, func(name string) string {
			at := m.dice.IntN(len(name) - 1)
			return pick(m, []string{
				name[:at] + name[at+1:], name[:at] + name[at:at+1] + name[at:], "? " + name, "<<: *a\n" + name, strings.ToUpper(name), "- " + name, name + " " + name,
			})
		})
	case 1:
		return "a: &a [x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c, *c, *c]\n" + text
	case 2:
		return text + pick(m, []string{"\n---\nservices: {}\n", "\n...\n", "\nservices: {}\n", "\n" + strings.Repeat("[", 3000), "\n" + strings.Repeat("a: {", 200)})
	}
	return m.replace(text, aValue, func(value string) string {
		return ": " + pick(m, []string{
			"[]", "{}", "null", "~", "[ a, b ]", "{ a: b }", "*nowhere", "&here x", "!!binary eA==", "!!int 7", "|\n  x", ">\n  x", "[[[[[[]]]]]]", "\n", "- x", "\"" + "open",
			value[2:] + value[2:],
		})
	})
}

// kinds are values of one kind, and the edges of that kind.
var kinds = []struct {
	of    *regexp.Regexp
	edges []string
}{
	{regexp.MustCompile(`^\d+(ms|s|m|h)$`), []string{"0s", "1ns", "1ms", "10ms", "50ms", "100ms", "1s", "1m", "1h", "24h", "720h", "8760h", "-1s", "999999h"}},
	{regexp.MustCompile(`^\d+/`), []string{"0/second", "1/second", "1/hour", "7/minute", "1000000/second", "2147483647/second", "2147483648/hour", "1/0s"}},
	{regexp.MustCompile(`^\d+%$`), []string{"0%", "1%", "99%", "100%", "101%", "-1%", "0.5%"}},
	{regexp.MustCompile(`^\d+[KMG]?B$`), []string{"0B", "1B", "256B", "8KiB", "1MB", "64MB", "1000GB", "1001GB", "1.5MB"}},
	{regexp.MustCompile(`^\d+$`), []string{"0", "1", "2", "5", "64", "100", "1000", "1000000", "2147483647", "9223372036854775807", "9223372036854775808", "-1"}},
	{regexp.MustCompile(`^"?/`), []string{"/", "/a", "/a/b/c", "/steady", "/v1", "/v1/ner/deeper", "//", "/a%2fb", "/..", "/ä"}},
	{regexp.MustCompile(`^[a-z]+\.localhost$`), []string{"127.0.0.1", "localhost", "*.localhost", "a.b.c.localhost", "xn--a.localhost", "_x.localhost", "localhost:80"}},
	{regexp.MustCompile(`^(key|public|least_requests|refuse|true|false)$`), []string{"key", "public", "forward_auth", "round_robin", "ewma", "sticky", "serve-unmetered", "true", "false"}},
}

// value puts values at the edges of what a field takes, and beyond.
func (m *mutator) value(text string) string {
	return m.replace(text, aValue, func(was string) string {
		was = strings.TrimSpace(was[1:])
		for _, kind := range kinds {
			if kind.of.MatchString(was) && m.dice.IntN(4) > 0 {
				return ": " + pick(m, kind.edges)
			}
		}
		return ": " + pick(m, []string{
			"0", "-1", "1", "1e309", ".nan", ".inf", "0x10", "1_000", "9223372036854775807", "9223372036854775808", "2147483648",
			"0s", "-1s", "1ns", "1ms", "100ms", "10s", "2562047h", "999999h", "1d", "0B", "1B", "1KB", "999999999GB", "-5MB",
			"0/second", "1/0s", "1/second", "100/minute", "7/hour", "2147483647/second", "2147483648/second", "1000000000000000/hour",
			`""`, `" "`, "true", "no", "2026-01-01", strings.Repeat("x", 70_000), "\"\u202eevil\"", "${NOT_THERE}", "${file:/nowhere}", "${", "$${x}",
			`"http://"`, `"http://user:hunter2hunter2@127.0.0.1"`, `"h2c://[::1"`, `"http://127.0.0.1:99999"`, `"http://127.0.0.1:1/base"`, "ftp://x", "/", "//", "/..", "/%00", "/a%2fb", "*", "*.example.com", "exämple.com",
			"key", "public", "sticky", "ewma", "always", "serve-unmetered", "per", "0%", "101%", "2",
		})
	})
}

// replace puts something else in the place of one match.
func (m *mutator) replace(text string, what *regexp.Regexp, by func(string) string) string {
	found := what.FindAllStringIndex(text, -1)
	if len(found) == 0 {
		return text + "\n" + by("x: y")
	}
	at := pick(m, found)
	return text[:at[0]] + by(text[at[0]:at[1]]) + text[at[1]:]
}
