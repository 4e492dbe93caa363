package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// latencySpan bounds how much time one question about latencies may be about, by
// its step: a point for each endpoint and step is read.
var latencySpan = map[meter.Step]time.Duration{
	meter.Hour: 31 * 24 * time.Hour, meter.Day: 2 * 366 * 24 * time.Hour, meter.Whole: 10 * 366 * 24 * time.Hour,
}

// latencyRequest asks how long requests took. Sketches are kept for hours and
// days of UTC, so there is no zone to choose.
type latencyRequest struct {
	From     string `query:"from" doc:"RFC 3339, or a day (2026-11-01) of UTC; the start of this month when it is missing" example:"2026-11-01"`
	To       string `query:"to" doc:"As from, and not within; now when it is missing" example:"2026-12-01"`
	Step     string `query:"step" enum:"hour,day" doc:"One point for each, of UTC; one for all of the time when it is missing"`
	By       string `query:"by" enum:"endpoint,service,all" default:"endpoint" doc:"What points are split by; all: nothing"`
	Service  string `query:"service" maxLength:"100"`
	Endpoint string `query:"endpoint" maxLength:"200" doc:"As in points, without the service" example:"POST /extractions"`
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"500" doc:"Points on a page"`
	Cursor   string `query:"cursor" maxLength:"1000" doc:"next of the page before, for the same question"`
}

// question understands a request. Errors are Invalid and name the field.
func (in *latencyRequest) question(now time.Time) (meter.LatencyQuestion, error) {
	q := meter.LatencyQuestion{Step: meter.Step(in.Step), By: meter.By(in.By), Service: in.Service, Endpoint: in.Endpoint}
	if in.By == "all" {
		q.By = meter.ByNothing
	}
	month, _ := toll.Monthly.PeriodAt(now, time.UTC)
	var err error
	if q.From, err = moment("from", in.From, month, time.UTC); err != nil {
		return q, err
	}
	if q.To, err = moment("to", in.To, now, time.UTC); err != nil {
		return q, err
	}
	q.From, q.To = q.From.UTC(), q.To.UTC()
	switch {
	case !q.From.Before(q.To):
		return q, toll.FieldError("to", "The time ends before it begins: from is %s, and to is %s.", q.From.Format(time.RFC3339), q.To.Format(time.RFC3339))
	case q.To.Sub(q.From) > latencySpan[q.Step]:
		return q, toll.FieldError("from", "That is too much time for the step %q: ask for %d days at most, or for a wider step.", cmp.Or(in.Step, "none"), latencySpan[q.Step]/(24*time.Hour))
	}
	return q, nil
}

// latencyPoint is one point of an answer.
type latencyPoint struct {
	Start    time.Time `json:"start" doc:"Of the step; from, without a step"`
	Group    string    `json:"group,omitempty" doc:"The value of by"`
	Requests int64     `json:"requests" doc:"Whose outcome is known; never 0"`
	P50      float64   `json:"p50_seconds" doc:"Half of them took no longer; within 1.6 %"`
	P95      float64   `json:"p95_seconds"`
	P99      float64   `json:"p99_seconds"`
}

type latencyAnswer struct {
	From   time.Time      `json:"from"`
	To     time.Time      `json:"to"`
	Step   string         `json:"step,omitempty"`
	By     string         `json:"by"`
	Points []latencyPoint `json:"points" doc:"By start, then group; steps without requests are left out"`
	Next   string         `json:"next,omitempty" doc:"The cursor of the page after this one; missing on the last"`
}

// latencyRule is for those who see all customers: latencies are kept per
// endpoint, not per customer.
var latencyRule = rule{scope: toll.ScopeReadUsage, action: account.ReadAllUsage}

func addShowLatency(a *API) {
	type answer struct{ Body latencyAnswer }
	register(a, huma.Operation{
		OperationID: "show-latency", Method: http.MethodGet, Path: "/usage/latency", Tags: []string{"Usage"},
		Summary:     "Ask how long requests took",
		Description: "P50, P95 and P99 from arrival to the service's last byte, of all customers. Reads sketches, so each is within 1.6 % of the exact value of its rank; times are widened to whole steps, without a step to whole hours.",
	}, latencyRule, func(ctx context.Context, c *call, in *latencyRequest) (*answer, error) {
		q, err := in.question(c.now)
		if err != nil {
			return nil, err
		}
		after, err := readCursor(in.Cursor)
		if err != nil {
			return nil, err
		}
		points, err := a.o.Usage.Latencies(ctx, q)
		if err != nil {
			return nil, err
		}
		if after != nil {
			first := slices.IndexFunc(points, func(p meter.LatencyPoint) bool { return cursor{p.Start.UnixMicro(), p.Group}.follows(after) })
			if first < 0 {
				first = len(points)
			}
			points = points[first:]
		}
		out := &answer{Body: latencyAnswer{From: q.From, To: q.To, Step: in.Step, By: in.By, Points: []latencyPoint{}}}
		if len(points) > in.Limit {
			points = points[:in.Limit]
			last := points[in.Limit-1]
			out.Body.Next = cursor{last.Start.UnixMicro(), last.Group}.String()
		}
		for _, p := range points {
			out.Body.Points = append(out.Body.Points, latencyPoint{p.Start, p.Group, p.Count, p.P50.Seconds(), p.P95.Seconds(), p.P99.Seconds()})
		}
		return out, nil
	})
}
