package edge_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// TestNobodySpeaksForAnother sends by hand what claims to be from somebody else,
// and what would take the gateway's own word away, and looks at the bytes that
// come to the service.
func TestNobodySpeaksForAnother(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		trusted bool // the peer is a proxy whose word is believed
		fields  string
		client  string // whom the log means
		told    map[string]string
	}{
		{"named away", false, "Connection: Tollhouse-Customer, tollhouse-key, Tollhouse-Plan, Tollhouse-Mode, X-Forwarded-For, X-Forwarded-Proto, X-Request-Id, Forwarded\r\n", "127.0.0.1", nil},
		{"aliases", false, "Tollhouse_Customer: cus_forged\r\nTOLLHOUSE-customer: cus_forged\r\ntollhouse_key: key_forged\r\nX_Request_Id: forged-by-me\r\nX_Forwarded_For: 1.2.3.4\r\nX_Forwarded_Proto: https\r\n", "127.0.0.1", nil},
		{"aliases from a proxy", true, "Tollhouse_Customer: cus_forged\r\nTollhouse-Customer: cus_forged\r\nX_Forwarded_For: 1.2.3.4\r\n", "127.0.0.1", nil},
		{"a stranger's X-Forwarded-For", false, "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 10.0.0.1, 127.0.0.1\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n", "127.0.0.1", nil},
		{"a proxy's list", true, "X-Forwarded-For: 1.2.3.4, 198.51.100.7\r\n", "198.51.100.7", map[string]string{"X-Forwarded-For": "1.2.3.4, 198.51.100.7, 127.0.0.1"}},
		{"a proxy's port", true, "X-Forwarded-For: 198.51.100.7:4711\r\n", "198.51.100.7", map[string]string{"X-Forwarded-For": "198.51.100.7:4711, 127.0.0.1"}},
		{"a proxy's IPv6", true, "X-Forwarded-For: [2001:db8::7]:4711\r\n", "2001:db8::7", map[string]string{"X-Forwarded-For": "[2001:db8::7]:4711, 127.0.0.1"}},
		{"rubbish behind a proxy", true, "X-Forwarded-For: 198.51.100.7, unknown\r\n", "127.0.0.1", map[string]string{"X-Forwarded-For": "198.51.100.7, unknown, 127.0.0.1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			service := newStrict(t, nil)
			h := openBefore(t, service.address)
			if c.trusted {
				h.front.Switch(edge.Settings{Proxies: edge.Proxies{netip.MustParsePrefix("127.0.0.0/8")}})
			}
			got := answersTo(t, h.dial(t), fmt.Sprintf("GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n%s\r\n", h.key, c.fields)+
				fmt.Sprintf("GET /v1/ner/next HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nConnection: close\r\n\r\n", h.key))
			if len(got) != 2 || got[0].status != 200 || got[1].name() != "next" {
				t.Fatalf("answers %+v", got)
			}
			want := map[string]string{
				"Tollhouse-Customer": "cus_1", "Tollhouse-Key": "key_1", "Tollhouse-Plan": "free", "Tollhouse-Mode": string(toll.Live),
				"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "x", "Forwarded": "", "X-Real-Ip": "",
			}
			for name, value := range c.told {
				want[name] = value
			}
			odd := service.to("/odd")
			if len(odd) != 1 {
				t.Fatalf("the service saw %v", service.requests())
			}
			for name, value := range want {
				if got := strings.Join(odd[0].fields[name], " | "); got != value {
					t.Errorf("the service was told %s: %q, want %q", name, got, value)
				}
			}
			for name := range odd[0].fields {
				if strings.Contains(name, "_") {
					t.Errorf("the service was told %s", name)
				}
			}
			if seen := <-h.seen; seen.Request.Client.String() != c.client {
				t.Errorf("the client is %s, want %s", seen.Request.Client, c.client)
			}
			service.clean(t)
		})
	}
}

func TestAnAnswerSaysWhoseFaultItWas(t *testing.T) {
	t.Parallel()
	service := newStrict(t, nil)
	h := openBefore(t, service.address, public)
	for _, c := range []struct{ send, kind, says string }{
		{chunks("zz\r\nabc\r\n0\r\n\r\n"), "#body-malformed", "cannot be read"},
		{"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", "#bad-method", "tunnel"},
		{"GET /v1/ner/ HTTP/1.1\r\nHost: a:http\r\n\r\n", "#bad-host", "host"},
	} {
		got := answersTo(t, h.dial(t), c.send)
		if len(got) != 1 || !strings.Contains(got[0].body, c.kind) || !strings.Contains(got[0].body, c.says) || strings.Contains(got[0].body, "did not answer") {
			t.Errorf("%q was answered %+v", c.send, got)
		}
	}
}
