module github.com/tollhouse/tollhouse/bench/limits

go 1.26.0

toolchain go1.26.10

require (
	github.com/patrickmn/go-cache v2.1.0+incompatible
	github.com/sethvargo/go-limiter v0.7.1
	github.com/throttled/throttled/v2 v2.15.0
	github.com/tollhouse/tollhouse v0.0.0-00010101000000-000000000000
	golang.org/x/time v0.16.0
)

require github.com/hashicorp/golang-lru v0.5.4 // indirect

replace github.com/tollhouse/tollhouse => ../..
