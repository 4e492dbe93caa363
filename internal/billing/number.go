package billing

import "fmt"

// What the numbers of papers begin with. Each kind is counted by itself.
const (
	InvoicePrefix    = "INV-"
	CreditNotePrefix = "CN-"
)

// NumberOf is the number of the n-th paper of its kind, from 1: INV-000042. Of
// each kind there is one sequence without gaps: a number is taken in the
// transaction that stores its paper, after it is clear that the paper will be
// stored, and goes back with it if it is not. It is never given out again, also
// where the invoice is void.
func NumberOf(prefix string, n int64) string { return fmt.Sprintf("%s%06d", prefix, n) }
