// Command gateway measures what a proxy and a gateway cost, Tollhouse beside its
// peers, in turns on one machine. It sends load to loopback only.
//
//	wrk, or a paced load of its own ─► the proxy that is measured ─► an upstream that answers 1 KiB
//
// The figure to trust is CPU time of the proxy's own processes for each request.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// settings are what the flags say.
type settings struct {
	connections []int // of each phase under full load
	rounds      int
	seconds     int // of load in one measurement
	pace        int // requests a second in the phase with light load; 0: no such phase
	require     []string
	only        []string // names to measure, empty for all
	tollhouse   string   // the binary; "": it is built
	caddy       string
	tls         bool
	write       bool
}

func main() {
	var s settings
	connections := flag.String("connections", "64,256", "connections of the load, one phase for each number")
	flag.IntVar(&s.rounds, "rounds", 5, "rounds of each phase; each proxy is measured once in each")
	flag.IntVar(&s.seconds, "seconds", 5, "seconds of load in each measurement")
	flag.IntVar(&s.pace, "pace", 4000, "requests a second in the phase with light load; 0 leaves it out")
	require := flag.String("require", "", "peers that must be there (nginx,haproxy,caddy); others are left out when they are not installed")
	only := flag.String("only", "", "measure only what has one of these words in its name, separated by commas")
	flag.StringVar(&s.tollhouse, "tollhouse", "", "the tollhouse to measure; it is built from this checkout by default")
	flag.StringVar(&s.caddy, "caddy", "caddy", "the caddy to measure")
	flag.BoolVar(&s.tls, "tls", true, "also measure behind TLS, over 64 connections; HTTP/2 too where h2load is installed")
	flag.BoolVar(&s.write, "write", false, "also write the result to bench/results and into bench/README.md")
	upstreamAt := flag.String("upstream", "", "internal: be the upstream on this address")
	referenceAt := flag.String("reference", "", "internal: be the reference proxy on this address, before -upstream")
	certificateIn := flag.String("certificate", "", "internal: the reference proxy speaks TLS with the certificate in this directory")
	flag.Parse()

	switch {
	case *referenceAt != "":
		fail(reference(*referenceAt, *upstreamAt, *certificateIn))
	case *upstreamAt != "":
		fail(upstream(*upstreamAt))
	default:
		for _, n := range split(*connections) {
			var c int
			if _, err := fmt.Sscan(n, &c); err != nil || c < 2 {
				fail(fmt.Errorf("-connections: %q is no number of connections", n))
			}
			s.connections = append(s.connections, c)
		}
		s.require, s.only = split(*require), split(*only)
		fail(run(s))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// run measures all, and prints the result.
func run(s settings) error {
	y, err := openYard()
	if err != nil {
		return err
	}
	defer y.close()
	proxies, missing, err := y.start(s)
	if err != nil {
		return err
	}
	r := &report{settings: s, missing: missing, versions: y.versions, began: time.Now(), load: loadAverage()}
	before := readMachine(y.pids())
	r.phases = phases(s, proxies)
	for i := range r.phases {
		if err := r.phases[i].measure(s.rounds, s.seconds); err != nil {
			return err
		}
	}
	r.others = readMachine(y.pids()).others(before)
	text := r.markdown()
	fmt.Print(text)
	if s.write {
		return r.keep(text)
	}
	return nil
}
