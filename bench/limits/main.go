// Command limits compares what deciding about a request by a rate limit costs,
// Tollhouse's way and others', in one run. It is a module of its own, so that
// the others' code stays out of Tollhouse's.
//
//	texts ─► each contender: a million keys seen once ─► bytes per key
//	      ─► rounds in turns: hot key, random keys; 1 goroutine, 2 ─► medians
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// texts are the keys' texts in one block: they belong to nobody's figure.
type texts struct{ all string }

const textLen = 44

func newTexts(n int) *texts {
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	r := rand.New(rand.NewPCG(7, 7))
	b := make([]byte, 0, n*textLen)
	for range n {
		b = append(b, "th_live_"...)
		for range textLen - 8 {
			b = append(b, base62[r.IntN(62)])
		}
	}
	return &texts{string(b)}
}

func (t *texts) len() int        { return len(t.all) / textLen }
func (t *texts) at(i int) string { return t.all[i*textLen : (i+1)*textLen] }

// measured is what one contender came to.
type measured struct {
	contender
	bytes  float64
	cells  map[cell][]sample
	allocs float64
	count
}

// count is how a contender decided. A refusal is a decision like another; it is
// told in the table, for who refuses has less to write.
type count struct{ admitted, refused int }

func (c *count) add(passed bool) {
	if passed {
		c.admitted++
	} else {
		c.refused++
	}
}

// cell is a column of the table.
type cell struct {
	random     bool
	goroutines int
}

type sample struct{ cpu, wall float64 } // ns per decision

var cells = []cell{{false, 1}, {false, 2}, {true, 1}, {true, 2}}

func main() {
	keys := flag.Int("keys", 1_000_000, "how many keys there are")
	ops := flag.Int("ops", 1_000_000, "decisions in a round")
	rounds := flag.Int("rounds", 5, "rounds of each, in turns")
	only := flag.String("only", "", "only contenders with one of these, comma between, in their name")
	flag.Parse()
	if err := run(*keys, *ops, *rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "limits:", err)
		os.Exit(1)
	}
}

func run(keys, ops, rounds int, only string) error {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // what is resident is much; it is the same for all
	t := newTexts(keys)
	load, others := loadAverage(), newMeanwhile()
	makers := []func() (contender, error){
		newTextOnly,
		func() (contender, error) { return newReads(1, keys) },
		func() (contender, error) { return newReads(3, keys) },
		func() (contender, error) { return newOurs("decide, one rate", oneRate, false, t) },
		func() (contender, error) { return newOurs("identify + decide, one rate", oneRate, true, t) },
		func() (contender, error) {
			return newOurs("identify + decide, a plan of rate, concurrency and quota", wholePlan, true, t)
		},
		newThrottled, newGoLimiter, newTimeRate, newArticle,
	}
	var all []*measured
	for _, create := range makers {
		before := heap()
		c, err := create()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(strings.Split(only, ","), func(part string) bool { return strings.Contains(c.name(), part) }) {
			continue
		}
		now, w := time.Now(), new(worker)
		m := &measured{contender: c, cells: map[cell][]sample{}}
		for i := range keys {
			m.add(c.decide(w, i, t.at(i), now))
		}
		m.bytes = float64(heap()-before) / float64(keys)
		m.allocs = allocations(m, t, ops)
		all = append(all, m)
		fmt.Fprintf(os.Stderr, "%-80s %4.0f bytes per key\n", c.name(), m.bytes)
	}
	order := rand.New(rand.NewPCG(3, 3)).Perm(1 << 16)
	for round := range rounds {
		runtime.GC()
		for i := range all {
			m := all[(i+round)%len(all)]
			for _, c := range cells {
				m.cells[c] = append(m.cells[c], measure(m, c, t, ops, order))
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
	}
	report(all, keys, ops, rounds, fmt.Sprintf("Load average before: %s, after: %s; other work used %.0f %% of the machine meanwhile.", load, loadAverage(), others.share()))
	for _, m := range all {
		m.close()
	}
	return nil
}

// measure has goroutines make ops decisions in all.
func measure(m *measured, c cell, t *texts, ops int, order []int) sample {
	var group sync.WaitGroup
	counts := make([]count, c.goroutines)
	began, cpu := time.Now(), cpuTime()
	for g := range c.goroutines {
		group.Go(func() {
			var made count
			now, w := time.Now(), new(worker)
			x, n := uint64(g)*0x9e3779b97f4a7c15+uint64(order[g]), uint64(t.len())
			for range ops / c.goroutines {
				now = now.Add(100) // one reading of the clock belongs to the request, not to the limit
				i := 0
				if c.random {
					x += 0x9e3779b97f4a7c15 // splitmix64
					z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
					i = int((z ^ z>>27) % n)
				}
				made.add(m.decide(w, i, t.at(i), now))
			}
			counts[g] = made
		})
	}
	group.Wait()
	used, took := cpuTime()-cpu, time.Since(began)
	for _, n := range counts {
		m.admitted, m.refused = m.admitted+n.admitted, m.refused+n.refused
	}
	done := float64(ops / c.goroutines * c.goroutines)
	return sample{cpu: float64(used) / done, wall: float64(took) / done}
}

func allocations(m *measured, t *texts, ops int) float64 {
	var before, after runtime.MemStats
	now, w := time.Now(), new(worker)
	n := min(ops, 100_000)
	runtime.ReadMemStats(&before)
	for i := range n {
		m.add(m.decide(w, i%t.len(), t.at(i%t.len()), now))
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func median(of []sample, pick func(sample) float64) float64 {
	list := make([]float64, len(of))
	for i, s := range of {
		list[i] = pick(s)
	}
	slices.Sort(list)
	return list[len(list)/2]
}

func least(of []sample, pick func(sample) float64) float64 {
	v := pick(of[0])
	for _, s := range of {
		v = min(v, pick(s))
	}
	return v
}

func report(all []*measured, keys, ops, rounds int, circumstances string) {
	fmt.Printf("%s, %s, %d CPUs (%s), %s. %d keys, %d rounds of %d decisions in turns, CPU time per decision: median (least). ",
		time.Now().Format(time.DateOnly), runtime.Version(), runtime.NumCPU(), processor(), kernel(), keys, rounds, ops)
	fmt.Printf("%s\n\n", circumstances)
	fmt.Println("| | hot key, 1 goroutine ns | hot key, 2 ns | random keys, 1 ns | random keys, 2 ns | allocations | bytes per key | admitted | refused |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	for _, m := range all {
		fmt.Printf("| %s |", m.name())
		for _, c := range cells {
			cpu := func(s sample) float64 { return s.cpu }
			fmt.Printf(" %.0f (%.0f) |", median(m.cells[c], cpu), least(m.cells[c], cpu))
		}
		fmt.Printf(" %.0f | %.0f | %d | %d |\n", m.allocs, m.bytes, m.admitted, m.refused)
	}
}
