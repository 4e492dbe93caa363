package console

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// member reads a member's row.
func (w *world) member(email string) toll.Member {
	w.t.Helper()
	m, err := w.store.MemberByEmail(w.t.Context(), email)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// What other sites can make a browser send, and what is no form of ours, changes
// nothing: whatever the method, the kind of body and the place of the fields.
func TestAFormOfAnyOtherSiteChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	before := w.member("owner@acme.example").Name
	const path = "/account/profile"
	fields := url.Values{"name": {"Somebody else"}}
	for _, h := range []http.Header{
		{"Origin": {"null"}},
		{"Origin": {"https://evil.example"}},
		{"Origin": {"http://example.com:8081"}}, // this host's, on another port
		{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"null"}},
		{"Sec-Fetch-Site": {"same-site"}},
		{"Sec-Fetch-Site": {"cross-site"}, "X-Http-Method-Override": {"POST"}},
	} {
		foreign := &browser{w: w, cookies: b.cookies, header: h}
		for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain", "application/json", "multipart/form-data; boundary=x"} {
			if r := foreign.raw("POST", path, kind, []byte(fields.Encode())); r.Code != http.StatusForbidden {
				t.Errorf("%s with %v is %d, want 403", kind, h, r.Code)
			}
		}
		for _, method := range []string{"PUT", "PATCH", "DELETE", "TRACE"} {
			if r := foreign.do(method, path, fields); r.Code != http.StatusForbidden && r.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s with %v is %d", method, h, r.Code)
			}
		}
	}
	for _, method := range []string{"GET", "HEAD", "TRACE"} { // a link or a picture of another site
		if r := b.with("Sec-Fetch-Site", "cross-site").do(method, path+"?"+fields.Encode(), nil); r.Code < 400 {
			t.Errorf("%s of a form's address is %d", method, r.Code)
		}
	}
	b.post(path+"?"+fields.Encode(), url.Values{}) // fields in the address are none of the form
	if now := w.member("owner@acme.example").Name; now != before {
		t.Errorf("the name is %q now, was %q", now, before)
	}
	if r := b.post(path, fields); r.Code != http.StatusSeeOther || w.member("owner@acme.example").Name != "Somebody else" {
		t.Errorf("the same form from here is %d", r.Code)
	}
}

func TestAFieldThatNobodyAskedForChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("viewer@acme.example")
	before := w.member("viewer@acme.example")
	extra := url.Values{"name": {"Another name"}}
	for name, value := range map[string]string{"role": "owner", "Role": "owner", "kind": "operator", "customer": "cus_other", "customer_id": "cus_other", "email": "new@evil.example", "id": "mem_other", "disabled": "false", "password": "another long password"} {
		extra.Set(name, value)
	}
	if r := b.post("/account/profile", extra); r.Code != http.StatusSeeOther {
		t.Fatalf("the form is %d: %s", r.Code, r.Body)
	}
	now := w.member("viewer@acme.example") // found by its address, which stayed
	if now.Name != "Another name" {
		t.Errorf("the field that the form has was not taken: %q", now.Name)
	}
	if now.Role != before.Role || now.CustomerID != before.CustomerID || now.ID != before.ID {
		t.Errorf("the person is %+v now, was %+v", now, before)
	}
	w.as("viewer@acme.example") // by the password of before
	for _, path := range []string{"/customers", "/team/invitations/new"} {
		if r := b.get(path); r.Code != http.StatusForbidden {
			t.Errorf("%s is %d now, want 403", path, r.Code)
		}
	}
}
