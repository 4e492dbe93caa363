package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// liveNumbers are what a stream tells of.
type liveNumbers struct {
	At    time.Time        `json:"at"`
	Today map[string]int64 `json:"today" doc:"Chargeable usage of each unit since midnight in the installation's zone"`
	Month map[string]int64 `json:"month" doc:"The same since the first of the month"`
	// Limits are the gate's own counters: the number that refuses.
	Limits []liveLimit `json:"limits,omitempty" doc:"Of the customer: what is used of each limit, as the gateway counts it"`
}

type liveLimit struct {
	Name    string    `json:"name"`
	Unit    string    `json:"unit,omitempty"`
	Limit   int64     `json:"limit"`
	Used    int64     `json:"used"`
	ResetAt time.Time `json:"reset_at,omitzero" doc:"Of a quota: when its period ends"`
}

// How streams go.
const (
	mostStreams = 100
	mostOfOne   = 10 // of them in one person's name: nobody takes those of others
	liveEvery   = time.Second
	quietFor    = 15 * time.Second // then a comment tells that the stream is alive
	longest     = time.Hour        // then the client comes again, by itself
)

func addWatchUsage(a *API) {
	streams := places{all: mostStreams, each: mostOfOne, of: map[string]int{}}
	type question struct {
		Customer string `query:"customer" maxLength:"100" doc:"Only of this customer. A member's token means its own"`
	}
	register(a, huma.Operation{
		OperationID: "watch-usage", Method: http.MethodGet, Path: "/usage/live", Tags: []string{"Usage"},
		Summary:     "Live numbers",
		Description: "A stream of server-sent events named `usage`: one at once, then one whenever a number has changed, at most one each second. The token is looked at each time.",
		Responses: map[string]*huma.Response{"200": {Description: "text/event-stream; the data of each event is a JSON document",
			Content: map[string]*huma.MediaType{"text/event-stream": {Schema: a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[liveNumbers](), true, "LiveNumbers")}}}},
	}, usageRule, func(_ context.Context, c *call, _ *question) (*huma.StreamResponse, error) {
		who := string(c.person.Kind) + " " + c.person.ID
		if n, ok := streams.take(who); !ok {
			return nil, toll.Errorf(toll.Unavailable, "There are %d live streams open already. Close one, or ask again later.", n)
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			defer streams.free(who)
			_, w := humago.Unwrap(hc)
			a.watch(hc, w, c)
		}}, nil
	})
}

// places are how many streams may be open, of all and of one person. It is safe
// for concurrent use.
type places struct {
	all, each int
	mu        sync.Mutex
	taken     int
	of        map[string]int
}

// take takes a place, or says how many are taken where there is none left.
func (p *places) take(who string) (taken int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.of[who] >= p.each:
		return p.of[who], false
	case p.taken >= p.all:
		return p.taken, false
	}
	p.taken++
	p.of[who]++
	return p.taken, true
}

func (p *places) free(who string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.of[who]--; p.of[who] == 0 {
		delete(p.of, who)
	}
}

// watch streams until the client hangs up, the token is worth nothing any more,
// or the program ends.
func (a *API) watch(hc huma.Context, w http.ResponseWriter, c *call) {
	ctx := hc.Context()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	began, told := a.o.Clock(), a.o.Clock()
	var last liveNumbers
	for n := 0; ; n++ {
		now, err := a.liveNumbers(ctx, c.customer)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil: // told to the client, which comes again; the log knows of the store otherwise
			_, _ = fmt.Fprint(w, "event: away\ndata: {}\n\n")
			_ = out.Flush()
			return
		}
		changed := n == 0 || !reflect.DeepEqual(now.Today, last.Today) || !reflect.DeepEqual(now.Month, last.Month) || !reflect.DeepEqual(now.Limits, last.Limits)
		switch {
		case changed:
			data, err := json.Marshal(now)
			if err != nil {
				return
			}
			_, err = fmt.Fprintf(w, "event: usage\nid: %d\ndata: %s\n\n", now.At.UnixMilli(), data)
			if err != nil {
				return
			}
			last, told = now, now.At
		case now.At.Sub(told) >= quietFor:
			if _, err := fmt.Fprint(w, ": still here\n\n"); err != nil {
				return
			}
			told = now.At
		}
		if out.Flush() != nil || now.At.Sub(began) >= longest {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-a.ending.Done():
			_, _ = fmt.Fprint(w, "retry: 1000\n\n")
			_ = out.Flush()
			return
		}
		if again := (&call{}); a.enter(hc, again, usageRule) != nil || again.customer != c.customer {
			return
		}
	}
}

// liveNumbers asks for what there is to tell now.
func (a *API) liveNumbers(ctx context.Context, customer string) (liveNumbers, error) {
	now := a.o.Clock()
	out := liveNumbers{At: now}
	for _, span := range []struct {
		every toll.Every
		into  *map[string]int64
	}{{toll.Daily, &out.Today}, {toll.Monthly, &out.Month}} {
		from, to := span.every.PeriodAt(now, a.o.Zone)
		points, err := a.o.Usage.Series(ctx, meter.Question{From: from, To: to, By: meter.ByUnit, Customer: customer, Classes: []toll.Class{toll.Chargeable}})
		if err != nil {
			return out, err
		}
		sums := make(map[string]int64, len(points))
		for _, p := range points {
			sums[p.Group] = p.Count
		}
		*span.into = sums
	}
	if customer != "" && a.o.Limits != nil {
		for _, l := range a.o.Limits(customer) {
			limit := liveLimit{Name: l.Policy.Name, Unit: l.Policy.Unit, Limit: l.Limit, Used: l.Used}
			if l.Policy.Kind == toll.Quota { // a rate limit's moves all the time
				limit.ResetAt = l.ResetAt
			}
			out.Limits = append(out.Limits, limit)
		}
	}
	return out, nil
}
