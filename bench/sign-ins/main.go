// Command sign-ins measures what a crowd that signs in does to the rest: the
// memory of a running Tollhouse before and at its peak, and how long the
// gateway's requests take with and without it.
//
//	go run ./bench/sign-ins
//
// It builds and starts the program with a plan, a key and an operator, sends
// requests with the key at an even pace, and lets 64 clients sign in meanwhile,
// each again as soon as it is answered. The phases without and with the crowd
// take turns, so that what else the machine does falls on both.
//
//	this program ──paced, X-API-Key──► gateway ─► upstream (of this program)
//	             ──64 × POST /sign-in─► console ─► argon2, database
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	crowd := flag.Int("crowd", 64, "how many sign in at once")
	pace := flag.Int("pace", 200, "gateway requests a second")
	rounds := flag.Int("rounds", 3, "how often each phase is run")
	length := flag.Duration("for", 8*time.Second, "how long a phase is")
	binary := flag.String("tollhouse", "", "the program; empty: it is built")
	wrong := flag.Bool("strangers", false, "nobody knows the addresses and passwords that sign in")
	flag.Parse()
	if err := run(*binary, *crowd, *pace, *rounds, *length, *wrong); err != nil {
		fmt.Fprintln(os.Stderr, "sign-ins:", err)
		os.Exit(1)
	}
}

func run(binary string, crowd, pace, rounds int, length time.Duration, strangers bool) (err error) {
	dir, err := os.MkdirTemp("", "tollhouse-sign-ins")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a directory of this program's own
	h, err := open(dir, binary)
	if err != nil {
		return err
	}
	defer h.close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		h.close()
		_ = os.RemoveAll(dir)
		os.Exit(1)
	}()

	if _, err := h.requests(pace, time.Second); err != nil { // connections, caches and the first pages of memory
		return err
	}
	if _, err := h.signIns(1, time.Second, strangers); err != nil {
		return err
	}
	before := h.memory()
	var alone, beside []time.Duration
	var crowds tally
	for range rounds {
		took, err := h.requests(pace, length)
		if err != nil {
			return err
		}
		alone = append(alone, took...)
		over := make(chan error, 1)
		go func() {
			t, err := h.signIns(crowd, length, strangers)
			crowds.add(t)
			over <- err
		}()
		took, err = h.requests(pace, length)
		if err := <-over; err != nil {
			return err
		}
		if err != nil {
			return err
		}
		beside = append(beside, took...)
	}
	report(facts{
		crowd: crowd, pace: pace, rounds: rounds, length: length, before: before, peak: h.peak(), after: h.memory(),
		alone: alone, beside: beside, crowds: crowds, cores: runtime.GOMAXPROCS(0), load: loadAverage(),
	})
	return nil
}
