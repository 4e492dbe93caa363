package billing_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"math/big"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestReadsPricesExactly(t *testing.T) {
	t.Parallel()
	for text, want := range map[toll.Decimal]string{
		"0": "0", "29.00": "29", "0.00002": "0.00002", "007.5": "7.5",
		"999999999999999.999999999999999": "999999999999999.999999999999999",
		"0.000000000000001":               "0.000000000000001",
	} {
		if got, err := billing.ParsePrice(text); err != nil || got.String() != want {
			t.Errorf("%s: got %s and %v, want %s", text, got, err, want)
		}
	}
}

func TestRefusesWhatIsNoPrice(t *testing.T) {
	t.Parallel()
	for _, text := range []toll.Decimal{
		"", ".", "1.", ".5", "-1", "+1", "1e3", "1E-3", "0x10", "1_000", "1,5", "1 ", " 1", "1.2.3", "NaN", "Inf", "١", "−1",
		"1000000000000000", "0.0000000000000001", toll.Decimal(strings.Repeat("9", 5000)),
	} {
		if got, err := billing.ParsePrice(text); !errors.Is(err, billing.ErrPrice) {
			t.Errorf("%.20q: got %s and %v", text, got, err)
		} else if len(err.Error()) > 250 {
			t.Errorf("%.20q: the message has %d bytes", text, len(err.Error()))
		}
	}
}

func FuzzParsePrice(f *testing.F) {
	for _, seed := range []string{"0", "29.00", "0.00002", "1e9", "-0", "1.", "00.10", "9999999999999999"} {
		f.Add(seed)
	}
	form := regexp.MustCompile(`^[0-9]{1,15}(\.[0-9]{1,15})?$`)
	f.Fuzz(func(t *testing.T, text string) {
		price, err := billing.ParsePrice(toll.Decimal(text))
		if (err == nil) != form.MatchString(text) {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil {
			want, _ := new(big.Rat).SetString(text)
			if price.Rat().Cmp(want) != 0 {
				t.Fatalf("%q was read as %s", text, price)
			}
		}
	})
}

// The compiler cannot forbid floats, so this test does, for the code of this
// package and for Money.
func TestNoFloatTouchesMoney(t *testing.T) {
	t.Parallel()
	var files []string
	for _, folder := range []string{".", "../toll"} {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && (folder == "." || name == "money.go") {
				files = append(files, folder+"/"+name)
			}
		}
	}
	if len(files) < 6 {
		t.Fatalf("only %v were found", files)
	}
	set := token.NewFileSet()
	for _, name := range files {
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if strings.Contains(strings.ToLower(n.Name), "float") {
					t.Errorf("%s: %s", set.Position(n.Pos()), n.Name)
				}
			case *ast.BasicLit:
				if n.Kind == token.FLOAT {
					t.Errorf("%s: %s", set.Position(n.Pos()), n.Value)
				}
			}
			return true
		})
	}
}
