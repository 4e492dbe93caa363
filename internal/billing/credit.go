package billing

import (
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Credit is money that a customer has with us: it pays invoices in its currency,
// the oldest first, after tax.
type Credit struct {
	ID        string // crd_…
	Customer  string
	Amount    toll.Money // more than nothing
	Remaining toll.Money // what no invoice has taken yet
	Note      string
	Invoice   string // the ID of the one that it was carried from, "" where it was granted
	GrantedAt time.Time
}
