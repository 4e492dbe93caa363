package nerapi

import (
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tollhouse/tollhouse/examples/ner/extract"
)

type nothing struct{}

func (nothing) Extract(string) []extract.Extraction { return nil }

// BenchmarkFitsSchema is what it costs to hold an answer of three extractions
// to its schema before it is sent.
func BenchmarkFitsSchema(b *testing.B) {
	api := humago.New(http.NewServeMux(), huma.DefaultConfig("bench", Version))
	registerExtractions(api, Options{Extractor: nothing{}})
	schema := api.OpenAPI().Paths["/extractions"].Post.Responses["200"].Content["application/json"].Schema
	body := &extractionsBody{Extractions: []extraction{
		{0, 8, "PERSON", "John Doe"}, {14, 26, "POSITION", "Go Developer"}, {30, 36, "ORGANISATION", "Google"},
	}}
	b.ReportAllocs()
	for b.Loop() {
		if err := fitsSchema(api, schema, body); err != nil {
			b.Fatal(err)
		}
	}
}
