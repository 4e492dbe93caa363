package edge

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// Whatever a proxy passes on of what its client said: what is understood is one
// method, one host and one path, or nothing.
func FuzzAQuestionHasOneReading(f *testing.F) {
	f.Add("GET", "/a?b=c", "api.example", "https", "198.51.100.7", "", "", "")
	f.Add("GET", "http://api.example/a", "api.example:80", "http", "6.6.6.6, [2001:db8::1]:5", "GET", "", "")
	f.Add("", "", "", "", "198.51.100.7", "POST", "/x", "https://api.example/x?y")
	f.Add("GET", "//evil.example/a", "api.example", "ws", "::ffff:1.2.3.4", "", "//evil.example/a", "http://api.example//evil.example/a")
	f.Add("GET", "/", "a,b", "", "1.1.1.1", "", "", "https://?x")
	proxies := Proxies{netip.MustParsePrefix("192.0.2.0/24")}
	f.Fuzz(func(t *testing.T, method, uri, host, scheme, from, method2, uri2, whole string) {
		h := http.Header{}
		for name, value := range map[string]string{
			"X-Forwarded-Method": method, "X-Forwarded-Uri": uri, "X-Forwarded-Host": host, "X-Forwarded-Proto": scheme, "X-Forwarded-For": from,
			"X-Original-Method": method2, "X-Original-Uri": uri2, "X-Original-Url": whole,
		} {
			if value != "" {
				h.Set(name, value)
			}
		}
		o, err := originalOf(h, proxies)
		if err != nil {
			return
		}
		if o.method == "" || o.hostPort == "" || !o.client.IsValid() || o.scheme != "http" && o.scheme != "https" {
			t.Fatalf("understood %+v", o)
		}
		for _, said := range []string{method, method2} {
			if said != "" && said != o.method {
				t.Fatalf("of %q and %q it is %q", method, method2, o.method)
			}
		}
		if host != "" && !strings.EqualFold(host, o.hostPort) || strings.ContainsAny(o.host, "/@, ") {
			t.Fatalf("of %q it is %q", host, o.hostPort)
		}
		for _, said := range []string{uri, uri2} {
			if said != "" && !strings.HasSuffix(said, o.path) && !strings.Contains(said, "?") && strings.HasPrefix(said, "/") {
				t.Fatalf("of %q it is %q", said, o.path)
			}
		}
	})
}

func FuzzAProblemFitsAField(f *testing.F) {
	f.Add("plain")
	f.Add("“quoted” – \U0001F600 \x7f \"\\ \r\n\t\x00")
	f.Fuzz(func(t *testing.T, text string) {
		document, err := json.Marshal(map[string]string{"detail": text})
		if err != nil {
			t.Fatal(err)
		}
		said := asciiJSON(document)
		for i := 0; i < len(said); i++ {
			if said[i] < ' ' || said[i] >= 0x7f {
				t.Fatalf("%q holds the byte %#x", said, said[i])
			}
		}
		var read, want map[string]string
		if err := json.Unmarshal([]byte(said), &read); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(document, &want); err != nil || read["detail"] != want["detail"] {
			t.Fatalf("%q is read as %q", want["detail"], read["detail"])
		}
	})
}

// A settlement is understood whole or not at all, and what it says of units
// adds no fields to it.
func FuzzASettlementIsUnderstoodOrNot(f *testing.F) {
	f.Add(`{"decision":"01ARZ3NDEKTSV4RRFFQ69G5FAV","status":200,"units":{"words":12},"duration":"1s"}`)
	f.Add(`{"decision":"01ARZ3NDEKTSV4RRFFQ69G5FAV","status":1e2,"units":{"a=1,words":1e3,"":-1}}`)
	f.Add(`{"decision":"01ARZ3NDEKTSV4RRFFQ69G5FAV","status":200,"units":null}}`)
	f.Fuzz(func(t *testing.T, text string) {
		id, out, err := readSettlement(strings.NewReader(text))
		if err != nil {
			return
		}
		if id.IsZero() && !strings.Contains(text, "00000000000000000000000000") || out.Status < 100 || out.Status > 599 || out.BytesIn < 0 || out.BytesOut < 0 || out.Latency < 0 {
			t.Fatalf("%q is read as %s %+v", text, id, out)
		}
		for _, usage := range out.Usage {
			if strings.Count(usage, "=") != 1 || strings.Contains(usage, ",") {
				t.Fatalf("%q: %q", text, usage)
			}
		}
	})
}
