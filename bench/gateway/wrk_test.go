package main

import (
	"strings"
	"testing"
	"time"
)

const wrkSaid = `Running 5s test @ http://127.0.0.1:1/x
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.52ms    2.10ms  45.30ms   93.02%
    Req/Sec    28.46k     2.31k   33.80k    70.00%
  Latency Distribution
     50%    1.01ms
     75%    1.60ms
     90%    2.62ms
     99%   10.80ms
  100000 requests in 5.00s, 115.97MB read
Requests/sec:  20000.50
Transfer/sec:     23.19MB
`

func TestReadsWhatWrkPrints(t *testing.T) {
	t.Parallel()
	got, err := readWrk(wrkSaid, 250)
	want := sample{cpu: 25, rate: 20000.5, p50: 1010 * time.Microsecond, p99: 10800 * time.Microsecond}
	if err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestAMeasurementWithFailuresIsVoid(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		wrkSaid + "  Non-2xx or 3xx responses: 5\n",
		wrkSaid + "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
		"",
		strings.ReplaceAll(wrkSaid, "99%", "98%"),
		strings.ReplaceAll(wrkSaid, "100000 requests", "0 requests"),
	} {
		if got, err := readWrk(text, 250); err == nil {
			t.Errorf("%+v from %q", got, text)
		}
	}
}

func TestReadsWhatH2loadPrints(t *testing.T) {
	t.Parallel()
	const said = `finished in 5.00s, 20000.40 req/s, 21.05MB/s
requests: 100002 total, 100066 started, 100002 done, 100002 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 100002 2xx, 0 3xx, 0 4xx, 0 5xx
`
	if got, err := readH2load(said, 250); err != nil || got.rate != 20000.40 || int(got.cpu) != 24 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", strings.ReplaceAll(said, "0 failed", "7 failed"), strings.ReplaceAll(said, "req/s", "")} {
		if got, err := readH2load(text, 250); err == nil {
			t.Errorf("%+v from %q", got, text)
		}
	}
}
