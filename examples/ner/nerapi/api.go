package nerapi

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tollhouse/tollhouse/examples/ner/extract"
)

// Version is the version of the API's contract.
const Version = "1.0.0"

// Extractor finds what a text names: extract.Extractor, or a stand-in in tests.
// It must be safe for concurrent use.
type Extractor interface {
	Extract(text string) []extract.Extraction
}

// Options are what an API may be given; the zero value is right.
type Options struct {
	// Extractor finds the extractions. Default: extract.Default, which is built
	// when the API is (a few milliseconds).
	Extractor Extractor
	// Terms are those of each caller's own. Default: nobody has any.
	Terms Terms
	// Logger is told of answers that could not be given. Default: slog.Default.
	Logger *slog.Logger
}

// New returns the API as a handler. It panics when the embedded term lists
// cannot be read, which the tests of package extract rule out.
func New(o Options) http.Handler {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Extractor == nil {
		x, err := extract.Default()
		if err != nil {
			panic(fmt.Errorf("nerapi: %w", err))
		}
		o.Extractor = x
	}
	config := huma.DefaultConfig("Named entities", Version)
	config.Info.Description = description
	// Documents and pages are served by this package, because they know the
	// root path; and no $schema field is put into answers.
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.RejectUnknownQueryParameters = true
	config.Transformers = []huma.Transformer{shortenValues}

	mux := http.NewServeMux()
	api := humago.New(mux, config)
	registerExtractions(api, o)
	registerHealth(api)
	mux.HandleFunc("GET /openapi.json", serveDocument(api.OpenAPI()))
	mux.HandleFunc("GET /docs", serveDocs)
	mux.HandleFunc("GET /{$}", serveDocs)
	return withProblems(mux)
}

const description = `Finds people, places, organisations and positions in a text.

**Positions are counted in characters**, that is in Unicode code points of the text as it was sent (before any normalisation), from 0.
` + "`start`" + ` is the first character of an entity and ` + "`end`" + ` is one after its last, so that ` + "`text[start:end]`" + ` is the entity. An emoji
may be several code points; an accent may be one of its own.

Entities come in the order of the text and never overlap. An answer says what it used in the header ` + "`Tollhouse-Usage`" + `: words (runs of characters
between white space) and characters (code points) of the text.`
