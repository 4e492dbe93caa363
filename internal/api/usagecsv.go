package api

import (
	"context"
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tollhouse/tollhouse/internal/meter"
)

type exportRequest struct {
	UsageFilter
	UsageTop
}

func addExportUsage(a *API) {
	register(a, huma.Operation{
		OperationID: "export-usage", Method: http.MethodGet, Path: "/usage.csv", Tags: []string{"Usage"},
		Summary:     "The same as a table (CSV), all of it",
		Description: "Streamed: an answer that ends before its last line was broken off. What a spreadsheet would take for a formula begins with an apostrophe.",
		Responses: map[string]*huma.Response{"200": {Description: "A line of names, then one for each point",
			Content: map[string]*huma.MediaType{"text/csv": {Schema: &huma.Schema{Type: "string"}}}}},
	}, usageRule, func(ctx context.Context, c *call, in *exportRequest) (*huma.StreamResponse, error) {
		q, err := in.question(a, c)
		if err == nil {
			err = in.of(&q, &in.UsageFilter)
		}
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			_, w := humago.Unwrap(hc)
			if err := writeCSV(ctx, w, a.o.Usage, q); err != nil {
				a.o.Logger.ErrorContext(ctx, "a table of usage broke off", "request_id", c.id, "error", err)
				panic(http.ErrAbortHandler) // the client must not take it for whole
			}
		}}, nil
	})
}

// writeCSV streams the points of a question, day by day.
func writeCSV(ctx context.Context, w http.ResponseWriter, usage Usage, q asked) error {
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="usage-`+q.From.In(q.zone).Format(time.DateOnly)+`.csv"`)
	out := csv.NewWriter(w)
	out.UseCRLF = true // RFC 4180 §2
	head := []string{"start", "unit", "count"}
	if q.By != meter.ByNothing {
		head = []string{"start", string(q.By), "unit", "count"}
	}
	if q.By == meter.ByUnit {
		head = []string{"start", "unit", "count"}
	}
	if err := out.Write(head); err != nil {
		return err
	}
	var broken error
	each := q.each
	if q.Top > 0 {
		each = q.largest
	}
	err := each(ctx, usage, nil, 0, func(p meter.Point) bool {
		line := []string{p.Start.In(q.zone).Format(time.RFC3339), harmless(q.Unit), strconv.FormatInt(p.Count, 10)}
		switch q.By {
		case meter.ByNothing:
		case meter.ByUnit:
			line[1] = harmless(p.Group)
		default:
			line = []string{line[0], harmless(p.Group), line[1], line[2]}
		}
		broken = out.Write(line)
		return broken == nil
	})
	out.Flush()
	if broken == nil && err == nil {
		broken = out.Error()
	}
	if ctx.Err() != nil || broken != nil {
		return nil // the client hung up: there is nobody to tell
	}
	return err
}

// largest gives the groups of a question for the largest, as each does those of
// another.
func (q *asked) largest(ctx context.Context, usage Usage, _ *cursor, _ int, visit func(meter.Point) bool) error {
	points, err := usage.Series(ctx, q.Question)
	for _, p := range points {
		if !visit(p) {
			break
		}
	}
	return err
}

// harmless keeps a spreadsheet from taking a text for a formula (CWE-1236).
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(text[0])) {
		return "'" + text
	}
	return text
}
