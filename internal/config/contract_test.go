package config

import (
	"net/netip"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// mustParse gives the configuration of a text that must have no problem.
func mustParse(t *testing.T, src string) *Config {
	t.Helper()
	c, err := parseWith("tollhouse.yml", []byte(src), testEnvironment())
	if err != nil {
		t.Fatalf("does not parse: %v", err)
	}
	return c
}

func contract(t *testing.T) *Config {
	t.Helper()
	c, err := Load("testdata/contract.yml")
	if err != nil {
		t.Fatalf("the contract does not parse: %v", err)
	}
	return c
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// What holds for a service that says nothing about it.
var (
	usualRetry   = toll.Retry{Connect: true, Lost: true, Tries: 3, Budget: 20}
	usualBreaker = toll.Breaker{Failures: 5, Ratio: 50, Window: 10 * time.Second, Open: time.Second, Longest: 30 * time.Second}
)

func TestReadsHowRequestsAreSpread(t *testing.T) {
	t.Parallel()
	c := mustParse(t, `console: { host: console.localhost }
services:
  a:
    path: /a
    access: public
    upstreams: [ "http://127.0.0.1:9001", { url: "h2c://127.0.0.1:9002", weight: 0 }, { url: "http://127.0.0.1:9003", weight: 5 } ]
    balance: sticky
    slow_start: 10s
    retry: { on: [connect, lost, 503], tries: 2, budget: 10% }
    breaker: { failures: 3, ratio: 30%, window: 1m, open: 2s, longest: 1m }
  b:
    path: /b
    access: public
    upstreams: [ { url: "http://127.0.0.1:9004", weight: 7 }, { url: "http://127.0.0.1:9005", weight: 7 } ]
    retry: { on: [] }
`)
	a, _ := c.Service("a")
	same(t, "upstreams", a.Upstreams, []string{"http://127.0.0.1:9001", "h2c://127.0.0.1:9002", "http://127.0.0.1:9003"})
	same(t, "weights", a.Weights, []int{1, 0, 5})
	same(t, "balance", a.Balance, toll.Sticky)
	same(t, "slow start", a.SlowStart, 10*time.Second)
	same(t, "retry", a.Retry, toll.Retry{Connect: true, Lost: true, Statuses: []int{503}, Tries: 2, Budget: 10})
	same(t, "breaker", a.Breaker, toll.Breaker{Failures: 3, Ratio: 30, Window: time.Minute, Open: 2 * time.Second, Longest: time.Minute})
	b, _ := c.Service("b")
	same(t, "equal weights", b.Weights, []int(nil))
	same(t, "retry after nothing", b.Retry, toll.Retry{Tries: 3, Budget: 20})
}

func TestReadsTheWholeContractFile(t *testing.T) {
	t.Parallel()
	c := contract(t)
	same(t, "listen", c.Listen, Listen{HTTP: "127.0.0.1:8080", Admin: "127.0.0.1:9900", Authorize: "127.0.0.1:9901", HeadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute})
	same(t, "trusted proxies", c.TrustedProxies, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	same(t, "data", c.Data, "./tollhouse-data")
	same(t, "journal", c.Journal, Journal{Sync: Sync{Every: 50 * time.Millisecond}, WhenFull: Refuse})
	same(t, "console", c.Console, Console{
		Host: "console.localhost", Languages: []string{"en", "fr", "es"},
		Sessions: Sessions{Valid: 48 * time.Hour, Refresh: time.Hour, AtMost: 720 * time.Hour, Rotate: 720 * time.Hour},
	})
	same(t, "time zone", c.TimeZone, time.UTC)

	bill := [6]bool{2: true, 3: true, 4: true}
	ner, _ := c.Service("ner")
	same(t, "ner", ner, toll.Service{
		Name: "ner", Path: "/v1/ner", StripPath: true,
		Upstreams: []string{"http://127.0.0.1:9001", "http://127.0.0.1:9002"},
		Balance:   toll.LeastRequests, Access: toll.AccessKey,
		Health:      toll.Health{Path: "/healthz", Every: 2 * time.Second, Timeout: time.Second, Healthy: 2, Unhealthy: 2},
		Timeouts:    toll.Timeouts{Connect: 2 * time.Second, Response: time.Minute, Idle: 2 * time.Minute, Body: 30 * time.Second, Stream: time.Hour},
		Retry:       usualRetry,
		Breaker:     usualBreaker,
		MaxInFlight: 64, MaxBody: 5_000_000, MaxURL: 8 << 10,
		Units:     []string{"words", "characters"},
		Endpoints: []string{"POST /extractions", "GET /openapi.json"},
		Policies: []toll.Policy{
			{Name: "burst", Kind: toll.RateLimit, Partition: toll.PerIP, Service: "ner", Count: 50, Window: time.Second},
		},
		Bill: bill,
	})
	daybook, _ := c.Service("daybook")
	same(t, "daybook", daybook, toll.Service{
		Name: "daybook", Host: "daybook.localhost", Upstreams: []string{"http://127.0.0.1:9003"},
		Balance: toll.RoundRobin, Access: toll.AccessPublic,
		Timeouts: toll.Timeouts{Connect: 5 * time.Second, Response: time.Minute, Idle: 2 * time.Minute, Body: 30 * time.Second, Stream: time.Hour},
		Retry:    usualRetry,
		Breaker:  usualBreaker,
		MaxBody:  10_000_000, MaxURL: 8 << 10,
		Compress: []toll.Coding{toll.Zstd, toll.Brotli, toll.Gzip},
		Policies: []toll.Policy{
			{Name: "app", Kind: toll.RateLimit, Partition: toll.PerIP, Service: "daybook", Count: 20, Window: time.Second, Burst: 50},
		},
		Bill:  bill,
		Cache: toll.Cache{MaxSize: 64_000_000, MaxObject: 1_000_000, Counts: true},
	})
	same(t, "order of services", []string{c.Services[0].Name, c.Services[1].Name}, []string{"daybook", "ner"})

	same(t, "plans", c.Plans, []toll.Plan{
		{
			Name: "free", Title: "Free", Includes: []string{"ner"}, Price: toll.Price{Amount: "0", Every: "month"},
			Policies: []toll.Policy{
				{Name: "minute", Kind: toll.RateLimit, Count: 10, Window: time.Minute},
				{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: 2},
				{Name: "monthly", Kind: toll.Quota, Count: 1000, Unit: toll.UnitRequests, Every: toll.Monthly},
			},
		},
		{
			Name: "pro", Title: "Pro", Includes: []string{"ner"}, Features: []string{"models"},
			Price: toll.Price{Amount: "29.00", Currency: "USD", Every: "month"},
			Policies: []toll.Policy{
				{Name: "minute", Kind: toll.RateLimit, Count: 300, Window: time.Minute},
				{Name: "hour", Kind: toll.RateLimit, Count: 6000, Window: time.Hour},
				{Name: "extractions", Kind: toll.RateLimit, Count: 120, Window: time.Minute, Service: "ner", Endpoint: "POST /extractions"},
				{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: 20},
				{Name: "monthly", Kind: toll.Quota, Count: 100000, Unit: toll.UnitRequests, Every: toll.Monthly},
			},
		},
		{
			Name: "payg", Title: "Pay as you go", Includes: []string{"ner"},
			Price:    toll.Price{Amount: "0", Currency: "USD", Every: "month"},
			Policies: []toll.Policy{{Name: "minute", Kind: toll.RateLimit, Count: 600, Window: time.Minute}},
			Usage: []toll.UnitPrice{
				{Unit: "words", Tiers: []toll.Tier{{UpTo: 1000000, Each: "0.00002"}, {Each: "0.00001"}}},
				{Unit: toll.UnitRequests, Included: 1000, Each: "0.001"},
			},
		},
	})
	same(t, "add-ons", c.Addons, []toll.Addon{{
		Name: "multilingual", Title: "Multilingual", Features: []string{"multilingual"},
		Price: toll.Price{Amount: "9.00", Currency: "USD", Every: "month"},
	}})
}

// The lines that the contract has switched off are part of it too.
func TestReadsWhatTheContractHasInComments(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/contract-all.yml")
	if err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, string(src))
	same(t, "https", c.Listen.HTTPS, ":443")
	same(t, "acme", c.ACME, ACME{Email: "ops@example.com", Directory: "https://localhost:14000/dir", CAFile: "pebble.minica.pem"})
	same(t, "database", c.Database.Reveal(), "postgres://user@127.0.0.1/tollhouse")
	same(t, "redis", c.Redis.Reveal(), "redis://127.0.0.1:6379")
	same(t, "session", c.Secrets.Session.Reveal(), "fedcba9876543210fedcba9876543210")
	same(t, "stripe", c.Secrets.Stripe.Reveal(), "none")
}

// What the contract is silent about and this version knows.
func TestReadsWhatExtendsTheContract(t *testing.T) {
	t.Parallel()
	c := mustParse(t, `
name: Acme API
time_zone: Europe/Berlin
listen: { http: "[::1]:0", trusted_proxies: [192.0.2.7, "2001:db8::/32"] }
journal: { sync: always, when_full: serve-unmetered }
console:
  host: Console.Example.COM
  languages: [es]
  sessions: { valid: 2d, refresh: 30m, at_most: 10d }
services:
  api:
    host: "*.Example.com"
    path: /
    upstreams: [ "HTTP://LOCALHOST:3000/", "https://[::1]:3001" ]
    bill: [2xx]
    max_body: 1.5MiB
    units: [pages]
    endpoints: [ "GET /items/{id}", "GET /" ]
    limits:
      - { name: items, rate: 100/30s, endpoint: "GET /items/{id}", per: key, shadow: true }
      - { name: together, concurrency: 9, per: ip }
  open:
    path: /open
    access: public
    bill: []
    upstreams: [ "http://127.0.0.1:9003" ]
    limits: [ { name: app, rate: 20/second } ]
    quotas: [ { name: visits, limit: 30, every: month }, { name: views, limit: 3, every: day, per: ip } ]
plans:
  p:
    includes: [api, open]
    price: { amount: 100, currency: JPY, every: year }
    limits: [ { name: api, rate: 7200/h, service: api, per: key } ]
    quotas: [ { name: pages, unit: pages, limit: 5, every: day, shadow: true }, { name: each, limit: 6, every: month, per: ip } ]
    months: subscription
  nothing:
`)
	same(t, "name", c.Name, "Acme API")
	same(t, "time zone", c.TimeZone.String(), "Europe/Berlin")
	same(t, "listen", c.Listen.HTTP, "[::1]:0")
	same(t, "proxies", c.TrustedProxies, []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32")})
	same(t, "journal", c.Journal, Journal{Sync: Sync{Always: true}, WhenFull: ServeUnmetered})
	same(t, "console", c.Console, Console{Host: "console.example.com", Languages: []string{"es"},
		Sessions: Sessions{Valid: 48 * time.Hour, Refresh: 30 * time.Minute, AtMost: 240 * time.Hour, Rotate: 720 * time.Hour}})
	api, _ := c.Service("api")
	same(t, "host", api.Host, "*.example.com")
	same(t, "path", api.Path, "")
	same(t, "upstreams", api.Upstreams, []string{"http://localhost:3000", "https://[::1]:3001"})
	same(t, "bill", api.Bill, [6]bool{2: true})
	same(t, "max body", api.MaxBody, 3<<19)
	same(t, "policies", api.Policies, []toll.Policy{
		{Name: "items", Kind: toll.RateLimit, Partition: toll.PerKey, Service: "api", Endpoint: "GET /items/{id}", Shadow: true, Count: 100, Window: 30 * time.Second},
		{Name: "together", Kind: toll.ConcurrencyLimit, Partition: toll.PerIP, Service: "api", Count: 9},
	})
	open, _ := c.Service("open")
	same(t, "an empty list bills nothing", open.Bill, [6]bool{})
	same(t, "limits and quotas of a public service are per address", open.Policies, []toll.Policy{
		{Name: "visits", Kind: toll.Quota, Partition: toll.PerIP, Service: "open", Count: 30, Unit: toll.UnitRequests, Every: toll.Monthly},
		{Name: "views", Kind: toll.Quota, Partition: toll.PerIP, Service: "open", Count: 3, Unit: toll.UnitRequests, Every: toll.Daily},
		{Name: "app", Kind: toll.RateLimit, Partition: toll.PerIP, Service: "open", Count: 20, Window: time.Second},
	})
	p, _ := c.Plan("p")
	same(t, "price", p.Price, toll.Price{Amount: "100", Currency: "JPY", Every: "year"})
	same(t, "plan's policies", p.Policies, []toll.Policy{
		{Name: "api", Kind: toll.RateLimit, Partition: toll.PerKey, Service: "api", Count: 7200, Window: time.Hour},
		{Name: "pages", Kind: toll.Quota, Shadow: true, Count: 5, Unit: "pages", Every: toll.Daily},
		{Name: "each", Kind: toll.Quota, Partition: toll.PerIP, Count: 6, Unit: toll.UnitRequests, Every: toll.Monthly}, // an address has no subscription
	})
	same(t, "an empty plan", slices.IndexFunc(c.Plans, func(p toll.Plan) bool { return p.Name == "nothing" && p.Title == "nothing" }), 1)
	if _, ok := c.Service("nothing"); ok {
		t.Error("found a service that is not there")
	}
	if _, ok := c.Plan("api"); ok {
		t.Error("found a plan that is not there")
	}
}

func TestFollowsAnchorsAndMerges(t *testing.T) {
	t.Parallel()
	c := mustParse(t, `
console: { host: console.localhost }
services:
  a: &common
    path: /a
    upstreams: &u ["http://127.0.0.1:9001"]
    access: public
    max_body: 1KB
  b:
    <<: *common
    path: /b
    max_body: 2KB
  c:
    path: /c
    upstreams: *u
    access: public
`)
	b, _ := c.Service("b")
	if b.Path != "/b" || b.MaxBody != 2000 || b.Access != toll.AccessPublic || len(b.Upstreams) != 1 {
		t.Errorf("merged: %+v", b)
	}
	if cc, _ := c.Service("c"); len(cc.Upstreams) != 1 {
		t.Errorf("alias: %+v", cc)
	}
}
