// Package accounttest helps to test what is built on account: Store is a
// database in memory, TestStore is the suite that every account.Store passes,
// and the rest are small, quick stand-ins for what an office needs.
//
//	func TestStore(t *testing.T) {
//		accounttest.TestStore(t, func(t *testing.T) account.Store { return open(t) })
//	}
package accounttest
