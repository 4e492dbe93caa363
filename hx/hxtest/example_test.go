package hxtest_test

import (
	"fmt"
	"net/http"

	"github.com/tollhouse/tollhouse/hx/hxtest"
)

// A handler that chooses its form by hand, and forgot that a cache may keep it.
func ExampleExamine() {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		if r.Header.Get("HX-Request") == "true" && r.Header.Get("HX-Request-Type") != "full" &&
			r.Header.Get("HX-Boosted") == "" && r.Header.Get("HX-History-Restore-Request") == "" {
			fmt.Fprint(w, "<p>hello</p>")
			return
		}
		fmt.Fprint(w, "<html><title>Hello</title><p>hello</p></html>")
	})
	findings := hxtest.Examine(hxtest.App{Handler: h}, hxtest.Route{Path: "/hello"})
	seen := map[hxtest.Rule]bool{}
	for _, f := range findings {
		seen[f.Rule] = true
	}
	fmt.Println(seen)
	// Output: map[vary:true]
}
