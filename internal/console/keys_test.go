package console

import (
	"compress/gzip"
	"crypto/rand"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func TestAKeyIsShownOnceAndMadeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("developer@acme.example")
	form := url.Values{hx.OnceField: {tokenOf(t, b.get("/keys/new"))}, "name": {"deploy"}, "mode": {"live"}, "expires": {"90d"}}
	var wg sync.WaitGroup
	texts := make([]string, 8)
	for i := range texts { // an impatient person
		wg.Go(func() {
			r := (&browser{w: w, cookies: map[string]string{PlainCookie: b.cookies[PlainCookie]}, header: b.header}).post("/keys", form)
			if r.Code == 200 {
				texts[i] = secretOf(r)
			}
		})
	}
	wg.Wait()
	for _, text := range texts {
		if !strings.HasPrefix(text, "th_live_") || text != texts[0] {
			t.Fatalf("each click must show the same key, got %q", texts)
		}
	}
	keys, err := w.office.Keys(t.Context(), w.person("owner@acme.example"), w.customer.ID)
	w.ok(err)
	made := 0
	for _, k := range keys {
		if k.Name == "deploy" {
			made++
			if want := w.clock().AddDate(0, 0, 90); !k.ExpiresAt.Equal(want.Truncate(time.Microsecond)) {
				t.Errorf("it expires at %v, want %v", k.ExpiresAt, want)
			}
		}
	}
	if made != 1 {
		t.Errorf("%d keys were made by one form", made)
	}
	if body := b.get("/keys").Body.String(); strings.Contains(body, texts[0]) {
		t.Error("the list shows the key's text")
	}
	w.pass(rememberAnswer + time.Second)
	if r := b.post("/keys", form); r.Code != 409 || strings.Contains(r.Body.String(), texts[0]) {
		t.Errorf("the form sent again later is %d and must not show the key", r.Code)
	}
	other := w.as("owner@acme.example")
	if r := other.post("/keys", form); r.Code != 200 || secretOf(r) == texts[0] {
		t.Error("somebody else's session got the answer of this one")
	}
	if w.log.Len() > 0 && strings.Contains(w.log.String(), texts[0]) {
		t.Error("the log holds the key's text")
	}
}

func TestAPageWithAKeysTextIsNeitherStoredNorCompressed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example").with("Accept-Encoding", "gzip, br")
	if r := b.get("/keys"); r.Header().Get("Content-Encoding") != "gzip" {
		t.Error("a page without a secret is not compressed")
	} else if z, err := gzip.NewReader(r.Body); err != nil {
		t.Error(err)
	} else if body, err := io.ReadAll(z); err != nil || !strings.Contains(string(body), "<h1") {
		t.Errorf("the compressed page does not read as the page (%v)", err)
	}
	form := url.Values{hx.OnceField: {rand.Text()}, "name": {"x"}, "mode": {"live"}, "expires": {"never"}}
	r := b.post("/keys", form)
	if cc := r.Header().Get("Cache-Control"); r.Header().Get("Content-Encoding") != "" || !strings.Contains(cc, "no-store") || !strings.Contains(cc, "no-transform") {
		t.Errorf("the page with the key is encoded as %q with Cache-Control %q", r.Header().Get("Content-Encoding"), cc)
	}
	if secretOf(r) == "" {
		t.Error("the key is not shown")
	}
}

func TestAWrongKeyFormComesBackWithWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	token := tokenOf(t, b.get("/keys/new"))
	for _, x := range []struct {
		form url.Values
		says string
	}{
		{url.Values{"name": {"  "}, "mode": {"live"}, "expires": {"never"}}, "Give the key a name."},
		{url.Values{"name": {strings.Repeat("é", 101)}, "mode": {"live"}, "expires": {"never"}}, "at most 100 characters"},
		{url.Values{"name": {"x"}, "mode": {"root"}, "expires": {"never"}}, "live or test"},
		{url.Values{"name": {"x"}, "mode": {"live"}, "expires": {"yesterday"}}, "offered times"},
		{url.Values{"name": {"bell \a rings"}, "mode": {"live"}, "expires": {"never"}}, "aria-invalid"},
	} {
		x.form.Set(hx.OnceField, token)
		for _, asker := range []*browser{b, b.htmx("main#content")} {
			r := asker.post("/keys", x.form)
			if r.Code != 422 || !strings.Contains(r.Body.String(), x.says) || !strings.Contains(r.Body.String(), "data-summary") {
				t.Errorf("%v is %d, want 422 that says %q", x.form, r.Code, x.says)
			}
			if tokenOf(t, r) == "" {
				t.Error("the form came back without a token")
			}
		}
	}
	good := url.Values{hx.OnceField: {token}, "name": {`<b>"x"</b>`}, "mode": {"test"}, "expires": {"never"}}
	if r := b.post("/keys", good); r.Code != 200 || secretOf(r) == "" || strings.Contains(r.Body.String(), "<b>") {
		t.Errorf("the corrected form is %d", r.Code)
	}
	good.Del(hx.OnceField)
	if r := b.post("/keys", good); r.Code != 422 {
		t.Errorf("a form without its token is %d", r.Code)
	}
	if r := b.post("/keys", url.Values{hx.OnceField: {token}, "name": {strings.Repeat("x", 70_000)}}); r.Code != 413 {
		t.Errorf("a form of 70 KB is %d", r.Code)
	}
}

func TestRollingAndRevokingSayWhatHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	path := "/keys/" + w.key.ID
	ask := b.get(path + "/roll")
	r := b.post(path+"/roll", url.Values{hx.OnceField: {tokenOf(t, ask)}, "overlap": {"24h"}})
	if r.Code != 200 || secretOf(r) == "" || !strings.Contains(r.Body.String(), "21 Nov 2026, 14:05:33\u00a0UTC") {
		t.Errorf("rolling is %d: %s", r.Code, r.Body)
	}
	if r := b.post(path+"/roll", url.Values{hx.OnceField: {tokenOf(t, ask)}, "overlap": {"24h"}}); secretOf(r) == "" {
		t.Error("the second click does not show the key")
	}
	if r := b.post(path+"/roll", url.Values{hx.OnceField: {tokenOf(t, b.get(path+"/roll"))}, "overlap": {"24h"}}); r.Code != 409 {
		t.Errorf("rolling a rolled key is %d, want 409", r.Code)
	}
	if r := b.post(path+"/roll", url.Values{hx.OnceField: {tokenOf(t, ask)}, "overlap": {"1h"}}); r.Code != 409 || secretOf(r) != "" {
		t.Errorf("the same form with another choice is %d, want 409", r.Code)
	}
	if r := b.post(path+"/roll", url.Values{hx.OnceField: {rand.Text()}, "overlap": {"99y"}}); r.Code != 422 {
		t.Errorf("an overlap that is not offered is %d, want 422", r.Code)
	}
	if r := b.post(path+"/revoke", nil); r.Code != 303 || r.Header().Get("Location") != "/keys" {
		t.Errorf("revoking is %d to %q", r.Code, r.Header().Get("Location"))
	}
	if body := b.get("/keys").Body.String(); !strings.Contains(body, "The key “production” was revoked.") {
		t.Error("the next page does not say that the key was revoked")
	}
	if body := b.get("/keys").Body.String(); strings.Contains(body, "was revoked.") {
		t.Error("it is said twice")
	}
}

func TestTheKeysPageShowsWhatAKeyMayDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	if body := b.get("/keys").Body.String(); !strings.Contains(body, "All of the plan") {
		t.Error("a key for everything does not say so")
	}
	w.scopedKey()
	body := b.get("/keys").Body.String()
	for _, want := range []string{">ner<", ">GET, POST<", ">from 192.0.2.7, 10.0.0.0/8<", ">Calls per minute: 60<", ">Words a month: 50,000 (only reports)<"} {
		if !strings.Contains(body, want) {
			t.Errorf("it does not say %q", want)
		}
	}
}

// scopedKey makes a key that may not do all that its customer may.
func (w *world) scopedKey() {
	w.t.Helper()
	_, hash, hint, err := accounttest.Mint(toll.Live)
	w.ok(err)
	w.ok(w.store.CreateKey(w.t.Context(), toll.Key{
		ID: "key_scoped", CustomerID: w.customer.ID, Name: "importer", Mode: toll.Live, Hash: hash, Hint: hint, CreatedAt: w.clock().Add(-time.Hour), Version: 1,
		Services: []string{"ner"}, Methods: []string{"GET", "POST"}, Origins: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("10.0.0.0/8")},
		Limits: []toll.Policy{
			{Name: "key", Kind: toll.RateLimit, Partition: toll.PerKey, Count: 60, Window: time.Minute},
			{Name: "key-quota", Kind: toll.Quota, Partition: toll.PerKey, Count: 50_000, Unit: "words", Every: toll.Monthly, Shadow: true},
		},
	}, tolltest.Entry()))
}
