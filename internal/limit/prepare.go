package limit

import (
	"context"
	"time"
)

// Prepare has the ledger know the customer's quotas before usage is added that
// is told late: what it learns from the store then is without that. It does
// nothing where nothing is shared, and while the ledger is away.
func Prepare(ctx context.Context, now time.Time, p Partitions, sets ...*Set) {
	if p.SharedCustomer == nil {
		return
	}
	for _, s := range sets {
		s.refresh(ctx, now, p, true)
	}
}
