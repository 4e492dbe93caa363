package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Events takes usage events in; *meter.Door does.
type Events interface {
	Check(sent []meter.Sent) (ready []meter.Outside, flaws []meter.Flaw)
	Take(ctx context.Context, events []meter.Outside, partial bool) (meter.Taken, error)
}

// The bounds of what is read at once.
const (
	mostBody   = 64 << 20 // bytes of a batch, unless Options say otherwise
	smallBody  = 64 << 10 // what does not have to wait for a large one
	largeOnes  = 2        // batches that are read and stored at the same time: each may take 100 MB
	largeQueue = 20 * time.Second
)

// takenEvents is what came of a batch.
type takenEvents struct {
	Received int     `json:"received" doc:"Events in the request"`
	Counted  int     `json:"counted" doc:"Counted now, and durable"`
	Repeated int     `json:"repeated" doc:"Counted before, with the same content: nothing was changed"`
	Refused  int     `json:"refused" doc:"Not counted; only with partial=true"`
	Errors   []wrong `json:"errors,omitempty" doc:"Why, for the first hundred that were refused"`
}

type eventsRequest struct {
	Partial bool `query:"partial" doc:"Take the events that are right where others are wrong. Without it one mistake refuses all."`
	Raw     rawRequest
}

// rawRequest gives a handler the request itself: its body is read piece by piece.
type rawRequest struct {
	request  *http.Request       `json:"-"`
	response http.ResponseWriter `json:"-"`
}

// Resolve implements huma.Resolver.
func (r *rawRequest) Resolve(ctx huma.Context) []error {
	r.request, r.response = humago.Unwrap(ctx)
	return nil
}

func addSendEvents(a *API) {
	type answer struct{ Body takenEvents }
	large := make(chan struct{}, largeOnes)
	event := eventSchema()
	one, many := &huma.MediaType{Schema: event}, &huma.MediaType{Schema: &huma.Schema{Type: "array", Items: event, MaxItems: new(mostEvents)}}
	register(a, huma.Operation{
		OperationID: "send-events", Method: http.MethodPost, Path: "/events", Tags: []string{"Events"},
		Summary: "Send usage events in",
		Description: "One event or a batch, as CloudEvents 1.0. The same source and id count once for ever, so a request whose answer was lost can be sent again. " +
			"An answer of 2xx means that the events are stored durably. Also in CloudEvents' binary mode: attributes in ce- fields, the body is data.",
	}, rule{scope: toll.ScopeWriteEvents, action: account.WriteEvents}, func(ctx context.Context, _ *call, in *eventsRequest) (*answer, error) {
		leave, err := room(ctx, large, in.Raw.request.ContentLength)
		if err != nil {
			return nil, err
		}
		defer leave()
		read, err := in.Raw.events(a.o.MaxBatch)
		if err != nil {
			return nil, err
		}
		taken, err := a.take(ctx, read, in.Partial)
		if err != nil {
			return nil, err
		}
		return &answer{Body: *taken}, nil
	})
	// Said afterwards: huma would read and check what it knows of beforehand.
	a.huma.OpenAPI().Paths["/events"].Post.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/cloudevents+json": one, "application/cloudevents-batch+json": many,
		"application/json": {Schema: &huma.Schema{OneOf: []*huma.Schema{event, many.Schema}}},
	}}
}

// room waits until there is room for a large body, so that memory stays bounded.
func room(ctx context.Context, large chan struct{}, length int64) (leave func(), err error) {
	if length >= 0 && length <= smallBody {
		return func() {}, nil
	}
	wait := time.NewTimer(largeQueue)
	defer wait.Stop()
	select {
	case large <- struct{}{}:
		return func() { <-large }, nil
	case <-wait.C:
		return nil, toll.Errorf(toll.Unavailable, "Other large batches are being stored. Try again in a moment.")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// events reads the request's events in whatever form they come, of most bytes.
func (r *rawRequest) events(most int64) (*eventReader, error) {
	h := r.request.Header
	if c := h.Get("Content-Encoding"); c != "" && !strings.EqualFold(c, "identity") {
		return nil, unsupported("The body must not be compressed; it says Content-Encoding: " + shorten(c) + ".")
	}
	media, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	media = strings.ToLower(strings.TrimSpace(media))
	body := http.MaxBytesReader(r.response, r.request.Body, most)
	var read *eventReader
	var err error
	switch {
	case media == "application/cloudevents+json":
		read, err = readEvents(body, justOne)
	case media == "application/cloudevents-batch+json":
		read, err = readEvents(body, manyOnly)
	case (h.Get("Ce-Id") != "" || h.Get("Ce-Specversion") != "") && isJSON(media):
		read, err = readBinary(h, body)
	case media == "application/json":
		read, err = readEvents(body, oneOrMany)
	default:
		return nil, unsupported("Send events as application/cloudevents+json, application/cloudevents-batch+json or application/json.")
	}
	var nonsense *unreadable
	var large *http.MaxBytesError
	switch {
	case err == nil:
		return read, nil
	case errors.As(err, &nonsense):
		return nil, &problem{Status: http.StatusBadRequest, kind: "api-invalid", Title: "Unreadable", Detail: nonsense.message + " Nothing was taken."}
	case errors.As(err, &large):
		return nil, tooLarge(fmt.Sprintf("A batch may have %d bytes. Nothing was taken: send it in parts.", most))
	case errors.Is(err, errTooMany):
		return nil, tooLarge(fmt.Sprintf("A batch may have %d events. Nothing was taken: send it in parts.", mostEvents))
	}
	return nil, &problem{Status: http.StatusBadRequest, kind: "api-invalid", Title: "Broken off", Detail: "The body ended before it was whole, or came too slowly. Nothing was taken.", cause: err}
}

func unsupported(detail string) *problem {
	return &problem{Status: http.StatusUnsupportedMediaType, kind: "api-invalid", Title: "Of another kind", Detail: detail}
}

func tooLarge(detail string) *problem {
	return &problem{Status: http.StatusRequestEntityTooLarge, kind: "api-too-large", Title: "Too large", Detail: detail}
}

// take checks what was read and has it stored.
func (a *API) take(ctx context.Context, read *eventReader, partial bool) (*takenEvents, error) {
	ready, wrongs := a.o.Events.Check(read.sent)
	byIndex := func(index int) (s *meter.Sent) {
		for low, high := 0, len(read.sent); low < high; { // sent is in the order of the batch
			if mid := (low + high) / 2; read.sent[mid].Index < index {
				low = mid + 1
			} else if high = mid; read.sent[mid].Index == index {
				return &read.sent[mid]
			}
		}
		return &meter.Sent{}
	}
	for _, f := range wrongs {
		read.wrong(f.Index, byIndex(f.Index), f.Field, f.Message)
	}
	if read.flaws.all > 0 && !partial {
		p := problemOf(toll.Errorf(toll.Invalid, "%s Nothing was taken.", counted(read.flaws.all, read.count, "is wrong", "are wrong")))
		p.Errors, p.More = read.flaws.list, read.flaws.all-len(read.flaws.list)
		return nil, p
	}
	out := &takenEvents{Received: read.count}
	if len(ready) > 0 {
		taken, err := a.o.Events.Take(ctx, ready, partial)
		if err != nil {
			return nil, err
		}
		for _, o := range taken.Differs {
			read.wrong(o.Index, &meter.Sent{Source: o.Source, ID: o.ID}, "id", "This source and id were used before for another content. A correction is a new event, with an id of its own.")
		}
		if len(taken.Differs) > 0 && !partial {
			p := problemOf(toll.Errorf(toll.Conflict, "%s used before for another content: source %s, id %s. Nothing was taken.",
				counted(len(taken.Differs), read.count, "was", "were"), shorten(taken.Differs[0].Source), shorten(taken.Differs[0].ID)))
			p.Errors, p.More = read.flaws.list, read.flaws.all-len(read.flaws.list)
			return nil, p
		}
		out.Counted, out.Repeated = taken.Counted, taken.Repeated
	}
	out.Refused, out.Errors = read.flaws.all, read.flaws.list
	return out, nil
}

// counted says "1 of 100 events is wrong."
func counted(n, of int, one, many string) string {
	verb := many
	if n == 1 {
		verb = one
	}
	text := fmt.Sprintf("%d of %d events %s", n, of, verb)
	if one == "is wrong" {
		text += "."
	}
	return text
}

// eventSchema describes an event in the contract.
func eventSchema() *huma.Schema {
	text := func(description string, example string) *huma.Schema {
		return &huma.Schema{Type: "string", Description: description, Examples: []any{example}}
	}
	zero, most := 0.0, float64(toll.MaxCount)
	s := &huma.Schema{
		Type: "object", Required: []string{"id", "source", "type", "subject", "data"}, AdditionalProperties: true,
		Description: "A CloudEvent 1.0. Extension attributes are passed over.",
		Properties: map[string]*huma.Schema{
			"specversion": text(`"1.0"; needed but in application/json`, "1.0"),
			"id":          text("With source the identity: counts once for ever", "job-4711"),
			"source":      text("Who tells it", "/workers/transcription"),
			"type":        text("What happened: shown where an endpoint is, so of a bounded number", "transcription.done"),
			"subject":     text("The customer's ID", "cus_01J9Z3W8K6Q4T2R0N8M6P4S2V0"),
			"time":        text("When it was used, RFC 3339; missing: when it arrives. At most 5 minutes ahead and 400 days late", "2026-11-20T12:00:00+05:30"),
			"data": {Type: "object", Description: "How much of each unit; requests: none, unless it is named", Examples: []any{map[string]any{"words": 123}},
				AdditionalProperties: &huma.Schema{Type: "integer", Minimum: &zero, Maximum: &most}},
		},
	}
	s.PrecomputeMessages()
	return s
}
