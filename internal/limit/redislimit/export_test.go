package redislimit

import "time"

// Pass lets the server's clock be later for this ledger from now on.
func (l *Ledger) Pass(d time.Duration) { l.skew += d }
