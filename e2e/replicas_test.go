package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestThreeReplicasShareOneQuotaThroughRedis(t *testing.T) {
	t.Parallel()
	const quota = 1500
	r := undisturbed(t, func() (*replicas, func()) {
		r := startReplicas(t, 3, fmt.Sprintf("quotas: [ { name: monthly, unit: requests, limit: %d, every: month } ]", quota))
		began := time.Now()
		first := r.load(24, 100) // 2400, by 24 callers, to all three in turn
		admitted := first[200]
		took, ended, stranded := time.Since(began), time.Now(), max(0, quota-admitted)
		until(t, "what was stranded is back", func() bool { // unused leases are, after a second
			admitted += r.load(6, 5)[200]
			return admitted >= quota
		})
		back := time.Since(ended)
		admitted += r.load(6, 20)[200]
		return r, func() {
			t.Logf("%d callers, 3 replicas, quota %d: %v in %s", 24, quota, first, took.Round(time.Millisecond))
			t.Logf("overshoot %d; stranded at the end of the load %d, all back after %s", max(0, admitted-quota), stranded, back.Round(time.Millisecond))
			if len(first) > 2 || first[200]+first[429] != 2400 {
				t.Errorf("answers %v", first)
			}
			if admitted != quota {
				t.Errorf("%d were admitted in all, want %d", admitted, quota)
			}
		}
	})

	// What a replica has told Redis since the others looked last they cannot bring
	// back, so all of it is told, and all have looked.
	until(t, "all that was used is told", func() bool { return r.toldUsed() == quota })
	for began := time.Now(); time.Since(began) < 200*time.Millisecond; {
		if got := r.load(6, 5); got[200] != 0 {
			t.Errorf("behind the end: %v", got)
		}
	}

	// The counter's only other copies are the store and the lanes.
	r.redis.Empty()
	if got := r.load(6, 20); got[200] != 0 {
		t.Errorf("an emptied Redis gave a fresh quota: %v", got)
	}
	r.redis.Kill()
	r.redis.Restart()
	if got := r.load(6, 20); got[200] != 0 {
		t.Errorf("a restarted Redis gave a fresh quota: %v", got)
	}

	// A replica that starts when Redis is empty brings what the store and its lane say.
	r.all[0].kill()
	r.redis.Empty()
	r.all[0].process = start(t, "serves at", "serve", "--config", r.all[0].file)
	r.all[0].url = strings.Fields(strings.SplitAfter(r.all[0].stdout.String(), "serves at ")[1])[0]
	if got := r.load(6, 20); got[200] != 0 {
		t.Errorf("after a kill and an emptied Redis: %v", got)
	}
}

// toldUsed is what Redis knows to be used of the first plan's quota.
func (r *replicas) toldUsed() (used int64) {
	r.t.Helper()
	client := r.redis.Client()
	defer func() { _ = client.Close() }()
	keys, err := client.Keys(r.t.Context(), "tollhouse:{"+r.plans[0].customer+"}:quota:*").Result()
	if err != nil || len(keys) != 1 {
		r.t.Fatalf("the quota's counters in Redis are %v (%v)", keys, err)
	}
	is, err := client.HGetAll(r.t.Context(), keys[0]).Result()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, part := range []string{"b", "n"} { // what was known when it was made, and what was told since
		n, err := strconv.ParseInt(is[part], 10, 64)
		if err != nil {
			r.t.Fatalf("the counter in Redis is %v: %v", is, err)
		}
		used += n
	}
	return used
}

func TestThreeReplicasLetNoMoreThanTheLimitPassAtOnce(t *testing.T) {
	t.Parallel()
	r := undisturbed(t, func() (*replicas, func()) {
		r := startReplicas(t, 3, "limits: [ { name: parallel, concurrency: 7 } ]")
		var group sync.WaitGroup
		var refused, answered atomic.Int64
		for i := range 21 {
			group.Go(func() {
				switch status, _ := r.call(i, "/api/held"); status {
				case 200:
					answered.Add(1)
				case 429:
					refused.Add(1)
				default:
					t.Errorf("answer %d", status)
				}
			})
		}
		until(t, "21 calls, held or refused", func() bool { return r.running.Load()+refused.Load() == 21 })
		atOnce := r.running.Load()
		close(r.held)
		group.Wait()
		return r, func() {
			if atOnce != 7 || answered.Load() != 7 {
				t.Errorf("%d calls at once and %d answered, want 7", atOnce, answered.Load())
			}
		}
	})
	until(t, "places are free again", func() bool { status, _ := r.call(0, "/api/x"); return status == 200 })
}
