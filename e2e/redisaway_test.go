package e2e

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// metric adds up what all replicas count under a name, whatever the labels are
// between which with stands.
func (r *replicas) metric(name, with string) (sum int64) {
	r.t.Helper()
	line := regexp.MustCompile(`(?m)^` + name + `(\{[^}]*` + with + `[^}]*\})? (\d+)$`)
	for _, s := range r.all {
		for _, m := range line.FindAllStringSubmatch(r.get(s.admin()+"/metrics"), -1) {
			n, err := strconv.ParseInt(m[2], 10, 64)
			if err != nil {
				r.t.Error(err)
			}
			sum += n
		}
	}
	return sum
}

// Of each mode one quota and one rate limit: Redis is killed in the middle of a
// load, is away for another, and comes back in the middle of a third.
func TestWhileRedisIsAwayReplicasDoWhatTheLimitSays(t *testing.T) {
	t.Parallel()
	const quota, perSecond, replicas = 600, 60, 3
	for _, c := range []struct {
		mode             string
		least, most, bad int // of the quota, admitted in the outage of 1200 requests, and what the others are answered
	}{
		{"local-share", 1, quota, 429},
		{"open", 1200, 1200, 0},
		{"closed", 0, 0, 503},
	} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			r := startFleet(t, []string{binary, binary, binary},
				planned{name: "load", limits: fmt.Sprintf("quotas: [ { name: monthly, unit: requests, limit: %d, every: month, when_shared_away: %s } ]", quota, c.mode)},
				planned{name: "paced", limits: fmt.Sprintf("limits: [ { name: second, rate: %d/second, when_shared_away: %s } ]", perSecond, c.mode)})
			paced := r.plans[1].key
			before := r.load(6, 20)
			if before[200] != 120 {
				t.Fatalf("before: %v", before)
			}
			r.loadWith(paced, 3, 2)
			// Under load: killed in its middle, and started again in its middle.
			middle := make(chan map[int]int, 1)
			go func() { middle <- r.load(12, 20) }()
			r.redis.Kill()
			during := <-middle
			for i := range r.all {
				until(t, "the outage is known", func() bool { return strings.Contains(r.all[i].stderr.String(), "shared counters are away") })
			}
			away := r.load(12, 100)
			began := time.Now()
			pace := r.loadWith(paced, 12, 60)
			took := time.Since(began)
			gone, alone := r.metric("tollhouse_shared_limits_away", ""), r.metric("tollhouse_shared_limits_alone_total", "")
			go func() { middle <- r.load(12, 20) }()
			r.redis.Restart()
			after := <-middle
			for i := range r.all {
				until(t, "recovery", func() bool { return strings.Contains(r.all[i].stderr.String(), "shared counters are back") })
			}
			last, back := r.load(12, 20), r.loadWith(paced, 3, 1)
			total := before[200] + during[200] + away[200] + after[200] + last[200]
			t.Logf("| %s | quota of %d: killed in the middle of %v, away %v, started in the middle of %v, then %v | admitted %d, overshoot %d | rate of %d/s, away: %v in %s |",
				c.mode, quota, during, away, after, last, total, max(0, total-quota), perSecond, pace, took.Round(time.Millisecond))
			for _, some := range []map[int]int{during, away, after, last, pace, back} {
				for status, n := range some {
					if status != 200 && status != 429 && (status != 503 || c.mode != "closed") {
						t.Errorf("%d answers %d", n, status)
					}
				}
			}
			if away[200] < c.least || away[200] > c.most {
				t.Errorf("%d were admitted while it was away, want %d to %d", away[200], c.least, c.most)
			}
			if got := away[c.bad]; c.bad != 0 && got != 1200-away[200] {
				t.Errorf("while it was away: %v, want the others to be %d", away, c.bad)
			}
			if c.mode != "open" && total > quota+(quota-120)/2 { // open leases are never more than half of what is left
				t.Errorf("%d were admitted of %d", total, quota)
			}
			if c.mode == "closed" && last[200]+last[429] != 240 {
				t.Errorf("after recovery: %v", last)
			}
			if c.mode == "open" && last[200] != 0 {
				t.Errorf("what passed while it was away was forgotten: %v", last)
			}
			// A rate is divided too: each replica lets a third pass, and a third at once;
			// and what was leased may be used for its second, which is half of what was left at most.
			const leased = perSecond / 2
			share := perSecond + int(took.Seconds()*perSecond)
			switch {
			case c.mode == "local-share" && (pace[200] < perSecond/2 || pace[200] > share+leased || pace[429] != 720-pace[200]):
				t.Errorf("of the rate %v passed in %s, want at most %d and %d that were leased", pace, took, share, leased)
			case c.mode == "open" && pace[200] != 720, c.mode == "closed" && (pace[200] > leased || pace[503] != 720-pace[200]):
				t.Errorf("of the rate %v passed", pace)
			case back[200]+back[429] != 3:
				t.Errorf("of the rate, after recovery: %v", back)
			}
			// Each of it is counted.
			outages, asked := r.metric("tollhouse_shared_limits_outages_total", ""), r.metric("tollhouse_shared_limits_asked_total", "")
			limited, closed := r.metric("tollhouse_refusals_total", `reason="limit"`), r.metric("tollhouse_refusals_total", `reason="limits-away"`)
			t.Logf("%s: replicas that said so %d, outages %d, asked %d, decided alone %d, refused by limits %d, because undecided %d", c.mode, gone, outages, asked, alone, limited, closed)
			if gone != replicas || outages < replicas || alone < 1200+720 || r.metric("tollhouse_shared_limits_away", "") != 0 {
				t.Errorf("%d of the replicas say that it is away, %d outages, %d decided alone", gone, outages, alone)
			}
			var refused, undecided int
			for _, some := range []map[int]int{before, during, away, after, last, pace, back} {
				refused, undecided = refused+some[429], undecided+some[503]
			}
			if limited < int64(refused) || closed != int64(undecided) || limited+closed > int64(refused+undecided)+6 {
				t.Errorf("%d were refused and %d undecided; the metrics have %d and %d", refused, undecided, limited, closed)
			}
		})
	}
}
