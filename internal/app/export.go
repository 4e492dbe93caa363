package app

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// exportPage is how many events one call of usage.export gives.
const exportPage = 1000

// UsageExport asks for a page of events, the newest first.
type UsageExport struct {
	UsagePeriod
	Before string `json:"before,omitempty"` // UsageExported.Next of the page before
}

// EventShown is a usage event as it is exported.
type EventShown struct {
	ID          string           `json:"id"`
	Time        time.Time        `json:"time"`
	RequestID   string           `json:"request_id"`
	Customer    string           `json:"customer"`
	Key         string           `json:"key"`
	Plan        string           `json:"plan"`
	PlanVersion string           `json:"plan_version"`
	Service     string           `json:"service"`
	Endpoint    string           `json:"endpoint"`
	Method      string           `json:"method"`
	Status      int              `json:"status"`
	Class       string           `json:"class"`
	LatencyUS   int64            `json:"latency_us"`
	BytesIn     int64            `json:"bytes_in"`
	BytesOut    int64            `json:"bytes_out"`
	Units       map[string]int64 `json:"units,omitempty"`
}

// UsageExported is a page of events.
type UsageExported struct {
	Events []EventShown `json:"events"`
	Next   string       `json:"next,omitempty"` // "" on the last page
}

func exportUsage(ctx context.Context, r *rooms, in UsageExport) (UsageExported, error) {
	out := UsageExported{Events: []EventShown{}}
	from, to, err := in.bounds(r.clock(), r.at.zone())
	if err != nil {
		return out, err
	}
	q := meter.EventQuery{Customer: in.Customer, Limit: exportPage, Before: firstAt(to)}
	if in.Customer != "" {
		if _, err := r.office.Customer(ctx, account.System, in.Customer); err != nil {
			return out, err
		}
	}
	if in.Before == "" {
		err = r.drain(ctx, 0)
	} else {
		q.Before, err = toll.ParseULID(in.Before)
	}
	if err != nil {
		return out, err
	}
	events, err := r.store.Events(ctx, q)
	if err != nil {
		return out, err
	}
	for i := range events {
		if events[i].Time.Before(from) {
			return out, nil
		}
		out.Events = append(out.Events, showEvent(&events[i]))
	}
	if len(events) == exportPage {
		out.Next = events[len(events)-1].ID.String()
	}
	return out, nil
}

// firstAt is the smallest identifier that a moment can have.
func firstAt(t time.Time) toll.ULID {
	ms := uint64(t.UnixMilli())
	return toll.ULID{byte(ms >> 40), byte(ms >> 32), byte(ms >> 24), byte(ms >> 16), byte(ms >> 8), byte(ms)}
}

func showEvent(e *toll.Event) EventShown {
	s := EventShown{
		ID: e.ID.String(), Time: e.Time, RequestID: e.RequestID, Customer: e.Customer, Key: e.Key,
		Plan: e.Plan, PlanVersion: e.PlanVersion, Service: e.Service, Endpoint: e.Endpoint,
		Method: e.Method, Status: e.Status, Class: string(e.Class), LatencyUS: e.Latency.Microseconds(),
		BytesIn: e.BytesIn, BytesOut: e.BytesOut,
	}
	for _, u := range e.Units {
		if s.Units == nil {
			s.Units = map[string]int64{}
		}
		s.Units[u.Unit] = u.Count
	}
	return s
}
