package account_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func newImports(t *testing.T, h *house) *account.Imports {
	t.Helper()
	i, err := account.NewImports(h.store, account.ImportOptions{Plans: h.plans, Changed: h.changes, Clock: h.clock.now, Foreign: func(text string) ([32]byte, string, error) {
		if len(text) < 20 {
			return [32]byte{}, "", toll.FieldError("key", "The key is too short.")
		}
		return sha256.Sum256([]byte(text)), text[len(text)-4:], nil
	}})
	must(t, err)
	return i
}

const customersCSV = "external_id,name,plan,since,status\n42,ACME,pro,2024-03-01,\n\"43\",\"Über, \"\"GmbH\"\"\",free,,suspended\n"

func TestAnImportSaysWhatItWouldDoAndThenDoesItOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	i := newImports(t, h)
	ctx := t.Context()
	before, err := h.Customers(ctx, h.chief, toll.CustomerQuery{})
	must(t, err)
	out, err := i.File(ctx, h.chief, toll.ImportedCustomer, []byte(customersCSV), false)
	must(t, err)
	if out.Done || len(out.New) != 2 || len(out.Known) != 0 || len(out.Faults) != 0 || out.New[1].Line != 3 || out.New[1].ID != "" {
		t.Errorf("it would do %+v", out)
	}
	if after, err := h.Customers(ctx, h.chief, toll.CustomerQuery{}); err != nil || len(after.Customers) != len(before.Customers) {
		t.Errorf("a preview made customers: %v", err)
	}
	out, err = i.File(ctx, h.chief, toll.ImportedCustomer, []byte(customersCSV), true)
	must(t, err)
	if !out.Done || len(out.New) != 2 {
		t.Fatalf("it did %+v", out)
	}
	c, err := h.Customer(ctx, h.chief, out.New[1].ID)
	must(t, err)
	if c.Name != `Über, "GmbH"` || c.Status != toll.CustomerSuspended || c.Subscription.Plan != "free" || c.Subscription.PlanVersion != "free@1" {
		t.Errorf("the customer is %+v", c)
	}
	if c, err := h.Customer(ctx, h.chief, out.New[0].ID); err != nil || c.Subscription.Since.Format("2006-01-02") != "2024-03-01" {
		t.Errorf("the customer is %+v, %v", c, err)
	}
	if told, _ := h.changes.Take(); len(told) != 2 {
		t.Errorf("the gate was told of %d customers", len(told))
	}
	again, err := i.File(ctx, h.chief, toll.ImportedCustomer, []byte("\ufeff"+strings.ReplaceAll(strings.ReplaceAll(customersCSV, "ACME", "ACME Ltd"), "\n", "\r\n")), true)
	must(t, err)
	if len(again.New) != 0 || len(again.Known) != 2 || again.Known[0].ID != out.New[0].ID || fmt.Sprint(again.Known[0].Differs) != "[name]" || len(again.Known[1].Differs) != 0 {
		t.Errorf("imported again it did %+v", again)
	}
	if c, err := h.Customer(ctx, h.chief, out.New[0].ID); err != nil || c.Name != "ACME" {
		t.Errorf("an import changed what was there: %+v, %v", c, err)
	}

	hash := sha256.Sum256([]byte("another-system-s-key-1234567890"))
	keys := "customer;name;key;sha256;hint;mode;services;external_id\n42;production;sk-old-abcdefghijklmnop;;;;;k1\n" +
		h.acme.ID + ";hashed;;" + hex.EncodeToString(hash[:]) + ";7890;test;ner ocr;\n"
	done, err := i.File(ctx, h.chief, toll.ImportedKey, []byte(keys), true)
	must(t, err)
	if !done.Done || len(done.New) != 2 || done.New[0].Customer != out.New[0].ID {
		t.Fatalf("it did %+v", done)
	}
	k, err := h.store.Key(ctx, done.New[1].ID)
	must(t, err)
	if k.Hash != hash || k.Hint != "7890" || k.Mode != toll.Test || fmt.Sprint(k.Services) != "[ner ocr]" || k.CustomerID != h.acme.ID {
		t.Errorf("the key is %+v", k)
	}
	if k, err := h.store.Key(ctx, done.New[0].ID); err != nil || k.Hash != sha256.Sum256([]byte("sk-old-abcdefghijklmnop")) || k.Hint != "mnop" || k.Mode != toll.Live {
		t.Errorf("the key is %+v, %v", k, err)
	}
	same, err := i.File(ctx, h.chief, toll.ImportedKey, []byte(keys), true)
	must(t, err)
	if len(same.New) != 0 || len(same.Known) != 2 {
		t.Errorf("imported again it did %+v", same)
	}
	if shown, _ := json.Marshal(done); strings.Contains(string(shown), "sk-old") || strings.Contains(string(shown), hex.EncodeToString(hash[:8])) {
		t.Errorf("what is told holds a key: %s", shown)
	}
}

func TestAnImportWithAWrongLineDoesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind  toll.ImportedKind
		lines string
		line  int
		says  string
	}{
		"no external_id":      {toll.ImportedCustomer, "external_id,name,plan\n,ACME,pro\n", 2, "empty"},
		"twice":               {toll.ImportedCustomer, "external_id,name,plan\n1,A,pro\n1,B,pro\n", 3, "line 2"},
		"no such plan":        {toll.ImportedCustomer, "external_id,name,plan\n1,A,pro\n2,B,prp\n", 3, `"pro"`},
		"no name":             {toll.ImportedCustomer, "external_id,name,plan\n1, ,pro\n", 2, "name"},
		"columns missing":     {toll.ImportedCustomer, "external_id,name,plan\n1,A\n2,B,pro\n", 2, "2 columns"},
		"in the future":       {toll.ImportedCustomer, "external_id,name,plan,since\n1,A,pro,2999-01-01\n", 2, "future"},
		"no day":              {toll.ImportedCustomer, "external_id,name,plan,since\n1,A,pro,01/02/2024\n", 2, "no moment"},
		"after many lines":    {toll.ImportedCustomer, "external_id,name,plan\n1,\"A\n\",pro\n2,C,none\n", 4, "plan"},
		"another's key":       {toll.ImportedKey, "customer,name,key\nCUS,ours,sk-old-abcdefghijklmnop\nOTHER,theirs,sk-old-abcdefghijklmnop\n", 3, "line 2"},
		"no customer":         {toll.ImportedKey, "customer,name,key\nnobody,x,sk-old-abcdefghijklmnop\n", 2, `"nobody"`},
		"short":               {toll.ImportedKey, "customer,name,key\nCUS,x,sesame\n", 2, "too short"},
		"both":                {toll.ImportedKey, "customer,name,key,sha256\nCUS,x,sk-old-abcdefghijklmnop,00\n", 2, "not both"},
		"neither":             {toll.ImportedKey, "customer,name,key,sha256\nCUS,x,,\n", 2, "either"},
		"no hash":             {toll.ImportedKey, "customer,name,sha256\nCUS,x,sk-old-abcdefghijklmnop\n", 2, "64 hexadecimal"},
		"expired already":     {toll.ImportedKey, "customer,name,key,expires_at\nCUS,x,sk-old-abcdefghijklmnop,2020-01-01\n", 2, "past"},
		"a hint that is more": {toll.ImportedKey, "customer,name,key,hint\nCUS,x,sk-old-abcdefghijklmnop,sk-old-abc\n", 2, "hint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			file := strings.NewReplacer("CUS", h.acme.ID, "OTHER", h.other.ID).Replace(c.lines)
			out, err := newImports(t, h).File(t.Context(), h.chief, c.kind, []byte(file), true)
			must(t, err)
			if out.Done || len(out.Faults) != 1 || out.Faults[0].Line != c.line || !strings.Contains(out.Faults[0].Says, c.says) {
				t.Errorf("it did %+v, want a fault in line %d with %q", out, c.line, c.says)
			}
			if said := fmt.Sprint(out.Faults); strings.Contains(said, "sk-old") || strings.Contains(said, "sesame") {
				t.Errorf("a fault tells a key: %s", said)
			}
			if customers, keys := h.changes.Take(); len(customers)+len(keys) > 0 {
				t.Errorf("something was made: %v %v", customers, keys)
			}
		})
	}
}

func TestRefusesAFileThatIsNoImport(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	i := newImports(t, h)
	for name, content := range map[string]string{
		"empty": "", "no head": "42,ACME,pro\n", "a column missing": "external_id,name\n", "twice": "external_id,name,plan,name\n",
		"unknown column": "external_id,name,plan,sk-old-abcdefghijklmnop\n", "not UTF-8": "external_id,name,plan\n1,caf\xe9,pro\n", "a quote open": "external_id,name,plan\n1,\"ACME,pro\n",
		"too large": strings.Repeat("x", account.MaxImport+1),
	} {
		_, err := i.File(t.Context(), h.chief, toll.ImportedCustomer, []byte(content), true)
		wantField(t, err, "file")
		if err != nil && strings.Contains(err.Error(), "sk-old") {
			t.Errorf("%s: the error tells a key: %v", name, err)
		}
	}
	support := h.chief
	support.Role = string(toll.OperatorSupport)
	for _, p := range []account.Person{h.owner, support, {}} {
		if _, err := i.File(t.Context(), p, toll.ImportedCustomer, []byte(customersCSV), false); toll.CodeOf(err) != toll.Forbidden && toll.CodeOf(err) != toll.Unauthorized {
			t.Errorf("%s may import: %v", p.Subject(), err)
		}
	}
}

func FuzzImport(f *testing.F) {
	for _, seed := range []string{customersCSV, "", "external_id,name,plan\n\"", "external_id;name;plan\n1;2;3", "\ufeffexternal_id,name,plan\r\n1,x,free"} {
		f.Add([]byte(seed), true)
		f.Add([]byte(strings.Replace(seed, "external_id,name,plan", "customer,name,key", 1)), false)
	}
	f.Fuzz(func(t *testing.T, content []byte, customers bool) {
		h := newHouse(t)
		kind := toll.ImportedKey
		if customers {
			kind = toll.ImportedCustomer
		}
		out, err := newImports(t, h).File(t.Context(), h.chief, kind, content, true)
		if err != nil {
			if toll.CodeOf(err) != toll.Invalid {
				t.Error(err)
			}
			return
		}
		if made, keys := h.changes.Take(); out.Done != (len(out.Faults) == 0) || !out.Done && len(made)+len(keys) > 0 || out.Done && len(made)+len(keys) != len(out.New) {
			t.Errorf("it did %+v, and %d customers and %d keys were made", out, len(made), len(keys))
		}
	})
}
