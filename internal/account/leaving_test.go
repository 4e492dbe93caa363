package account_test

import (
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestDeletesACustomerForEver(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	made, err := h.CreateKey(ctx, h.chief, account.NewKey{CustomerID: h.acme.ID, Name: "Ann's laptop"})
	must(t, err)
	record, err := h.ExportCustomer(ctx, h.chief, h.acme.ID)
	must(t, err)
	if len(record["keys"]) != 1 || record["customer"][0]["name"] != h.acme.Name {
		t.Errorf("the export: %v", record)
	}
	c, err := h.DeleteCustomer(ctx, h.chief, h.acme.ID)
	must(t, err)
	if c.Status != toll.CustomerClosed || strings.Contains(c.Name, h.acme.Name) || !strings.HasSuffix(c.ID, strings.TrimPrefix(c.Name, "Deleted customer ")) {
		t.Errorf("deleted: %+v", c)
	}
	if k, err := h.Key(ctx, h.chief, made.Key.ID); err != nil || k.RevokedAt.IsZero() || k.Name != "" {
		t.Errorf("its key: %+v %v", k, err)
	}
	page, err := h.store.Entries(ctx, toll.EntryQuery{Action: string(account.DeleteCustomer)})
	must(t, err)
	if len(page.Entries) != 1 || page.Entries[0].Customer != c.ID || strings.Contains(page.Entries[0].Before+page.Entries[0].After, "name") {
		t.Errorf("its entry: %+v", page.Entries)
	}
	for what, err := range map[string]error{
		"resume": second(h.Resume(ctx, h.chief, c.ID)),
		"again":  second(h.DeleteCustomer(ctx, h.chief, c.ID)),
		"key":    second(h.CreateKey(ctx, h.chief, account.NewKey{CustomerID: c.ID, Name: "ci"})),
		"rename": second(h.RenameCustomer(ctx, h.chief, c.ID, "Back", 0)),
	} {
		if toll.CodeOf(err) != toll.Conflict || !strings.Contains(err.Error(), "closed") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
