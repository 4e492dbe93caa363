package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// languages of code samples, as they stand in the URL, the first the default.
var codeLanguages = []struct {
	id, label string
	write     func(method, url, contentType, body string) string
}{
	{"curl", "curl", writeCurl},
	{"go", "Go", writeGo},
	{"python", "Python", writePython},
	{"javascript", "JavaScript", writeJavaScript},
}

// sample shows a call that works with the person's own key on their plan. nil
// when the plan includes no service.
func (c *Console) sample(v *visit, plan toll.Plan, path string) *piece.Code {
	call, ok := c.call(plan)
	if !ok {
		return nil
	}
	chosen := codeLanguages[0]
	for _, l := range codeLanguages {
		if l.id == v.r.URL.Query().Get("code") {
			chosen = l
		}
	}
	code := piece.Code{
		ID: "code", Label: v.T("sample.label", chosen.label), Part: "#sample",
		Copy: v.T("copy"), Done: v.T("copied"),
		Text: chosen.write(call.Method, c.o.PublicURL+call.Path, call.ContentType, call.Body),
	}
	for _, l := range codeLanguages {
		href := path
		if l.id != codeLanguages[0].id {
			href = withQuery(path, url.Values{"code": {l.id}})
		}
		code.Tabs = append(code.Tabs, piece.Tab{Label: l.label, Href: href, Current: l.id == chosen.id})
	}
	return &code
}

// call finds the first sample whose service the plan includes, with its path
// as the gateway takes it.
func (c *Console) call(plan toll.Plan) (Sample, bool) {
	if c.o.Services == nil {
		return Sample{}, false
	}
	services := c.o.Services()
	for _, s := range c.o.Samples {
		for _, svc := range services {
			if svc.Name == s.Service && plan.IncludesService(s.Service) {
				s.Path = svc.Path + s.Path
				return s, true
			}
		}
	}
	for _, svc := range services {
		if svc.Access == toll.AccessKey && plan.IncludesService(svc.Name) {
			return Sample{Service: svc.Name, Method: "GET", Path: svc.Path + "/"}, true
		}
	}
	return Sample{}, false
}

func writeCurl(method, url, contentType, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "curl %s \\\n  -H \"Authorization: Bearer $TOLLHOUSE_KEY\"", url)
	if body != "" {
		fmt.Fprintf(&b, " \\\n  -H \"Content-Type: %s\" \\\n  -d '%s'", contentType, strings.ReplaceAll(body, "'", `'\''`))
	} else if method != "GET" {
		fmt.Fprintf(&b, " \\\n  -X %s", method)
	}
	return b.String()
}

func writeGo(method, url, contentType, body string) string {
	reader := "nil"
	if body != "" {
		reader = "strings.NewReader(`" + strings.ReplaceAll(body, "`", "` + \"`\" + `") + "`)"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "req, err := http.NewRequest(%q, %q, %s)\nif err != nil {\n\tlog.Fatal(err)\n}\n", method, url, reader)
	b.WriteString("req.Header.Set(\"Authorization\", \"Bearer \"+os.Getenv(\"TOLLHOUSE_KEY\"))\n")
	if body != "" {
		fmt.Fprintf(&b, "req.Header.Set(\"Content-Type\", %q)\n", contentType)
	}
	b.WriteString("resp, err := http.DefaultClient.Do(req)\nif err != nil {\n\tlog.Fatal(err)\n}\ndefer resp.Body.Close()\nio.Copy(os.Stdout, resp.Body)")
	return b.String()
}

func writePython(method, url, contentType, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "import os, urllib.request\n\nrequest = urllib.request.Request(\n    %s,\n    method=%s,\n    headers={\n        \"Authorization\": \"Bearer \" + os.environ[\"TOLLHOUSE_KEY\"],\n", quoted(url), quoted(method))
	if body != "" {
		fmt.Fprintf(&b, "        \"Content-Type\": %s,\n    },\n    data=%s.encode(),\n)\n", quoted(contentType), quoted(body))
	} else {
		b.WriteString("    },\n)\n")
	}
	b.WriteString("print(urllib.request.urlopen(request).read().decode())")
	return b.String()
}

func writeJavaScript(method, url, contentType, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "const response = await fetch(%s, {\n  method: %s,\n  headers: {\n    \"Authorization\": `Bearer ${process.env.TOLLHOUSE_KEY}`,\n", quoted(url), quoted(method))
	if body != "" {
		fmt.Fprintf(&b, "    \"Content-Type\": %s,\n  },\n  body: %s,\n});\n", quoted(contentType), quoted(body))
	} else {
		b.WriteString("  },\n});\n")
	}
	b.WriteString("console.log(await response.text());")
	return b.String()
}

// quoted writes a text as a JSON string, which Python and JavaScript read too.
func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // a string can always be encoded
		return `""`
	}
	return strings.TrimSpace(b.String())
}
