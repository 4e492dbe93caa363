package hx

import (
	"context"
	"io"
)

// Config is a <meta name="htmx-config"> for the page's head, the same for htmx 2
// and 4. It makes htmx 2 swap answers of status 400 and above, as htmx 4 does,
// ask for a page of the history in a way that no cache confuses with a
// fragment, and keep no copies of pages in the browser's storage, so that Back
// shows what the server would show now; and it forbids eval, and styles set by script, which
// a strict Content-Security-Policy forbids anyway (put .htmx-indicator rules into your own style sheet).
var Config Renderer = RenderFunc(func(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, `<meta name="htmx-config" content='`+configJSON+`'>`)
	return err
})

// htmx 4 has no history cache, swaps errors, and reads what it knows of this.
const configJSON = `{"responseHandling":[{"code":"204","swap":false},{"code":"[2345]..","swap":true}],` +
	`"historyRestoreAsHxRequest":false,"historyCacheSize":0,"allowEval":false,"includeIndicatorStyles":false,"includeIndicatorCSS":false}`
