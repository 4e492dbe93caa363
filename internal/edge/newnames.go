package edge

import (
	"fmt"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// What names below a wildcard host may cost: whoever can connect can make up
// names, and an authority takes only so many.
const (
	newNamesAtOnce  = 20
	newNameEvery    = 5 * time.Minute
	failedNameRests = 10 * time.Minute
	maxFailedNames  = 10_000
)

// newNames bounds how many names are asked for that have no certificate yet.
type newNames struct {
	clock toll.Clock

	mu      sync.Mutex
	next    time.Time // GCRA's theoretical arrival time
	resting map[string]time.Time
}

// take asks for one more name.
func (n *newNames) take() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.clock()
	if n.next.Before(now) {
		n.next = now
	}
	if wait := n.next.Sub(now) - (newNamesAtOnce-1)*newNameEvery; wait > 0 {
		return fmt.Errorf("%d new names have certificates already; the next may in %s", newNamesAtOnce, wait.Round(time.Second))
	}
	n.next = n.next.Add(newNameEvery)
	return nil
}

// failed lets a name rest that the authority refused.
func (n *newNames) failed(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.resting == nil || len(n.resting) >= maxFailedNames {
		n.resting = map[string]time.Time{}
	}
	n.resting[name] = n.clock().Add(failedNameRests)
}

// patient says whether a name may be asked for again.
func (n *newNames) patient(name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	until, resting := n.resting[name]
	if !resting {
		return nil
	}
	if left := until.Sub(n.clock()); left > 0 {
		return fmt.Errorf("the authority refused it; it is asked again in %s", left.Round(time.Second))
	}
	delete(n.resting, name)
	return nil
}
