package toll

// ImportedKind is what an external ID names.
type ImportedKind string

// The kinds.
const (
	ImportedCustomer ImportedKind = "customer"
	ImportedKey      ImportedKind = "key"
)

// Imported ties what another system calls a thing to what it is here, so that
// the same import done again makes nothing twice.
type Imported struct {
	Kind     ImportedKind
	External string // 1 to 200 bytes; unique within its kind
	ID       string // cus_… or key_…
}
