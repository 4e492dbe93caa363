package extract_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/examples/ner/extract"
)

var update = flag.Bool("update", false, "rewrite the table in examples/ner/README.md")

// A goldSentence is a sentence and what a person found in it.
type goldSentence struct {
	file string
	line int
	text string
	want []extract.Extraction
}

// readGold reads a file of sentences in which an entity is written
// [TYPE its text].
func readGold(t *testing.T, name string) []goldSentence {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var out []goldSentence
	for n, line := range strings.Split(strings.TrimRight(string(raw), "\n"), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		s := goldSentence{file: name, line: n + 1}
		for line != "" {
			before, rest, marked := strings.Cut(line, "[")
			s.text += before
			if !marked {
				break
			}
			kind, rest, ok := strings.Cut(rest, " ")
			entity, rest, closed := strings.Cut(rest, "]")
			if !ok || !closed || !isType(kind) {
				t.Fatalf("%s:%d: an entity is written [TYPE its text]", name, n+1)
			}
			start := utf8.RuneCountInString(s.text)
			s.want = append(s.want, extract.Extraction{Start: start, End: start + utf8.RuneCountInString(entity), Type: extract.Type(kind), Text: entity})
			s.text += entity
			line = rest
		}
		out = append(out, s)
	}
	return out
}

func isType(text string) bool {
	for _, t := range extract.Types() {
		if string(t) == text {
			return true
		}
	}
	return false
}

// A tally counts exact matches: same start, same end, same type.
type tally struct{ right, found, gold int }

func (t tally) precision() float64 { return ratio(t.right, t.found) }
func (t tally) recall() float64    { return ratio(t.right, t.gold) }
func (t tally) f1() float64 {
	if t.right == 0 {
		return 0
	}
	p, r := t.precision(), t.recall()
	return 2 * p * r / (p + r)
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// score compares what the extractor finds with the gold. With verbose it logs
// each difference, which is for tuning: only ever used on tune.txt.
func score(t *testing.T, sentences []goldSentence, verbose bool) map[extract.Type]tally {
	t.Helper()
	x, err := extract.New()
	if err != nil {
		t.Fatal(err)
	}
	tallies := map[extract.Type]tally{}
	for _, s := range sentences {
		got := x.Extract(s.text)
		right := map[extract.Extraction]bool{}
		for _, e := range s.want {
			n := tallies[e.Type]
			n.gold++
			tallies[e.Type] = n
			right[e] = true
		}
		wrong := len(got) != len(s.want)
		for _, e := range got {
			n := tallies[e.Type]
			n.found++
			if right[e] {
				n.right++
			} else {
				wrong = true
			}
			tallies[e.Type] = n
		}
		if wrong && verbose {
			t.Logf("%s:%d: %s\n  got  %v\n  want %v", s.file, s.line, s.text, got, s.want)
		}
	}
	return tallies
}

func sum(tallies map[extract.Type]tally) tally {
	var all tally
	for _, n := range tallies {
		all.right, all.found, all.gold = all.right+n.right, all.found+n.found, all.gold+n.gold
	}
	return all
}

// TestScores holds the table in the README to what the code does, and the code
// to a floor.
func TestScores(t *testing.T) {
	t.Parallel()
	sets := []struct {
		name  string
		file  string
		tuned bool
		floor float64 // of F1 over all types
	}{
		{"tuned on", "tune.txt", true, 0.95},
		{"held out", "heldout.txt", false, 0.90},
		{"hard", "hard.txt", false, 0.60},
	}
	var table bytes.Buffer
	fmt.Fprint(&table, "| sentences | type | precision | recall | F1 | found | of them right | in the gold |\n|---|---|---:|---:|---:|---:|---:|---:|\n")
	for _, set := range sets {
		sentences := readGold(t, set.file)
		scores := score(t, sentences, testing.Verbose() && set.tuned)
		row := func(kind string, n tally) {
			fmt.Fprintf(&table, "| %s (%d) | %s | %.2f | %.2f | %.2f | %d | %d | %d |\n",
				set.name, len(sentences), kind, n.precision(), n.recall(), n.f1(), n.found, n.right, n.gold)
		}
		for _, kind := range extract.Types() {
			row(string(kind), scores[kind])
		}
		row("**all**", sum(scores))
		if f1 := sum(scores).f1(); f1 < set.floor {
			t.Errorf("%s: F1 %.2f is under the floor of %.2f", set.file, f1, set.floor)
		}
	}
	t.Logf("\n%s", table.String())

	keepTable(t, filepath.Join("..", "README.md"), table.String())
}

const tableStart, tableEnd = "<!-- scores: written by go test ./examples/ner/extract -run TestScores -update -->\n", "<!-- end of scores -->"

// keepTable compares the table in the README with the measured one, or writes
// it there with -update.
func keepTable(t *testing.T, file, table string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), tableStart)
	old, after, closed := strings.Cut(rest, tableEnd)
	if !ok || !closed {
		t.Fatalf("%s has lost the marks around its table", file)
	}
	if old == table {
		return
	}
	if !*update {
		t.Errorf("the table in %s is not what the code scores; run: go test ./examples/ner/extract -run TestScores -update", file)
		return
	}
	if err := os.WriteFile(file, []byte(before+tableStart+table+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
