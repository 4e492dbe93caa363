package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cpuTime is what this process used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// meanwhile tells how much of the machine was used by others than this process,
// by which a reader judges how far the figures may be relied on.
type meanwhile struct{ busy, all, own time.Duration }

func newMeanwhile() meanwhile {
	busy, all := machineTime()
	return meanwhile{busy, all, cpuTime()}
}

// share is the others' part since m was made, in percent; 0 where the machine
// does not tell.
func (m meanwhile) share() float64 {
	busy, all := machineTime()
	if all == m.all {
		return 0
	}
	return max(0, 100*float64(busy-m.busy-(cpuTime()-m.own))/float64(all-m.all))
}

// machineTime is what all CPUs did and how long they were there, from
// /proc/stat: in hundredths of a second, idle and waiting apart, stolen time as
// work of others.
func machineTime() (busy, all time.Duration) {
	b, _ := os.ReadFile("/proc/stat") // elsewhere it is not told
	line, _, _ := strings.Cut(string(b), "\n")
	for i, field := range strings.Fields(line) {
		if i == 0 || i > 8 { // "cpu"; guests are in user already
			continue
		}
		n, _ := strconv.ParseInt(field, 10, 64)
		spent := time.Duration(n) * 10 * time.Millisecond
		all += spent
		if i != 4 && i != 5 {
			busy += spent
		}
	}
	return busy, all
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(b))[0]
}

func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo") // elsewhere it is not told
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name\t: "); ok {
			return strings.TrimSpace(name)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease") // elsewhere it is not told
	return strings.TrimSpace(runtime.GOOS + " " + string(b))
}
