package mail

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// passOn are the functions that are given a kind and write the mail; who calls
// them is looked at. What ask writes are questions, which nobody sends.
var passOn = map[string]int{"mail": 2, "tell": 2, "ask": -1}

// decided are the kinds that end with what somebody decided.
var decided = []string{"approved", "rejected"}

// written finds the kinds of mail that a file of the program writes.
func written(t *testing.T, file *ast.File, at *token.FileSet) (kinds []string) {
	t.Helper()
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		inside := fn.Name.Name
		var kind func(e ast.Expr)
		kind = func(e ast.Expr) {
			switch e := e.(type) {
			case *ast.BasicLit:
				text, err := strconv.Unquote(e.Value)
				if err != nil {
					t.Fatal(err)
				}
				kinds = append(kinds, text)
				return
			case *ast.BinaryExpr:
				if prefix, ok := e.X.(*ast.BasicLit); ok {
					text, _ := strconv.Unquote(prefix.Value)
					for _, end := range decided {
						kinds = append(kinds, text+end)
					}
					return
				}
			case *ast.Ident:
				found := assigned(fn, e.Name)
				for _, value := range found {
					kind(value)
				}
				if _, passes := passOn[inside]; passes || len(found) > 0 {
					return
				}
			}
			t.Errorf("%s: this test cannot tell which kind of mail is written here; write the kind as a text", at.Position(e.Pos()))
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt: // tell is a function in a function
				if _, ok := n.Rhs[0].(*ast.FuncLit); ok {
					if name, ok := n.Lhs[0].(*ast.Ident); ok && passOn[name.Name] > 0 {
						return false
					}
				}
			case *ast.CompositeLit:
				letters := []ast.Expr{n}
				if list, ok := n.Type.(*ast.ArrayType); ok && isMail(list.Elt) {
					letters = n.Elts
				} else if !isMail(n.Type) {
					return true
				}
				for _, one := range letters {
					letter, ok := one.(*ast.CompositeLit)
					if !ok { // made elsewhere
						continue
					}
					for _, el := range letter.Elts {
						if kv, ok := el.(*ast.KeyValueExpr); ok && kv.Key.(*ast.Ident).Name == "Kind" {
							kind(kv.Value)
						}
					}
				}
			case *ast.CallExpr:
				name := ""
				switch f := n.Fun.(type) {
				case *ast.Ident:
					name = f.Name
				case *ast.SelectorExpr:
					name = f.Sel.Name
				}
				if i := passOn[name]; i > 0 && len(n.Args) > i && file.Name.Name == "account" {
					kind(n.Args[i])
				}
			}
			return true
		})
	}
	return kinds
}

// isMail tells whether a type is toll.Mail.
func isMail(e ast.Expr) bool {
	name, ok := e.(*ast.SelectorExpr)
	if !ok || name.Sel.Name != "Mail" {
		return false
	}
	from, ok := name.X.(*ast.Ident)
	return ok && from.Name == "toll"
}

// assigned are the expressions that a function gives to a name.
func assigned(fn *ast.FuncDecl, name string) (values []ast.Expr) {
	ast.Inspect(fn, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == len(a.Rhs) {
			for i, left := range a.Lhs {
				if id, ok := left.(*ast.Ident); ok && id.Name == name {
					values = append(values, a.Rhs[i])
				}
			}
		}
		return true
	})
	return values
}

func TestThereIsATextForEveryMailThatTheProgramWrites(t *testing.T) {
	t.Parallel()
	var found []string
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || strings.HasSuffix(d.Name(), "test")):
			return fs.SkipDir
		case d.IsDir(), !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "_test.go"), strings.HasSuffix(path, "_templ.go"):
			return nil
		}
		source, err := os.ReadFile(filepath.Join("..", path))
		if err != nil || !strings.Contains(string(source), "ail") {
			return err
		}
		at := token.NewFileSet()
		file, err := parser.ParseFile(at, path, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		found = append(found, written(t, file, at)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	if found = slices.Compact(found); !slices.Equal(found, Kinds()) {
		t.Errorf("the program writes mails of the kinds\n%q, there are texts for\n%q", found, Kinds())
	}
}

func TestSaysWhatWasDecidedInTheReadersWords(t *testing.T) {
	t.Parallel()
	l, err := NewLetters("Acme", nil)
	if err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[string]map[toll.ApprovalKind]string{
		"en": {toll.ApprovePlan: "Rejected: the plan x1", toll.ApproveLimit: "Rejected: a higher limit, x1", toll.ApproveModel: "Rejected: the model x1"},
		"fr": {toll.ApprovePlan: "Refusé : le forfait x1", toll.ApproveLimit: "Refusé : une limite plus haute, x1", toll.ApproveModel: "Refusé : le modèle x1"},
		"es": {toll.ApprovePlan: "Rechazado: el plan x1", toll.ApproveLimit: "Rechazado: un límite más alto, x1", toll.ApproveModel: "Rechazado: el modelo x1"},
	} {
		for _, what := range toll.ApprovalKinds() {
			got, err := l.Write(toll.Mail{Kind: "approval.rejected", Language: lang, Values: map[string]string{"what": string(what), "subject": "x1", "reason": "Pay first."}})
			if err != nil || got.Subject != want[what] || !strings.Contains(got.Text, "Pay first.") {
				t.Errorf("%s, %s: %q, %q, %v", lang, what, got.Subject, got.Text, err)
			}
		}
	}
}
