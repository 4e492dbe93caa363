package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
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

// loadAverage is the machine's, over the last minute.
func loadAverage() float64 {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseFloat(strings.Fields(string(content))[0], 64)
	return n
}
