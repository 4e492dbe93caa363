package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// drainRate is what a way of storing events costs.
type drainRate struct {
	name           string
	events         int
	took           time.Duration
	client, server time.Duration // CPU
}

const (
	atOnce        = 5000 // events in a batch of any kind
	singlesOfMany = 10   // single INSERTs are slow: they get a tenth
)

// drains stores further events in the full database: through the drain with its
// rollups, sketches and cursor, and by the usual ways, which store the events
// alone. They take turns, a batch each.
func drains(ctx context.Context, s *server, m *month, each int) ([]drainRate, error) {
	st, err := store.Open(ctx, store.Options{URL: toll.Secret(s.url(database)), Clock: m.to})
	if err != nil {
		return nil, err
	}
	defer st.Close()
	c, err := pgx.Connect(ctx, s.url(database))
	if err != nil {
		return nil, err
	}
	defer c.Close(context.WithoutCancel(ctx))
	more := furtherEvents(m)
	var cursor meter.Position
	cursor, err = st.Cursor(ctx, "bench/lane")
	if err != nil {
		return nil, err
	}
	ways := []struct {
		rate  drainRate
		share int
		store func(events []event) error
	}{
		{drainRate{name: "Tollhouse's drain: events, rollups, sketches, cursor, one transaction"}, 1, func(events []event) error {
			b := &meter.Batch{Lane: "bench/lane", From: cursor, Next: meter.Position{Segment: 1, Offset: cursor.Offset + 1}, Events: make([]toll.Event, len(events))}
			for i := range events {
				b.Events[i] = events[i].named()
			}
			cursor = b.Next
			return st.Drain(ctx, b)
		}},
		{drainRate{name: "single INSERT, a commit each, events alone"}, singlesOfMany, func(events []event) error {
			for i := range events {
				if _, err := c.Exec(ctx, insertEvent, events[i].values()...); err != nil {
					return err
				}
			}
			return nil
		}},
		{drainRate{name: "pgx.Batch of INSERTs, one commit, events alone"}, 1, func(events []event) error {
			b := &pgx.Batch{}
			for i := range events {
				b.Queue(insertEvent, events[i].values()...)
			}
			return pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error { return tx.SendBatch(ctx, b).Close() })
		}},
		{drainRate{name: "COPY, one commit, events alone"}, 1, func(events []event) error {
			_, err := c.CopyFrom(ctx, pgx.Identifier{"usage_event"}, eventColumns, pgx.CopyFromSlice(len(events), func(i int) ([]any, error) { return events[i].values(), nil }))
			return err
		}},
	}
	for done := 0; done < each; done += atOnce {
		for i := range ways {
			w := &ways[i]
			events := more(atOnce / w.share)
			client, server, began := ownCPU(), s.cpu(), time.Now()
			if err := w.store(events); err != nil {
				return nil, fmt.Errorf("%s: %w", w.rate.name, err)
			}
			w.rate.took += time.Since(began)
			w.rate.client += ownCPU() - client
			w.rate.server += s.cpu() - server
			w.rate.events += len(events)
		}
	}
	rates := make([]drainRate, len(ways))
	for i := range ways {
		rates[i] = ways[i].rate
	}
	return rates, nil
}

var eventColumns = []string{"id", "time", "request_id", "customer", "key", "plan", "plan_version", "service", "endpoint", "method", "status", "class", "latency", "bytes_in", "bytes_out", "units"}

var insertEvent = `insert into usage_event (` + strings.Join(eventColumns, ", ") + `) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`

// furtherEvents makes events of the day after the month, batch by batch.
func furtherEvents(m *month) func(n int) []event {
	after := newMonth(settings{events: m.events, customers: m.customers, days: m.days, seed: uint64(time.Now().UnixNano())})
	after.from = m.to()
	var waiting []event
	q := 40 // the busy time of a day
	return func(n int) []event {
		for len(waiting) < n {
			waiting = append(waiting, after.quarter(q, nil)...)
			if q++; q == len(m.weights) {
				q = 0
			}
		}
		batch := waiting[:n]
		waiting = waiting[n:]
		return batch
	}
}

// named is the event as the journal holds it.
func (e *event) named() toll.Event {
	rank := int(e.customer-firstCustomer) / 2
	out := toll.Event{
		ID: e.id, Time: time.UnixMicro(e.time), RequestID: e.id.String(), Customer: customerName(rank), Key: keyName(rank), Plan: "pro", PlanVersion: "pro@0123456789ab",
		Service: services[(e.endpoint-firstEndpoint)/3], Endpoint: endpoints[e.endpoint-firstEndpoint], Method: "POST", Status: int(e.status),
		Class: toll.Chargeable, Latency: time.Duration(e.latency) * time.Microsecond, BytesIn: e.in, BytesOut: e.out, Units: e.units(),
	}
	if e.class() == 2 {
		out.Class = toll.NotBillable
	}
	return out
}

func (e *event) units() (units []toll.Amount) {
	if e.words > 0 {
		units = append(units, toll.Amount{Unit: "words", Count: e.words})
	}
	if e.characters > 0 {
		units = append(units, toll.Amount{Unit: "characters", Count: e.characters})
	}
	return units
}

// values are the columns of the event.
func (e *event) values() []any {
	units := ""
	if all := e.units(); len(all) > 0 {
		counts := map[string]int64{}
		for _, u := range all {
			counts[u.Unit] = u.Count
		}
		text, _ := json.Marshal(counts) // numbers cannot fail
		units = string(text)
	}
	return []any{e.id[:], e.time, "=", e.customer, e.customer + 1, int32(planPro), int32(planVersion), e.service, e.endpoint, "POST", e.status, e.class(), e.latency, e.in, e.out, units}
}

// ownCPU is what this process has used so far.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpu is what the server's processes have used since it was started.
func (s *server) cpu() time.Duration {
	s.look()
	return s.used
}

// waited is for how long the server's processes and this program's threads were
// ready to run so far, and others had the CPU.
func (s *server) waited() time.Duration {
	s.look()
	waited := s.waiting
	own, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, path := range own {
		waited += scheduleOf(path).waited
	}
	return waited
}

// look adds what each process of the server did since the last look: one that
// has ended meanwhile takes nothing away.
func (s *server) look() {
	if s.seen == nil {
		s.seen = map[string]schedule{}
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", s.cmd.Process.Pid, s.cmd.Process.Pid))
	for _, pid := range strings.Fields(string(children)) {
		before, now := s.seen[pid], scheduleOf("/proc/"+pid+"/schedstat")
		s.used += max(now.used-before.used, 0)
		s.waiting += max(now.waited-before.waited, 0)
		s.seen[pid] = now
	}
}

// schedule is how long a process or thread ran, and waited to run.
type schedule struct{ used, waited time.Duration }

// scheduleOf reads a schedstat; nothing of one that has ended.
func scheduleOf(path string) (s schedule) {
	text, _ := os.ReadFile(path)
	_, _ = fmt.Sscan(string(text), (*int64)(&s.used), (*int64)(&s.waited))
	return s
}
