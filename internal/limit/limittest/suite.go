package limittest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Subject is a ledger to be examined, empty and used by nobody else.
type Subject struct {
	Ledger limit.Ledger
	Pass   func(time.Duration) // lets time pass for it
	Lose   func()              // makes it forget everything
}

// Run examines a ledger. Time may also pass by itself, up to minutes.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *examined)
	}{
		{"CountsTheReplicasItHearsOf", countsReplicas},
		{"AQuotaThatIsNotThereIsMadeOnlyFromWhatTheStoreSaid", unseeded},
		{"GivesWhatIsNeededToTheLastUnitAndNothingBeyond", lastUnit},
		{"BatchesShrinkAsTheLimitNears", shrink},
		{"WhatIsSaidTwiceCountsOnce", twice},
		{"AnAskThatComesLateChangesNothing", late},
		{"WhatIsHandedBackOthersGet", handedBack},
		{"WhatIsGivenBackOthersGet", givenBack},
		{"TheLeaseOfAReplicaThatDiedComesBackAndItsUseStays", dead},
		{"AReplicaThatWasThoughtDeadCountsItsUseOnce", thoughtDead},
		{"ALostQuotaComesBackAsFullAsAnyReplicaKnowsIt", lostQuota},
		{"ALostQuotaThatTheStoreBroughtBackCountsNothingTwice", lostAndStored},
		{"AReplicaThatStartsNeverLowersAQuotaAndRaisesItToWhatTheStoreSaid", raises},
		{"ASmallerLimitHoldsAtOnce", smaller},
		{"PlacesAreFreeAgainWhenHandedBackAndWhenTheirReplicaDied", places},
		{"PeriodsPartitionsAndScopesAreCountedApart", apart},
		{"ARateGivesItsBurstAndThenOneForEachStep", rateSteps},
		{"WhatIsLeasedOfARateIsGivenToOneReplica", rateLeased},
		{"UnusedRoomOfARateIsGivenAgain", rateReturned},
		{"AUseIsCountedFromWhenItWas", rateAge},
		{"TheLeasesOfARateWhoseReplicaDiedComeBack", rateDead},
		{"ALostRateGivesNoFreshBurst", rateLost},
		{"WhatWasUsedTooLongAgoToBeToldIsKnownByItsMoment", rateMoment},
		{"AnotherRateOfOneNameKeepsWhatWasUsed", rateChanged},
		{"ManyReplicasAtOnceNeverGetMoreThanThereIs", crowd},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, &examined{Subject: open(t), seq: map[string]int64{}})
		})
	}
}

// examined is a subject and what the test has told it.
type examined struct {
	Subject
	mu  sync.Mutex
	seq map[string]int64
}

// ask exchanges one ask, with the next number of its replica.
func (e *examined) ask(t *testing.T, a limit.Ask) limit.Grant {
	t.Helper()
	if a.Seq == 0 {
		e.mu.Lock()
		id := fmt.Sprint(a.Replica, a.Counter)
		e.seq[id]++
		a.Seq = e.seq[id]
		e.mu.Unlock()
	}
	if a.Replicas == 0 {
		a.Replicas = 1
	}
	grants := make([]limit.Grant, 1)
	if err := e.Ledger.Exchange(t.Context(), []limit.Ask{a}, grants); err != nil {
		t.Fatal(err)
	}
	return grants[0]
}

var monthly = limit.Counter{Kind: toll.Quota, Who: "acme", What: "||requests|month", Period: 1793491200}

// quota is an ask of a replica for a monthly quota whose store says that floor was used.
func quota(replica string, need, limitIs, floor int64) limit.Ask {
	return limit.Ask{Counter: monthly, Replica: replica, Need: need, Limit: limitIs, Floor: floor, Sure: true}
}

func wantGranted(t *testing.T, g limit.Grant, want int64) {
	t.Helper()
	if g.Granted != want {
		t.Errorf("granted %d, want %d (%+v)", g.Granted, want, g)
	}
}

func wantUsed(t *testing.T, g limit.Grant, want int64) {
	t.Helper()
	if g.Used != want {
		t.Errorf("used %d, want %d (%+v)", g.Used, want, g)
	}
}

func countsReplicas(t *testing.T, e *examined) {
	for i, want := range []int{1, 2, 2, 3} {
		name := []string{"a", "b", "a", "c"}[i]
		if got, err := e.Ledger.Present(t.Context(), name); err != nil || got != want {
			t.Errorf("with %s there are %d replicas (%v), want %d", name, got, err, want)
		}
	}
	e.Pass(limit.DeadAfter + time.Second)
	if got, err := e.Ledger.Present(t.Context(), "b"); err != nil || got != 1 {
		t.Errorf("%d replicas (%v) when the others are dead, want 1", got, err)
	}
}

func crowd(t *testing.T, e *examined) {
	const replicas, each, limitIs = 8, 40, 100
	var group sync.WaitGroup
	var mu sync.Mutex
	var total int64
	for i := range replicas {
		name := fmt.Sprint("r", i)
		group.Go(func() {
			var used, acked int64
			generation := ""
			for range each {
				a := quota(name, 1, limitIs, 0)
				a.Used, a.Acked, a.Generation, a.Replicas, a.Spare = used, acked, generation, replicas, 5
				g := e.ask(t, a)
				acked, generation = used, g.Generation
				used += g.Granted
			}
			mu.Lock()
			total += used
			mu.Unlock()
		})
	}
	group.Wait()
	if total != limitIs {
		t.Errorf("%d were granted of %d", total, limitIs)
	}
}
