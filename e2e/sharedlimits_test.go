package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// sharedPolicy is a policy of a plan under load on three replicas.
type sharedPolicy struct {
	name   string
	rate   *modelRate // nil: a quota
	limit  int64      // of the quota
	yaml   string
	leases int64 // what the other replicas may hold unused, at most
}

// seen is one answer of a replica, in Unix ns of one clock.
type seen struct {
	arrived, done int64
	admitted      bool
	replica       int
}

// overshoot is by how much what was admitted exceeds the policy, in the worst
// of all spans from an arrival to an end of an answer: a request was decided
// somewhere between its own.
func (p *sharedPolicy) overshoot(all []seen) (most int64) {
	var admitted []seen
	for _, s := range all {
		if s.admitted {
			admitted = append(admitted, s)
		}
	}
	if p.rate == nil {
		return max(0, int64(len(admitted))-p.limit)
	}
	slices.SortFunc(admitted, func(a, b seen) int { return int(a.done - b.done) })
	for _, first := range admitted {
		n := int64(0)
		for _, s := range admitted {
			if s.arrived < first.arrived {
				continue
			}
			n++
			most = max(most, n-p.rate.burst-(s.done-first.arrived)*p.rate.count/int64(p.rate.window))
		}
	}
	return most
}

// stranded is how many requests could have passed at once when one was refused,
// at the worst of them, and for how long such refusals went on without one that
// was right. policies are all that the request met. A refused request was decided
// somewhere between its arrival and its end: what was left then is taken to be
// the least that was left meanwhile.
func stranded(all []seen, policies []sharedPolicy) (most int64, longest time.Duration) {
	type moment struct {
		at    int64
		which int // of all
		ends  bool
	}
	var moments []moment
	for i, s := range all {
		moments = append(moments, moment{s.arrived, i, false})
		if !s.admitted {
			moments = append(moments, moment{s.done, i, true})
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return int(a.at - b.at) })
	base, used := moments[0].at, int64(0)
	left := func(at int64) int64 {
		least := int64(math.MaxInt64)
		for _, p := range policies {
			if p.rate != nil {
				least = min(least, p.rate.left(at-base))
			} else {
				least = min(least, p.limit-used)
			}
		}
		return least
	}
	open := map[int]int64{} // refused ones under way, with the least that was left
	began := int64(-1)
	for _, m := range moments {
		s := all[m.which]
		switch {
		case s.admitted:
			used++
			for _, p := range policies {
				if p.rate != nil {
					p.rate.take(m.at - base)
				}
			}
			now := left(m.at)
			for i := range open {
				open[i] = min(open[i], now)
			}
		case !m.ends:
			open[m.which] = left(m.at)
		default:
			n := max(0, open[m.which])
			delete(open, m.which)
			most = max(most, n)
			if n == 0 {
				began = -1
				continue
			}
			if began < 0 {
				began = s.arrived
			}
			longest = max(longest, time.Duration(s.done-began))
		}
	}
	return most, longest
}

// answersTo reads what the replicas, which have ended, answered to a customer.
// ahead is by how much the clock of each is.
func (r *replicas) answersTo(customer string, ahead []time.Duration) (all []seen) {
	for i, s := range r.all {
		for _, l := range accessLines(r.t, s.log()) {
			if l.Customer != customer {
				continue
			}
			arrived := l.Time.Add(-ahead[i]).UnixNano()
			done := arrived + int64(l.MS*1e6) + int64(time.Microsecond)
			all = append(all, seen{arrived, done, l.Status == 200, i})
		}
	}
	return all
}

// press has callers send requests to the replicas: to all of them at first, and
// to the first alone when two thirds of the time are over, or of what there is.
// It goes on until the time is over and a hundred were refused.
func (r *replicas) press(key string, there int64, callers int, during, pause time.Duration) {
	var group sync.WaitGroup
	var admitted, refused atomic.Int64
	began := time.Now()
	for range callers {
		group.Go(func() {
			for {
				took := time.Since(began)
				if took >= during && refused.Load() >= 100 || took > patience+during {
					return
				}
				to := rand.IntN(len(r.all))
				if took > during*2/3 || admitted.Load() > there*2/3 {
					to = 0
				}
				switch status, title := r.callWith(to, "/api/x", key); status {
				case 200:
					admitted.Add(1)
				case 429:
					refused.Add(1)
				default:
					r.t.Errorf("replica %d answers %d %s", to, status, title)
				}
				time.Sleep(time.Duration(rand.Int64N(int64(pause) + 1)))
			}
		})
	}
	group.Wait()
}

func rateOf(name string, count int64, window time.Duration) sharedPolicy {
	// No lease is more than half of its replica's part of what is left; and one may
	// flow back while a replica waits to hear that there was none.
	return sharedPolicy{name: name, rate: &modelRate{name: name, count: count, window: window, burst: count, whole: -1 << 62},
		yaml: fmt.Sprintf("{ name: %s, rate: %d/%s }", name, count, name), leases: 2*(count/6) + 1}
}

// pressShared presses three replicas with each policy alone and with all together,
// and holds what they answered to the bounds of docs/limits.md.
func pressShared(t *testing.T, what string, binaries []string, ahead []time.Duration, during time.Duration) *replicas {
	t.Helper()
	quota := sharedPolicy{name: "bought", limit: 5000, yaml: "{ name: bought, unit: requests, limit: 5000, every: month }", leases: 2 * (5000 / 6)}
	fresh := func() []sharedPolicy {
		return []sharedPolicy{rateOf("second", 10, time.Second), rateOf("minute", 100, time.Minute), rateOf("hour", 1000, time.Hour), quota}
	}
	plans := []planned{{name: "four"}, {name: "alone1"}, {name: "alone2"}, {name: "alone3"}, {name: "alone4"}}
	for i, p := range fresh() {
		plans[i+1].limits = "limits: [ " + p.yaml + " ]"
		if p.rate == nil {
			plans[i+1].limits = "quotas: [ " + p.yaml + " ]"
		}
	}
	f := fresh()
	plans[0].limits = "limits: [ " + f[0].yaml + ", " + f[1].yaml + ", " + f[2].yaml + " ], quotas: [ " + f[3].yaml + " ]"
	return undisturbed(t, func() (*replicas, func()) {
		r := startFleet(t, binaries, slices.Clone(plans)...)
		var group sync.WaitGroup
		for i, p := range r.plans {
			callers, pause, there := 64, 40*time.Millisecond, int64(math.MaxInt64/2)
			if i > 0 {
				callers = 12
			}
			switch i { // these have much to give, and little comes back
			case 3:
				pause, there = 4*time.Millisecond, 1000
			case 4:
				pause, there = 4*time.Millisecond, 5000
			}
			group.Go(func() { r.press(p.key, there, callers, during, pause) })
		}
		group.Wait()
		return r, func() {
			for _, s := range r.all {
				if status := s.interrupt(t); status != 0 {
					t.Errorf("exit %d", status)
				}
			}
			for i, plan := range r.plans {
				all := r.answersTo(plan.customer, ahead)
				policies := fresh()
				bound := policies[0].rate.burst // there is never more of all four
				if i > 0 {
					policies = policies[i-1 : i]
					bound = policies[0].leases
				}
				admitted, slowest := 0, time.Duration(0)
				for _, s := range all {
					if s.admitted {
						admitted++
					}
					slowest = max(slowest, time.Duration(s.done-s.arrived))
				}
				most, longest := stranded(all, policies)
				for _, p := range policies {
					over := p.overshoot(all)
					t.Logf("| %s | %s | %s | %d | %d | %d (bound 0) | %d (bound %d) for %s (bound 1 s) | %s |",
						what, plan.name, p.name, len(all), admitted, over, most, bound, longest.Round(time.Millisecond), slowest.Round(time.Millisecond))
					if over > 0 {
						t.Errorf("%s, %s: %d more than %s were admitted", what, plan.name, over, p.name)
					}
				}
				// A machine that holds up answers holds up the beats that bring leases back.
				if most > bound || longest > time.Second+2*slowest && proving() {
					t.Errorf("%s, %s: %d were stranded for %s, want at most %d for a second; the slowest answer took %s", what, plan.name, most, longest, bound, slowest)
				}
				if len(all) == admitted || admitted == 0 {
					t.Errorf("%s, %s: %d of %d admitted: the test decides nothing", what, plan.name, admitted, len(all))
				}
			}
		}
	})
}

func TestThreeReplicasKeepEachLimitWithinItsBounds(t *testing.T) {
	t.Parallel()
	pressShared(t, "three replicas", []string{binary, binary, binary}, make([]time.Duration, 3), min(limitSeconds(t, 6), 60*time.Second))
}

// programs are the ones that skewed has built.
var programs struct {
	sync.Mutex
	by map[time.Duration]string
}

// skewed builds the program with another system clock: everything else is as it
// is in every build.
func skewed(t *testing.T, by time.Duration) string {
	t.Helper()
	programs.Lock()
	defer programs.Unlock()
	if program := programs.by[by]; program != "" {
		return program
	}
	clock, err := filepath.Abs("../internal/toll/clock.go")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(clock)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(source), "return time.Now()", fmt.Sprintf("return time.Now().Add(%d)", by), 1)
	if other == string(source) {
		t.Fatal("toll.SystemClock is not what this test changes")
	}
	name := filepath.Join(filepath.Dir(binary), "skewed"+by.String()) // goes with the other one
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{clock: name + ".go"}})
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{name + ".go": []byte(other), name + ".json": overlay} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-overlay", name+".json", "-o", name, "github.com/tollhouse/tollhouse/cmd/tollhouse")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the program with another clock: %v\n%s", err, out)
	}
	if programs.by == nil {
		programs.by = map[time.Duration]string{}
	}
	programs.by[by] = name
	return name
}

// anHour is an hour, back where an hour on were another month, whose quota is
// another one: that follows the replica's own clock.
func anHour() time.Duration {
	if now := time.Now().UTC(); month(now) != month(now.Add(90*time.Minute)) {
		return -time.Hour
	}
	return time.Hour
}

// Time is Redis's: one replica's clock is an hour off.
func TestAReplicaWhoseClockIsAnHourOffKeepsTheSameLimits(t *testing.T) {
	t.Parallel()
	by := anHour()
	pressShared(t, "clock of one "+by.String()+" off", []string{binary, skewed(t, by), binary}, []time.Duration{0, by, 0}, min(limitSeconds(t, 4), 60*time.Second))
}
