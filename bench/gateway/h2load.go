package main

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// h2load sends as much as goes through over HTTP/2. It tells no percentiles.
func h2load(x *proxy, connections, seconds int) (sample, error) {
	before := ticks(x.pids()) // it rests: the measurement before this one waited for that
	out, err := exec.Command("h2load", "-t2", "-m1", "-c"+strconv.Itoa(connections), "-D"+strconv.Itoa(seconds), x.url()).Output()
	if err != nil {
		return sample{}, fmt.Errorf("h2load: %w", err)
	}
	spent := settled(x.pids()) - before
	return readH2load(string(out), spent)
}

var (
	h2loadRate  = regexp.MustCompile(`finished in [^,]+, ([\d.]+) req/s`)
	h2loadCount = regexp.MustCompile(`requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored`)
)

// readH2load reads what h2load printed. A request that failed makes the
// measurement void.
func readH2load(out string, spent int64) (s sample, err error) {
	counts := h2loadCount.FindStringSubmatch(out)
	if counts == nil || counts[1] == "0" || counts[2] != "0" || counts[3] != "0" {
		return s, fmt.Errorf("not every request went well:\n%s", out)
	}
	requests, err := strconv.ParseFloat(counts[1], 64)
	if err != nil {
		return s, err
	}
	if s.rate, err = strconv.ParseFloat(match(h2loadRate, out), 64); err != nil {
		return s, errors.New("h2load told no rate")
	}
	s.cpu = float64(spent) * 1e6 / ticksPerSecond / requests
	return s, nil
}
