package toll

import "encoding/hex"

// AddressHash stands for a client's address where a quota counts per IP: 96 bits
// of a SHA-256 of it, IPv6 by /64, with a key that only one data directory has,
// behind 32 that are the same for all of that key. The zero value is none.
type AddressHash [16]byte

// IsZero tells whether there is no address.
func (h AddressHash) IsZero() bool { return h == AddressHash{} }

// String is the hash in hexadecimal digits.
func (h AddressHash) String() string { return hex.EncodeToString(h[:]) }

// AddressUse is what one request counts of one quota per IP: how much of a unit,
// in which period, within which scope. It names the counter wholly, so that who
// adds it up needs to know no configuration.
type AddressUse struct {
	Unit              string
	Service, Endpoint string // the quota's scope; "" for all
	Every             Every  // Daily or Monthly
	Start             int64  // of the period, Unix seconds
	Count             int64
}
