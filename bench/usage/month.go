package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// month is the usage that is made: customers as unequal as customers are (Zipf,
// exponent 1.2: the first thousand of a million make three quarters of it), who
// come in sessions of a few requests, more by day than by night and more on
// weekdays, to nine endpoints of three services that take about 3 ms to 3 s. A
// third of the requests report words, a few of them characters too.
type month struct {
	settings
	from    time.Time
	rand    *rand.Rand
	zipf    *rand.Zipf
	weights []float64 // of each quarter of an hour
	total   float64
}

// numbers of interned names; what comes before the customers is small.
const (
	unitRequests = 1 + iota
	unitWords
	unitCharacters
	planPro
	planVersion
	firstService                     // 3
	firstEndpoint = firstService + 3 // 9
	firstCustomer = 1000             // then customer, key, customer, key…
)

var services = []string{"ner", "ocr", "translate"}

var endpoints = []string{"POST /extractions", "GET /extractions/{id}", "GET /models", "POST /pages", "GET /pages/{id}", "DELETE /pages/{id}", "POST /texts", "GET /languages", "other"}

func customerName(rank int) string { return fmt.Sprintf("cus_01J9ZZZZZZZZZZZZZZ%08d", rank) }
func keyName(rank int) string      { return fmt.Sprintf("key_01J9ZZZZZZZZZZZZZZ%08d", rank) }

func customerNumber(rank int) int32 { return int32(firstCustomer + 2*rank) }

// event is a usage event by the numbers of its names.
type event struct {
	id                          toll.ULID
	time                        int64 // µs
	customer, service, endpoint int32
	status                      int16
	latency, in, out            int64
	words, characters           int64 // 0: not reported
	outside                     bool  // its request ID came with it
}

func newMonth(s settings) *month {
	m := &month{settings: s, from: time.Date(2026, 10, 19, 0, 0, 0, 0, time.UTC)} // a Monday
	m.rand = rand.New(rand.NewPCG(s.seed, 42))
	m.zipf = rand.NewZipf(m.rand, 1.2, 3, uint64(s.customers-1))
	for q := range s.days * 96 {
		at := m.from.Add(time.Duration(q) * 15 * time.Minute)
		hour := float64(at.Hour()) + float64(at.Minute())/60
		weight := 0.25 + math.Max(0, math.Sin((hour-6)/24*2*math.Pi)) // busiest at noon
		if at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
			weight *= 0.4
		}
		m.weights = append(m.weights, weight)
		m.total += weight
	}
	return m
}

func (m *month) to() time.Time { return m.from.AddDate(0, 0, m.days) }

// quarter makes the events of a quarter of an hour, in the order of their time.
func (m *month) quarter(q int, into []event) []event {
	into = into[:0]
	n := int(math.Round(float64(m.events) * m.weights[q] / m.total))
	start := m.from.Add(time.Duration(q) * 15 * time.Minute).UnixMicro()
	const width = int64(15 * time.Minute / time.Microsecond)
	for len(into) < n {
		customer := customerNumber(int(m.zipf.Uint64()))
		endpoint := int32(m.rand.IntN(9))
		at := start + m.rand.Int64N(width)
		for range min(1+int(m.rand.ExpFloat64()*10), n-len(into)) { // a session
			if m.rand.IntN(8) == 0 {
				endpoint = int32(m.rand.IntN(9))
			}
			into = append(into, m.request(min(at, start+width-1), customer, endpoint))
			at += m.rand.Int64N(20_000_000)
		}
	}
	slices.SortFunc(into, func(a, b event) int { return int(a.time - b.time) })
	for i := range into {
		e := &into[i]
		binary.BigEndian.PutUint64(e.id[:8], uint64(e.time/1000)<<16|m.rand.Uint64()&0xffff)
		binary.BigEndian.PutUint64(e.id[8:], m.rand.Uint64())
	}
	return into
}

func (m *month) request(at int64, customer, endpoint int32) event {
	e := event{time: at, customer: customer, service: firstService + endpoint/3, endpoint: firstEndpoint + endpoint, status: 200}
	switch n := m.rand.IntN(1000); {
	case n < 5:
		e.status = 503
	case n < 40:
		e.status = 422
	}
	e.latency = int64(math.Exp(m.rand.NormFloat64()*0.7+8+float64(endpoint)*0.5) + 300)
	e.in, e.out = 200+m.rand.Int64N(4000), 300+m.rand.Int64N(20_000)
	if endpoint%3 == 0 && e.status == 200 {
		e.words = 20 + m.rand.Int64N(1000)
		if endpoint == 3 {
			e.characters = 6 * e.words
		}
	}
	e.outside = m.rand.IntN(50) == 0
	return e
}

// class is what the plan counts: answers of the service but for 5xx.
func (e *event) class() int16 {
	if e.status >= 500 {
		return 2
	}
	return 1
}
