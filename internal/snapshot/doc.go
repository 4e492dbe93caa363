// Package snapshot keeps what the gate needs of the store in one local file, so
// that a program can start and serve while its database is away.
//
//	store ──── all of it, now and then ────┐
//	changes of customers and keys ─────────┤► Keeper ─► DATA/snapshot ─► Open, at a start without the store
//	batches that the store has (drainer) ──┘
//
// The file holds customers, keys (their hashes, never their texts) and what was
// used in each quota's period (meter.Quotas says which there are), together with how far each journal lane was
// drained when that was so. What came after lies in the lanes: the drainer
// leaves there what the file does not have (meter.Keeper). So the file and the
// lanes together are as exact as the database.
//
// A file is written beside and put in place whole. One that is damaged, of
// another installation or of another format is refused, and nothing of it used.
package snapshot
