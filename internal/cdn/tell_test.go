package cdn

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// outside is a CDN that answers as a test says, and remembers what it was told.
type outside struct {
	*httptest.Server
	mu   sync.Mutex
	said []string
}

func newOutside(t *testing.T, answer http.HandlerFunc) *outside {
	t.Helper()
	o := new(outside)
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		o.mu.Lock()
		o.said = append(o.said, fmt.Sprintf("%s %s %s|%s|%s", r.Method, r.Host, r.RequestURI, r.Header.Get("X-Key"), body))
		o.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(o.Close)
	return o
}

// waits remembers pauses in the place of making them.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) wait(_ context.Context, d time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, d)
	return true
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

func TestAHookIsFilledInWithWhatWasPurged(t *testing.T) {
	t.Parallel()
	o := newOutside(t, ok)
	host := strings.TrimPrefix(o.URL, "http://")
	hook := func(method, path, body, key string) toll.PurgeHook {
		return toll.PurgeHook{
			On: []string{"url", "prefix", "tag", "all"}, Method: method, URL: o.URL + path, Body: body,
			Headers: []toll.HookHeader{{Name: "X-Key", Value: toll.Secret(key)}},
		}
	}
	for _, c := range []struct {
		hook  toll.PurgeHook
		purge Purge
		want  string
	}{
		{hook("POST", "/service/S/purge/{tag}", "", "k"), Purge{Tag: "item 4/2"}, "POST " + host + " /service/S/purge/item%204%2F2|k|"},
		{hook("POST", "/purge/{host}{path}", "", "k"), Purge{URL: "https://shop.example/a%20b?c=d"}, "POST " + host + " /purge/shop.example/a%20b?c=d|k|"},
		{hook("POST", "/zones/Z", `{"files":["{url}"]}`, "Bearer x"), Purge{URL: "/a?b=\"c\"", Host: "www.example"}, "POST " + host + ` /zones/Z|Bearer x|{"files":["https://www.example/a?b=\"c\""]}`},
		{hook("POST", "/zones/Z", `{"prefixes":["{host}{prefix}"]}`, "k"), Purge{Prefix: "https://shop.example/items/"}, "POST " + host + ` /zones/Z|k|{"prefixes":["shop.example/items/"]}`},
		{hook("POST", "/zones/Z", `{"tags":["{tag}"]}`, "k"), Purge{Tag: `a"],"x":["b`}, "POST " + host + ` /zones/Z|k|{"tags":["a\"],\"x\":[\"b"]}`},
		{hook("POST", "/purge_all", `{"purge_everything":true}`, "k"), Purge{All: true}, "POST " + host + ` /purge_all|k|{"purge_everything":true}`},
		{hook("PURGE", "{path}", "", "k"), Purge{URL: "/a?b"}, "PURGE " + host + " /a?b|k|"},
		{hook("BAN", "/", "", "^{tag}$"), Purge{Tag: "t"}, "BAN " + host + " /|^t$|"},
		{hook("GET", "/p?u={url}&t={tag}", "", "k"), Purge{URL: "https://shop.example/a?b&c"}, "GET " + host + " /p?u=https%3A%2F%2Fshop.example%2Fa%3Fb%26c&t=|k|"},
	} {
		told := Tell(context.Background(), []toll.PurgeHook{c.hook}, c.purge)
		if len(told) != 1 || told[0].Error != "" || told[0].Status != 204 || told[0].Tries != 1 || told[0].Hook != host {
			t.Errorf("%+v: told %+v", c.purge, told)
		}
		if said := o.said[len(o.said)-1]; said != c.want {
			t.Errorf("the CDN heard\n%s, want\n%s", said, c.want)
		}
	}
	named := hook("PURGE", "{path}", "", "k")
	named.Headers = append(named.Headers, toll.HookHeader{Name: "Host", Value: "{host}"})
	Tell(context.Background(), []toll.PurgeHook{named}, Purge{URL: "https://shop.example/a"})
	if said := o.said[len(o.said)-1]; said != "PURGE shop.example /a|k|" {
		t.Errorf("with a Host of its own: %s", said)
	}
	n := len(o.said)
	for _, c := range []struct {
		hook  toll.PurgeHook
		purge Purge
	}{
		{hook("POST", "/x", "{url}", "k"), Purge{URL: "/a"}}, // which host?
		{hook("POST", "/x", "", "{tag}"), Purge{Tag: "a\r\nX-Key: other"}},
	} {
		if told := Tell(context.Background(), []toll.PurgeHook{c.hook}, c.purge); told[0].Error == "" || told[0].Tries != 0 {
			t.Errorf("%+v: %+v, want an error before anything is sent", c.purge, told)
		}
	}
	if len(o.said) != n {
		t.Errorf("the CDN heard %q", o.said[n:])
	}
}

func TestOnlyTheHooksForSuchAPurgeAreSent(t *testing.T) {
	t.Parallel()
	o := newOutside(t, ok)
	hooks := []toll.PurgeHook{{On: []string{"tag"}, Method: "POST", URL: o.URL + "/tag"}, {On: []string{"url", "all"}, Method: "POST", URL: o.URL + "/other"}}
	if told := Tell(context.Background(), hooks, Purge{Prefix: "/a"}); len(told) != 0 {
		t.Errorf("told %+v of a prefix", told)
	}
	Tell(context.Background(), hooks, Purge{All: true})
	if len(o.said) != 1 || !strings.Contains(o.said[0], "/other") {
		t.Errorf("the CDN heard %q", o.said)
	}
}

func TestAFailingCDNIsTriedThreeTimesAndToldOf(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef"
	var failures int
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   Told
		waits  []time.Duration
	}{
		{"twice away, then there", func(w http.ResponseWriter, _ *http.Request) {
			if failures++; failures < 3 {
				w.WriteHeader(503)
			}
		}, Told{Status: 200, Tries: 3}, []time.Duration{firstPause, 5 * firstPause}},
		{"away", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, Told{Status: 500, Tries: 3, Error: "it answered 500"}, []time.Duration{firstPause, 5 * firstPause}},
		{"refused, with the key in what it says", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(403)
			fmt.Fprintf(w, "bad\nkey %s\x00", r.Header.Get("X-Key"))
		}, Told{Status: 403, Tries: 1, Error: "it answered 403: bad key [redacted]"}, nil},
		{"busy, and says for how long", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(429)
		}, Told{Status: 429, Tries: 3, Error: "it answered 429"}, []time.Duration{2 * time.Second, 2 * time.Second}},
		{"busy for too long", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(429)
		}, Told{Status: 429, Tries: 1, Error: "it answered 429"}, nil},
		{"somewhere else", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusTemporaryRedirect)
		}, Told{Status: 307, Tries: 1, Error: "it answered 307"}, nil},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Told{Tries: 3, Error: "EOF"}, []time.Duration{firstPause, 5 * firstPause}},
	} {
		o := newOutside(t, c.answer)
		var w waits
		hook := toll.PurgeHook{On: []string{"all"}, Method: "POST", URL: o.URL, Headers: []toll.HookHeader{{Name: "X-Key", Value: secret}}}
		told := tellAll(context.Background(), []toll.PurgeHook{hook}, Purge{All: true}, w.wait)[0]
		told.Hook = ""
		if told != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, told, c.want)
		}
		if fmt.Sprint(w.all) != fmt.Sprint(c.waits) {
			t.Errorf("%s: waited %v, want %v", c.name, w.all, c.waits)
		}
	}
}

func TestACDNThatIsNotThereIsToldOf(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String() + "/secret-in-the-path"
	l.Close()
	var w waits
	told := tellAll(context.Background(), []toll.PurgeHook{{On: []string{"all"}, Method: "POST", URL: address}}, Purge{All: true}, w.wait)[0]
	if told.Tries != 3 || told.Status != 0 || !strings.Contains(told.Error, "refused") || strings.Contains(told.Error, "secret") {
		t.Errorf("told %+v", told)
	}
}

func TestWhoAsksIsNotKeptWaitingBeyondTheEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	o := newOutside(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel() // the time is over while it is silent
		<-r.Context().Done()
	})
	told := Tell(ctx, []toll.PurgeHook{{On: []string{"all"}, Method: "POST", URL: o.URL}}, Purge{All: true})[0]
	if told.Tries != 1 || told.Error == "" {
		t.Errorf("told %+v", told)
	}
}
