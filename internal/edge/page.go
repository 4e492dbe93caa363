package edge

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
)

// pageStyle is all that a page looks like; its policy allows this text alone.
const pageStyle = `
:root{color-scheme:light dark;--bg:#f7f8f8;--surface:#fff;--line:#d9dedd;--text:#16201f;--muted:#55625f;--accent:#0b6b63}
@media(prefers-color-scheme:dark){:root{--bg:#101615;--surface:#182120;--line:#2f3b39;--text:#e8eeec;--muted:#a3b0ad;--accent:#5fd0c3}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px 16px;background:var(--bg);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{width:100%;max-width:560px;padding:32px;background:var(--surface);border:1px solid var(--line);border-radius:8px}
.status{margin:0;color:var(--muted);font-size:14px;font-variant-numeric:tabular-nums}
h1{margin:4px 0 12px;font-size:28px;font-weight:600;line-height:1.2}
p{margin:0 0 16px;overflow-wrap:anywhere}
ul{list-style:none;margin:0 0 24px;padding:0;display:flex;flex-wrap:wrap;gap:8px 24px}
a{color:var(--accent)}
a:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.id{margin:0;padding-top:16px;border-top:1px solid var(--line);color:var(--muted);font-size:13px}
code{font:13px ui-monospace,monospace;color:var(--text);overflow-wrap:anywhere}
`

// problemMarkup is what page and fragment have in common. Headings are the
// page's own business, so a fragment has none.
const problemMarkup = `{{define "detail"}}<p>{{.Detail}}</p>
<ul>{{if .Again}}<li><a href="">Try again</a></li>{{end}}{{if .UpgradeURL}}<li><a href="{{.UpgradeURL}}">See the plans</a></li>{{end}}<li><a href="{{.Help}}" rel="noreferrer">What this means, and what to do</a></li></ul>
<p class="id">Request ID <code>{{.RequestID}}</code></p>{{end}}

{{define "page"}}<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{.Title}} ({{.Status}})</title>
<style>` + pageStyle + `</style>
</head>
<body>
<main>
<p class="status">{{.Status}} {{.Phrase}}</p>
<h1>{{.Title}}</h1>
{{template "detail" .}}
</main>
</body>
</html>
{{end}}

{{define "fragment"}}<div class="tollhouse-problem" role="alert" data-status="{{.Status}}" data-type="{{.Type}}">
<p><strong>{{.Title}}</strong></p>
{{template "detail" .}}
</div>
{{end}}`

var problemTemplates = template.Must(template.New("problem").Parse(problemMarkup))

// What a page and a fragment may do, should a browser show them: a page has its
// style; neither loads, runs, sends or is framed.
var (
	pagePolicy     = fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", digest(pageStyle))
	fragmentPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// shown is a problem as people read it.
type shown struct {
	problem
	Phrase string // the status in HTTP's words
	Help   string // where the problem is explained
	Again  bool   // the same address may answer later
}

// markup writes a problem as a page or a fragment.
func markup(as form, doc problem, method string) ([]byte, error) {
	s := shown{problem: doc, Phrase: http.StatusText(doc.Status), Help: doc.Type}
	if doc.Type == quotaExceeded {
		s.Help = problemBase + "quota-exceeded" // the registry says nothing to people
	}
	if method == http.MethodGet || method == http.MethodHead {
		switch doc.Status {
		case 429, 502, 503, 504:
			s.Again = as == asPage
		}
	}
	name := "page"
	if as == asFragment {
		name = "fragment"
	}
	var b bytes.Buffer
	if err := problemTemplates.ExecuteTemplate(&b, name, s); err != nil {
		return nil, fmt.Errorf("writing the %s of a problem: %w", name, err)
	}
	return b.Bytes(), nil
}
