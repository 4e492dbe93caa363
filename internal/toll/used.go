package toll

// Used is what a customer has used of a unit: chargeable amounts only, for
// this is what quotas count and bills bill.
type Used struct {
	Customer string
	Key      string // where it was asked for by key; else ""
	Unit     string
	Count    int64       // >= 0
	Address  AddressHash // where it was asked for by address, and Customer and Key are ""; else zero
}
