package console

import (
	"net/http/httptest"
	"testing"
)

// What the console itself costs: gates, session, HTML and gzip, with the meter
// and the store in memory.
func BenchmarkAnswer(b *testing.B) {
	w := newWorld(b)
	person := w.as("owner@acme.example")
	for name, target := range map[string]string{"page": "", "content": "main#content", "part": "div#results"} {
		b.Run(name, func(b *testing.B) {
			asker := person
			if target != "" {
				asker = person.htmx(target)
			}
			asker = asker.with("Accept-Encoding", "gzip")
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("GET", "/usage", nil)
				r.Header = asker.header.Clone()
				r.Header.Set("Cookie", PlainCookie+"="+asker.cookies[PlainCookie])
				rec := httptest.NewRecorder()
				w.console.ServeHTTP(rec, r)
				if rec.Code != 200 {
					b.Fatal(rec.Code)
				}
			}
		})
	}
}
