package nerapi

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/examples/internal/rootpath"
)

// serveDocument serves the contract, whose server is the root path of the
// request: a relative URL, so that it is right for every host.
func serveDocument(document *huma.OpenAPI) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		own := *document
		own.Servers = []*huma.Server{{URL: cmp.Or(rootpath.Of(r), "/"), Description: "Where this document was read"}}
		body, err := json.Marshal(&own)
		if err != nil {
			writeProblem(w, http.StatusInternalServerError, "The contract could not be written. This is a fault of the service.")
			return
		}
		cacheByRootPath(w)
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(body)
	}
}

//go:embed docs.html
var docsHTML string

// docsStyleHash is the hash of the page's only style, for its policy.
var docsStyleHash = func() string {
	_, rest, _ := strings.Cut(docsHTML, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

var docsTemplate = template.Must(template.New("docs").Parse(docsHTML))

func serveDocs(w http.ResponseWriter, r *http.Request) {
	cacheByRootPath(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+docsStyleHash+"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	// The client may be gone; there is nobody to tell.
	_ = docsTemplate.Execute(w, map[string]any{"Root": rootpath.Of(r), "Version": Version, "MaxCharacters": MaxCharacters})
}

// cacheByRootPath lets a cache keep an answer that depends on the root path
// only as long as it asks each time.
func cacheByRootPath(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Vary", "X-Forwarded-Prefix")
}
