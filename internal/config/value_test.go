package config

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// reads tells whether a type takes a text.
func reads(t reflect.Type, s string) bool {
	return reflect.New(t).Interface().(value).parse(s) == nil
}

func TestValuesTakeWhatIsRightAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of        value
		good, bad []string
	}{
		{new(duration), []string{"0", "0s", "50ms", "1.5s", "1h30m", "30d"}, []string{"", "50", "1 s", "-1s", "d", "1w", "-3d", "99999999d", "1e9999s"}},
		{new(syncMode), []string{"always", "1ms", "50ms", "10s"}, []string{"", "never", "0s", "11s", "0.5ms", "50"}},
		{new(size), []string{"0B", "5MB", "5 MB", "1.5MiB", "512KB", "2GiB"}, []string{"", "5", "5mb", "5M", "-5MB", "1.2345MB", "99999999999999999999B", "9999999999999GB"}},
		{new(percent), []string{"0%", "20%", "100 %"}, []string{"", "%", "20", "-1%", "0.2", "2.5%", "twenty%", "99999999999%"}},
		{new(rate), []string{"1/second", "10/minute", "6000/hour", "50/30s", "10 / m"}, []string{"", "10", "/second", "10/", "0/second", "-1/second", "10/day", "10/0s", "10/500ms", "10/2h", "10/1.5s", "1e3/s", "9999999999999999999999/s"}},
		{new(decimal), []string{"0", "29", "29.00", "0.00002", "007"}, []string{"", ".5", "5.", "-1", "+1", "1,5", "1e3", "1_000", "0x10", "$5", "1.1234567890123"}},
		{new(currencyCode), []string{"USD", "EUR", "JPY"}, []string{"", "usd", "US", "DOLLAR", "ZZZ", "12A"}},
		{new(listenAddress), []string{":80", "127.0.0.1:0", "[::1]:8080", "localhost:65535", "my-host.example:1"}, []string{"", "8080", "localhost", "127.0.0.1:65536", "::1:80", "http://a:80", "a b:80", ":http", "a:b:c"}},
		{new(prefix), []string{"10.0.0.0/8", "::1", "2001:db8::/32", "192.0.2.1"}, []string{"", "10.0.0.0/33", "10.0.0.1/8", "localhost", "fe80::1%eth0", "10.0.0.0/8 "}},
		{new(hostName), []string{"a", "a.example.com", "*.example.com", "A.Example.COM", "a.example.com.", "127.0.0.1", "x_y.example"}, []string{"", "*", "*.", "a.*.com", "a..b", "-a.com", "a/b", "a:80", "http://a", "é.com", "a b", "*a.com"}},
		{new(pathPrefix), []string{"/", "/v1", "/v1/ner", "/é"}, []string{"", "v1", "/v1/", "//", "/a//b", "/a/../b", "/.", "/a?b", "/a#b", "/a%20b", "/a b", "/a\\b", "/a;b"}},
		{new(upstreamURL), []string{"http://127.0.0.1:9001", "https://api.example.com", "http://[::1]:80/", "HTTP://A", "h2c://127.0.0.1:50051"}, []string{"", "a", "127.0.0.1:80", "http://", "http:///x", "http://a/b", "http://a?b", "http://a#b", "ftp://a", "http://u:p@a", "http://a:0", "http://a:", "http://a:99999", "http://a b", "unix:///x", "http://[::1", "//a", "http:a"}},
		{new(requestPath), []string{"/", "/healthz", "/healthz?deep=1"}, []string{"", "healthz", "//a/b", "/a b", "/a#b", "http://a/b"}},
		{new(endpoint), []string{"GET /", "POST /extractions", "GET /items/{id}/parts/{part}"}, []string{"", "GET", "/x", "get /x", "GET x", "GET /{", "GET /a{b}", "GET /{a}b", "GET /{a...}", "GET /*", "GET /a?b", "GET  /a", "GET /a;b", "GET /{}"}},
		{new(planEndpoint), []string{"ner POST /extractions"}, []string{"", "ner", "POST /x", "ner POST", "ner /x", "NER POST /x"}},
		{new(label), []string{"a", "ner", "a-b_c", "0"}, []string{"", "-a", "_a", "A", "a b", "é", "a@b", "a.b", "0123456789012345678901234567890123456789012345678901234567890123"}},
		{new(toggle), []string{"true", "false"}, []string{"", "yes", "no", "on", "1", "TRUE"}},
		{new(count), []string{"0", "-5", "1000", "1_000"}, []string{"", "1.5", "1e3", "many", "0x10", "99999999999999999999"}},
		{new(zone), []string{"UTC", "Europe/Berlin"}, []string{"", "Local", "Berlin", "../etc/passwd"}},
		{new(email), []string{"ops@example.com"}, []string{"", "ops", "Ops <ops@example.com>", "a@b@c"}},
		{new(webURL), []string{"https://a/b"}, []string{"", "a", "ftp://a", "https://"}},
		{new(databaseURL), []string{"postgres://u@h/d", "postgresql:///d"}, []string{"", "mysql://u@h/d", "postgres://u@h", "postgres://u@h/", "./file.db"}},
		{new(redisURL), []string{"redis://h:6379", "rediss://h/0", "unix:///run/redis.sock"}, []string{"", "h:6379", "redis://", "unix://", "unix://h/x"}},
		{new(text), []string{"x", "Pay as you go", "名前"}, []string{"", "a\nb", "a\x1bb"}},
		{new(filePath), []string{".", "/a b"}, []string{"", "a\nb"}},
		{new(secret), []string{"x"}, []string{""}},
	} {
		of := reflect.TypeOf(c.of).Elem()
		for _, s := range c.good {
			if !reads(of, s) {
				t.Errorf("%s does not take %q: %v", of.Name(), s, reflect.New(of).Interface().(value).parse(s))
			}
		}
		for _, s := range c.bad {
			if reads(of, s) {
				t.Errorf("%s takes %q", of.Name(), s)
			}
		}
	}
}

func TestDurationsReadWhatGoWrites(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := time.Duration(rapid.Int64Range(0, 1<<62).Draw(t, "nanoseconds"))
		var d duration
		if err := d.parse(want.String()); err != nil || time.Duration(d) != want {
			t.Fatalf("%s became %s, %v", want, time.Duration(d), err)
		}
	})
}

func TestNearestFindsATypingMistakeAndNothingFarther(t *testing.T) {
	t.Parallel()
	known := names(reflect.TypeFor[serviceFile]())
	for typed, want := range map[string]string{
		"upstream": "upstreams", "upsteams": "upstreams", "ustpreams": "upstreams", "Host": "host", "hots": "host",
		"strip-path": "strip_path", "maxBody": "max_body", "max body": "max_body",
		"colour": "", "x": "", "": "", "prices": "", "replicas": "",
	} {
		if got := nearest(typed, known); got != want {
			t.Errorf("%q: got %q, want %q", typed, got, want)
		}
	}
}

func TestDistanceIsAMetricOfSmallChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-d]{0,8}`)
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if (d == 0) != (a == b) || d != distance(b, a) || d > max(len(a), len(b)) || d < max(len(a), len(b))-min(len(a), len(b)) {
			t.Fatalf("distance(%q, %q) = %d", a, b, d)
		}
	})
}
