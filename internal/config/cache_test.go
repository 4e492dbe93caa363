package config

import (
	"reflect"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestAServiceHasACacheWhereItsFileSaysSo(t *testing.T) {
	t.Parallel()
	c := mustParse(t, `console: { host: console.example.com }
services:
  none: { path: /none, access: public, upstreams: ["http://127.0.0.1:9001"] }
  usual: { path: /usual, access: public, upstreams: ["http://127.0.0.1:9001"], cache: {} }
  own:
    path: /own
    access: public
    upstreams: ["http://127.0.0.1:9001"]
    cache: { default_ttl: 5m, max_size: 1GB, max_object: 20MB, counts: false }
`)
	for name, want := range map[string]toll.Cache{
		"none":  {},
		"usual": {MaxSize: 64_000_000, MaxObject: 1_000_000, Counts: true},
		"own":   {MaxSize: 1_000_000_000, MaxObject: 20_000_000, DefaultTTL: 5 * time.Minute},
	} {
		s, ok := c.Service(name)
		if !ok || !reflect.DeepEqual(s.Cache, want) {
			t.Errorf("%s: %+v, want %+v", name, s.Cache, want)
		}
	}
}
