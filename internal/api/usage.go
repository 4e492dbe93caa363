package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Usage is the store as questions about usage see it; any meter.Questions is one.
type Usage interface {
	Series(ctx context.Context, q meter.Question) ([]meter.Point, error)
	Latencies(ctx context.Context, q meter.LatencyQuestion) ([]meter.LatencyPoint, error)
}

// UsageFilter is what a question about usage says. huma holds it to its tags,
// and question to the rest.
type UsageFilter struct {
	From     string `query:"from" doc:"RFC 3339, or a day (2026-11-01) in the zone; the start of this month when it is missing" example:"2026-11-01"`
	To       string `query:"to" doc:"As from, and not within; now when it is missing, and with top the end of this month" example:"2026-12-01"`
	Zone     string `query:"zone" doc:"IANA name of the time zone that days and hours are of; the installation's when it is missing" example:"Asia/Kolkata"`
	Step     string `query:"step" enum:"15m,hour,day" doc:"One point for each; one for all of the time when it is missing"`
	By       string `query:"by" enum:"customer,key,service,endpoint,status,class,unit" doc:"What points are split by"`
	Unit     string `query:"unit" maxLength:"100" doc:"requests when it is missing; by=unit looks at all"`
	Customer string `query:"customer" maxLength:"100" doc:"Only of this customer (its ID). A member's token means its own"`
	Key      string `query:"key" maxLength:"100" doc:"Only of this key (its ID)"`
	Service  string `query:"service" maxLength:"100"`
	Endpoint string `query:"endpoint" maxLength:"200" doc:"As in points by endpoint, without the service" example:"POST /extractions"`
	Status   string `query:"status" enum:"1xx,2xx,3xx,4xx,5xx"`
	Class    string `query:"class" enum:"chargeable,not_billable,test,unknown" doc:"All when it is missing"`
}

// usageSpan bounds how much time one question may be about, by its step.
var usageSpan = map[meter.Step]time.Duration{
	meter.Quarter: 31 * 24 * time.Hour, meter.Hour: 366 * 24 * time.Hour, meter.Day: 10 * 366 * 24 * time.Hour, meter.Whole: 100 * 366 * 24 * time.Hour,
}

// asked is a question about usage, understood.
type asked struct {
	meter.Question
	zone *time.Location
}

// question understands a filter for a call. Errors are Invalid and name the field.
func (f *UsageFilter) question(a *API, c *call) (asked, error) {
	q := asked{zone: a.o.Zone}
	if f.Zone != "" {
		zone, err := time.LoadLocation(f.Zone)
		if err != nil || f.Zone == "Local" {
			return q, toll.FieldError("zone", "There is no time zone %q. Write an IANA name, such as Europe/Madrid or UTC.", shorten(f.Zone))
		}
		q.zone = zone
	}
	month, _ := toll.Monthly.PeriodAt(c.now, q.zone)
	var err error
	if q.From, err = moment("from", f.From, month, q.zone); err != nil {
		return q, err
	}
	if q.To, err = moment("to", f.To, c.now, q.zone); err != nil {
		return q, err
	}
	q.Step, q.By, q.Unit = meter.Step(f.Step), meter.By(f.By), cmp.Or(f.Unit, toll.UnitRequests)
	switch {
	case !q.From.Before(q.To):
		return q, toll.FieldError("to", "The time ends before it begins: from is %s, and to is %s.", q.From.Format(time.RFC3339), q.To.Format(time.RFC3339))
	case q.To.Sub(q.From) > usageSpan[q.Step]:
		return q, toll.FieldError("from", "That is too much time for the step %q: ask for %d days at most, or for a wider step.", cmp.Or(f.Step, "none"), usageSpan[q.Step]/(24*time.Hour))
	case f.By == "unit" && f.Unit != "":
		return q, toll.FieldError("unit", "by=unit looks at all units; leave one of the two out.")
	}
	q.Customer, q.Key, q.Service, q.Endpoint = c.customer, f.Key, f.Service, f.Endpoint
	if f.Status != "" {
		q.StatusClass = int(f.Status[0] - '0')
	}
	if f.Class != "" {
		q.Classes = []toll.Class{toll.Class(f.Class)}
	}
	return q, nil
}

// moment reads a time, or a day in a zone.
func moment(field, text string, missing time.Time, zone *time.Location) (time.Time, error) {
	if text == "" {
		return missing, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil && sane(t) {
		return t, nil
	}
	var t time.Time
	if err := t.UnmarshalText([]byte(text)); err == nil && sane(t) {
		return t, nil
	}
	return t, toll.FieldError(field, "%q is no time: write 2026-11-01, or 2026-11-01T12:00:00Z.", shorten(text))
}

// sane tells the times that microseconds of 64 bits can count from those that
// nobody means.
func sane(t time.Time) bool { return t.Year() >= 1970 && t.Year() < 2200 }

// usagePoint is one point of an answer.
type usagePoint struct {
	Start time.Time `json:"start" doc:"Of the step, in the zone; from, without a step"`
	Group string    `json:"group,omitempty" doc:"The value of by; empty for usage of nobody"`
	Count int64     `json:"count" doc:"Never 0: what adds up to nothing is left out"`
}

type usageAnswer struct {
	From   time.Time    `json:"from"`
	To     time.Time    `json:"to"`
	Zone   string       `json:"zone"`
	Step   string       `json:"step,omitempty"`
	By     string       `json:"by,omitempty"`
	Unit   string       `json:"unit,omitempty" doc:"Missing with by=unit"`
	Points []usagePoint `json:"points" doc:"By start, then group; with top by count, the largest first"`
	Next   string       `json:"next,omitempty" doc:"The cursor of the page after this one; missing on the last"`
}

// UsageTop asks for the largest groups only.
type UsageTop struct {
	Top int `query:"top" minimum:"0" maximum:"1000" doc:"Only so many groups, the largest first; without a step. by=customer over one whole UTC month reads a ranking that is kept"`
}

// of narrows a question to the largest groups. What is asked up to now is asked
// up to the end of this month: nothing more was used, and it is a whole month.
func (in UsageTop) of(q *asked, f *UsageFilter) error {
	switch {
	case in.Top <= 0:
		return nil
	case q.Step != meter.Whole:
		return toll.FieldError("top", "The largest groups are those of the whole time: leave step out.")
	case q.By == meter.ByNothing:
		return toll.FieldError("top", "Say by what: by=customer, for example.")
	}
	if _, end := toll.Monthly.PeriodAt(q.From, q.zone); f.To == "" && q.To.Before(end) {
		q.To = end
	}
	q.Top = in.Top
	return nil
}

type usageRequest struct {
	UsageFilter
	UsageTop
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"500" doc:"Points on a page"`
	Cursor string `query:"cursor" maxLength:"1000" doc:"next of the page before, for the same question"`
}

var usageRule = rule{scope: toll.ScopeReadUsage, action: account.ReadUsage, everyone: account.ReadAllUsage}

func addShowUsage(a *API) {
	type answer struct{ Body usageAnswer }
	register(a, huma.Operation{
		OperationID: "show-usage", Method: http.MethodGet, Path: "/usage", Tags: []string{"Usage"},
		Summary:     "Ask what was used",
		Description: "Reads rollups, which are at most a second behind. Hours and days are those of the zone; times are widened to whole steps, without a step to whole quarters of an hour.",
	}, usageRule, func(ctx context.Context, c *call, in *usageRequest) (*answer, error) {
		q, err := in.question(a, c)
		if err == nil {
			err = in.of(&q, &in.UsageFilter)
		}
		if err != nil {
			return nil, err
		}
		out := &answer{Body: usageAnswer{From: q.From, To: q.To, Zone: q.zone.String(), Step: in.Step, By: in.By, Points: []usagePoint{}}}
		if q.By != meter.ByUnit {
			out.Body.Unit = q.Unit
		}
		err = in.page(ctx, a.o.Usage, q, &out.Body)
		return out, err
	})
}

// page fills in the points of one page.
func (in *usageRequest) page(ctx context.Context, usage Usage, q asked, out *usageAnswer) error {
	if in.Top > 0 {
		if in.Cursor != "" {
			return toll.FieldError("cursor", "The largest groups have no pages.")
		}
		points, err := usage.Series(ctx, q.Question)
		for _, p := range points {
			out.Points = append(out.Points, usagePoint{p.Start.In(q.zone), p.Group, p.Count})
		}
		return err
	}
	after, err := readCursor(in.Cursor)
	if err != nil {
		return err
	}
	err = q.each(ctx, usage, after, in.Limit+1, func(p meter.Point) bool {
		if len(out.Points) == in.Limit {
			last := out.Points[in.Limit-1]
			out.Next = cursor{last.Start.UnixMicro(), last.Group}.String()
			return false
		}
		out.Points = append(out.Points, usagePoint{p.Start.In(q.zone), p.Group, p.Count})
		return true
	})
	return err
}

// cursor is where a page ended.
type cursor struct {
	start int64 // Unix µs of the last point
	group string
}

// String writes a cursor; what is in it is nobody's business, but no secret.
func (c cursor) String() string {
	b, _ := json.Marshal([]string{strconv.FormatInt(c.start, 36), c.group}) // texts cannot fail
	return base64.RawURLEncoding.EncodeToString(b)
}

func readCursor(text string) (*cursor, error) {
	if text == "" {
		return nil, nil
	}
	wrongCursor := toll.FieldError("cursor", "This is no cursor of an answer of ours. Begin with the first page.")
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, wrongCursor
	}
	var parts []string
	if json.Unmarshal(b, &parts) != nil || len(parts) != 2 {
		return nil, wrongCursor
	}
	start, err := strconv.ParseInt(parts[0], 36, 64)
	if err != nil || !sane(time.UnixMicro(start)) || strings.ContainsRune(parts[1], 0) {
		return nil, wrongCursor
	}
	return &cursor{start, parts[1]}, nil
}
