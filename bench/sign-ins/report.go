package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

type facts struct {
	crowd, pace, rounds, cores int
	length                     time.Duration
	before, peak, after        int64
	alone, beside              []time.Duration
	crowds                     tally
	load                       string
}

func report(f facts) {
	fmt.Printf("%s, %s, %d CPUs, load average %s. %d signing in at once, %d gateway requests a second, %d rounds of %s each without and with.\n\n",
		time.Now().UTC().Format(time.DateOnly), runtime.Version(), f.cores, f.load, f.crowd, f.pace, f.rounds, f.length)
	fmt.Printf("| gateway requests | | p50 ms | p99 ms | most ms |\n|---|---|---|---|---|\n")
	for _, row := range []struct {
		name string
		took []time.Duration
	}{{"nobody signs in", f.alone}, {fmt.Sprintf("%d sign in", f.crowd), f.beside}, {"(a sign-in itself)", f.crowds.took}} {
		if len(row.took) == 0 {
			continue
		}
		slices.Sort(row.took)
		ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
		fmt.Printf("| %s | %d | %.1f | %.1f | %.1f |\n", row.name, len(row.took), ms(row.took[len(row.took)/2]), ms(row.took[len(row.took)*99/100]), ms(row.took[len(row.took)-1]))
	}
	fmt.Printf("\nSign-ins: %d that went in, %d told that it is wrong, %d told to come again.\n", f.crowds.in, f.crowds.wrong, f.crowds.busy)
	const mb = 1 << 20
	fmt.Printf("\nResident memory: %.0f MiB before, %.0f at its peak (%.0f more, %.0f for each core), %.0f at the end.\n",
		float64(f.before)/mb, float64(f.peak)/mb, float64(f.peak-f.before)/mb, float64(f.peak-f.before)/mb/float64(f.cores), float64(f.after)/mb)
}
