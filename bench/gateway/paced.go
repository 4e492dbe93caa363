package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// pacedConnections is how many connections a paced load has.
const pacedConnections = 16

// paced sends so many requests a second, evenly, however long the answers take.
// A request's time runs from when it was sent, or from when it should have been
// where the answer before it on its connection came too late for that: so a stall
// counts for all who would have met it.
func paced(x *proxy, perSecond, seconds int) (sample, error) {
	head := "GET /x HTTP/1.1\r\nHost: " + x.address + "\r\n"
	if x.key != "" {
		head += "X-API-Key: " + x.key + "\r\n"
	}
	head += "\r\n"
	before := ticks(x.pids()) // it rests: the measurement before this one waited for that
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	var all sync.WaitGroup
	every := time.Second * pacedConnections / time.Duration(perSecond)
	start := time.Now().Add(50 * time.Millisecond)
	end := start.Add(time.Duration(seconds) * time.Second)
	for i := range pacedConnections {
		all.Go(func() {
			mine, err := paceOne(x.address, head, start.Add(every*time.Duration(i)/pacedConnections), end, every)
			mu.Lock()
			defer mu.Unlock()
			took, failed = append(took, mine...), errors.Join(failed, err)
		})
	}
	all.Wait()
	if failed != nil {
		return sample{}, failed
	}
	spent := settled(x.pids()) - before
	slices.Sort(took)
	return sample{
		cpu:  float64(spent) * 1e6 / ticksPerSecond / float64(len(took)),
		rate: float64(len(took)) / float64(seconds),
		p50:  took[len(took)/2],
		p99:  took[len(took)*99/100],
	}, nil
}

func paceOne(address, head string, due, end time.Time, every time.Duration) (took []time.Duration, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	free := time.Now()
	for ; due.Before(end); due = due.Add(every) {
		from := due
		if free.Before(due) {
			time.Sleep(time.Until(due))
			from = time.Now()
		}
		if _, err := conn.Write([]byte(head)); err != nil {
			return nil, err
		}
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			return nil, err
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
			return nil, errors.Join(fmt.Errorf("an answer of %s", response.Status), err)
		}
		if err := response.Body.Close(); err != nil {
			return nil, err
		}
		free = time.Now()
		took = append(took, free.Sub(from))
	}
	return took, nil
}
