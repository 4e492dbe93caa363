package hx_test

import (
	"html/template"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/hx"
)

func TestAReleaseStandsInATagOfHTMLTemplate(t *testing.T) {
	t.Parallel()
	release, err := hx.NewRelease("v1.2-rc>1")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := template.Must(template.New("").Parse(`<body {{.}}>`)).Execute(&b, release.HTMLAttributes()); err != nil {
		t.Fatal(err)
	}
	if want := `<body hx-headers='{"X-Release":"v1.2-rc>1"}' hx-headers:inherited='{"X-Release":"v1.2-rc>1"}'>`; b.String() != want {
		t.Errorf("%s", &b)
	}
}
