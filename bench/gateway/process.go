package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticksPerSecond is USER_HZ: 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// ticks sums utime and stime of processes from /proc/PID/stat.
func ticks(pids []int) (sum int64) {
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		for _, i := range []int{11, 12} {
			n, _ := strconv.ParseInt(fields[i], 10, 64)
			sum += n
		}
	}
	return sum
}

// settled waits until processes rest, at most ten seconds, and gives their ticks:
// what they do after the load (draining a journal, writing a log) is part of its
// cost.
func settled(pids []int) int64 {
	last := ticks(pids)
	for range 20 {
		time.Sleep(500 * time.Millisecond)
		now := ticks(pids)
		if now-last <= 1 {
			return now
		}
		last = now
	}
	return last
}

// peakMemory sums the peak resident memory of processes, in bytes. What several
// of them share is counted for each.
func peakMemory(pids []int) (sum int64) {
	for _, pid := range pids {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			if rest, is := strings.CutPrefix(line, "VmHWM:"); is {
				kB, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				sum += kB * 1024
			}
		}
	}
	return sum
}

// family is a process and its children.
func family(pid int) []int {
	all := []int{pid}
	f, err := os.Open(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return all
	}
	defer f.Close()
	words := bufio.NewScanner(f)
	words.Split(bufio.ScanWords)
	for words.Scan() {
		if child, err := strconv.Atoi(words.Text()); err == nil {
			all = append(all, child)
		}
	}
	return all
}

// machine is what all processors did since the machine began, in ticks.
type machine struct{ busy, all, own int64 }

// readMachine reads it; own is what this program and all that it started used of it.
func readMachine(pids []int) (m machine) {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return m
	}
	line, _, _ := strings.Cut(string(content), "\n")
	for i, field := range strings.Fields(line)[1:9] { // user nice system idle iowait irq softirq steal
		n, _ := strconv.ParseInt(field, 10, 64)
		m.all += n
		if i != 3 && i != 4 {
			m.busy += n
		}
	}
	var ended syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &ended) == nil {
		m.own = (ended.Utime.Nano() + ended.Stime.Nano()) * ticksPerSecond / int64(time.Second)
	}
	m.own += ticks(append(pids, os.Getpid()))
	return m
}

// others is the share of the machine that others used since before, 0 to 1.
func (m machine) others(before machine) float64 {
	if m.all == before.all {
		return 0
	}
	return max(0, float64((m.busy-before.busy)-(m.own-before.own))/float64(m.all-before.all))
}

// loadAverage is the machine's, over the last minute.
func loadAverage() float64 {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseFloat(strings.Fields(string(content))[0], 64)
	return n
}
