package store

import (
	"context"
	"errors"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// TestLeavesNothingOfATransactionThatFailsInTheMiddle: SQLite has one writing
// connection, so a transaction that stays open would be the last.
func TestLeavesNothingOfATransactionThatFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, err := Open(ctx, Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	half := func(tx transaction) error {
		_, err := tx.ExecContext(ctx, `insert into plan_version (id, plan, document, loaded_at) values ('half', 'half', '{}', 1)`)
		return err
	}
	gone := func(what string) {
		t.Helper()
		if _, err := s.PlanVersion(ctx, "half"); toll.CodeOf(err) != toll.NotFound {
			t.Errorf("%s: the first half is there: %v", what, err)
		}
	}
	broken := errors.New("broken")
	err = s.write(ctx, fault{doing: "failing"}, func(tx transaction) error { return errors.Join(half(tx), broken) })
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of the transaction", err)
	}
	gone("an error")

	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = s.write(ctx, fault{doing: "panicking"}, func(tx transaction) error {
			if err := half(tx); err != nil {
				t.Error(err)
			}
			panic("in the middle")
		})
	}()
	gone("a panic")

	over, cancel := context.WithCancel(ctx)
	err = s.write(over, fault{doing: "cancelling"}, func(tx transaction) error {
		defer cancel()
		return half(tx)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	gone("a context that ends before the commit")
	if err := s.SavePlanVersion(ctx, toll.PlanVersion{ID: "whole"}, tolltest.Entry()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
