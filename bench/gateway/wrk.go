package main

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// sample is one measurement.
type sample struct {
	cpu      float64 // microseconds for each request
	rate     float64 // requests a second
	p50, p99 time.Duration
}

// wrk sends as much as goes through, over so many connections.
func wrk(x *proxy, connections, seconds int) (sample, error) {
	args := []string{"-t2", "-c" + strconv.Itoa(connections), "-d" + strconv.Itoa(seconds) + "s", "--latency"}
	if x.key != "" {
		args = append(args, "-H", "X-API-Key: "+x.key)
	}
	before := ticks(x.pids()) // it rests: the measurement before this one waited for that
	out, err := exec.Command("wrk", append(args, x.url())...).Output()
	if err != nil {
		return sample{}, fmt.Errorf("wrk: %w", err)
	}
	spent := settled(x.pids()) - before
	return readWrk(string(out), spent)
}

var (
	requestsLine = regexp.MustCompile(`(\d+) requests in`)
	rateLine     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	p50Line      = regexp.MustCompile(`50%\s+([\d.]+[a-z]+)`)
	p99Line      = regexp.MustCompile(`99%\s+([\d.]+[a-z]+)`)
)

// readWrk reads what wrk printed. An answer that is no success, or a connection
// that broke, makes the measurement void.
func readWrk(out string, spent int64) (s sample, err error) {
	if strings.Contains(out, "Non-2xx") || strings.Contains(out, "Socket errors") {
		return s, fmt.Errorf("not every request went well:\n%s", out)
	}
	requests, err := strconv.ParseFloat(match(requestsLine, out), 64)
	if err != nil || requests == 0 {
		return s, errors.New("wrk counted no requests")
	}
	s.cpu = float64(spent) * 1e6 / ticksPerSecond / requests
	if s.rate, err = strconv.ParseFloat(match(rateLine, out), 64); err != nil {
		return s, fmt.Errorf("wrk's rate: %w", err)
	}
	if s.p50, err = time.ParseDuration(match(p50Line, out)); err != nil {
		return s, fmt.Errorf("wrk's median: %w", err)
	}
	if s.p99, err = time.ParseDuration(match(p99Line, out)); err != nil {
		return s, fmt.Errorf("wrk's 99th percentile: %w", err)
	}
	return s, nil
}

func match(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}
