package nerapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// MaxCharacters is the length of the longest text, in code points.
const MaxCharacters = 100_000

// maxBodyBytes lets the longest text pass even when each of its characters is
// written as a pair of \u escapes (12 bytes).
const maxBodyBytes = 12*MaxCharacters + 4096

type extractionsRequest struct {
	// Customer is who calls, as the gateway says. It takes this field off what
	// comes from outside, so nobody can say it but the gateway.
	Customer string `header:"Tollhouse-Customer" hidden:"true" maxLength:"100"`
	Body     struct {
		Text string `json:"text" minLength:"1" maxLength:"100000" pattern:"\\S" patternDescription:"a text with at least one character that is not a space" example:"John Doe is a Go Developer at Google" doc:"The text to read. Any Unicode text that holds more than white space."`
	}
}

// Resolve refuses a text that is white space only. The pattern in the schema
// says the same for ASCII; this counts every space of Unicode.
func (r *extractionsRequest) Resolve(huma.Context) []error {
	if text := r.Body.Text; text != "" && strings.TrimSpace(text) == "" {
		return []error{&huma.ErrorDetail{Location: "body.text", Message: "expected a text with at least one character that is not a space"}}
	}
	return nil
}

type extractionsAnswer struct {
	Usage string `header:"Tollhouse-Usage" doc:"What this answer used, for the bill." example:"words=8, characters=36"`
	Body  extractionsBody
}

type extractionsBody struct {
	Extractions []extraction `json:"extractions" nullable:"false" doc:"What was found, in the order of the text, without overlaps. Empty when nothing was."`
}

type extraction struct {
	Start int    `json:"start" minimum:"0" maximum:"99999" example:"0" doc:"The first character of the entity: Unicode code points of the text as sent, from 0."`
	End   int    `json:"end" minimum:"1" maximum:"100000" example:"8" doc:"One after the last character of the entity."`
	Type  string `json:"type" enum:"PERSON,PLACE,ORGANISATION,POSITION" example:"PERSON" doc:"What the entity is."`
	Text  string `json:"text" minLength:"1" maxLength:"100000" example:"John Doe" doc:"The entity, exactly as it stands in the text."`
}

func registerExtractions(api huma.API, o Options) {
	var schema *huma.Schema
	huma.Register(api, huma.Operation{
		OperationID: "create-extractions",
		Method:      http.MethodPost,
		Path:        "/extractions",
		Summary:     "Find people, places, organisations and positions in a text",
		Description: "A body that is not JSON, not UTF-8, or does not fit the schema is refused with 422 and the place of the fault. A text that fits but holds control characters, as binary data does, is refused with 400.",
		Tags:        []string{"extractions"},
		Errors:      []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType},
		Middlewares: huma.Middlewares{checkBody(api)},
		// checkBody has read and measured the body before huma sees it.
		MaxBodyBytes: maxBodyBytes + 1,
	}, func(ctx context.Context, in *extractionsRequest) (*extractionsAnswer, error) {
		text := in.Body.Text
		if err := readable(text); err != nil {
			return nil, err
		}
		answer := &extractionsAnswer{Usage: usage(text)}
		answer.Body.Extractions = make([]extraction, 0, 8)
		for _, e := range o.extract(ctx, in.Customer, text) {
			answer.Body.Extractions = append(answer.Body.Extractions, extraction{Start: e.Start, End: e.End, Type: string(e.Type), Text: e.Text})
		}
		if err := fitsSchema(api, schema, &answer.Body); err != nil {
			o.Logger.ErrorContext(ctx, "the answer does not fit its own schema", slog.Any("error", err))
			return nil, huma.Error500InternalServerError("The answer that was made is not valid, so it was not sent. This is a fault of the service; trying again will not help.")
		}
		return answer, nil
	})
	schema = api.OpenAPI().Paths["/extractions"].Post.Responses["200"].Content["application/json"].Schema
}

// readable is the rule of the business that no schema can say: what was sent
// must be a text. Binary data that was put into JSON holds control characters.
func readable(text string) error {
	position := 0
	for _, r := range text {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return huma.Error400BadRequest(fmt.Sprintf("The text looks like binary data: it holds the control character U+%04X at character %d. Send text only.", r, position),
				&huma.ErrorDetail{Location: "body.text", Message: fmt.Sprintf("control character U+%04X at character %d", r, position)})
		}
		position++
	}
	return nil
}

// usage tells what a text costs: its words, which are runs of characters
// between white space, and its characters, which are code points.
func usage(text string) string {
	words, inWord := 0, false
	for _, r := range text {
		space := unicode.IsSpace(r)
		if !space && !inWord {
			words++
		}
		inWord = !space
	}
	return fmt.Sprintf("words=%d, characters=%d", words, utf8.RuneCountInString(text))
}

// fitsSchema checks an answer against the schema that the contract shows for
// it, and against what a schema cannot say: order and no overlaps. It runs on
// every answer; BenchmarkFitsSchema says what it costs.
func fitsSchema(api huma.API, schema *huma.Schema, body *extractionsBody) error {
	list := make([]any, len(body.Extractions))
	end := 0
	for i, e := range body.Extractions {
		if e.Start < end || e.End <= e.Start || e.End-e.Start != utf8.RuneCountInString(e.Text) {
			return fmt.Errorf("extraction %d: positions %d to %d do not hold %d characters after position %d", i, e.Start, e.End, utf8.RuneCountInString(e.Text), end)
		}
		end = e.End
		list[i] = map[string]any{"start": e.Start, "end": e.End, "type": e.Type, "text": e.Text}
	}
	var result huma.ValidateResult
	huma.Validate(api.OpenAPI().Components.Schemas, schema, huma.NewPathBuffer([]byte("answer"), 0), huma.ModeReadFromServer, map[string]any{"extractions": list}, &result)
	if len(result.Errors) > 0 {
		return result.Errors[0]
	}
	return nil
}
