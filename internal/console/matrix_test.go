package console

import (
	"crypto/rand"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/internal/account"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// who are the columns of the matrix: nobody, every role, and the owner of a
// foreign tenant.
func who() []string {
	names := []string{"nobody"}
	for _, s := range account.Subjects() {
		names = append(names, string(s))
	}
	return append(names, "foreign/owner")
}

// enters a browser for a column of the matrix.
func (w *world) enter(column string) *browser {
	w.t.Helper()
	kind, role, _ := strings.Cut(column, "/")
	switch kind {
	case "nobody":
		return w.browser()
	case "member":
		return w.as(role + "@acme.example")
	case "operator":
		return w.as(role + "@house.example")
	}
	return w.as("owner@globex.example")
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	file = "testdata/" + file
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("not as in %s (go test -update writes it anew):\n%s", file, got)
	}
}

// path fills a route's pattern with things of the first customer.
func (w *world) path(pattern string) string {
	return strings.NewReplacer("/{$}", "/", "{key}", w.key.ID, "{customer}", w.customer.ID, "{session}", ownersSession, "{passkey}", ownersPasskey, "{provider}", "none", "{approval}", w.approval.ID, "{model}", w.model.ID, "{thread}", w.thread.ID, "{attachment}", w.file.ID).Replace(w.peoplePath(pattern))
}

// form is a valid form for a route that takes one.
func (w *world) form(pattern, token string) url.Values {
	if f := w.peopleForm(pattern, token); f != nil {
		return f
	}
	switch {
	case pattern == "/sign-in":
		return url.Values{"email": {"owner@acme.example"}, "password": {password}}
	case pattern == "/keys":
		return url.Values{hx.OnceField: {token}, "name": {"made"}, "mode": {"test"}, "expires": {"30d"}}
	case pattern == "/plan/change":
		return url.Values{hx.OnceField: {token}, "for": {"free"}, "note": {"less"}}
	case pattern == "/plan/limit":
		return url.Values{hx.OnceField: {token}, "for": {w.limit}, "count": {"1000000"}}
	case strings.HasSuffix(pattern, "/reject"):
		return url.Values{"reason": {"Not now."}}
	case pattern == "/support":
		return url.Values{"subject": {"A question"}, "text": {"How many?"}}
	case strings.HasSuffix(pattern, "/messages"):
		return url.Values{"text": {"More of it."}}
	case pattern == "/import":
		return url.Values{"kind": {"customer"}, "content": {"external_id,name,plan\n42,ACME,pro\n"}, "do": {"yes"}}
	case strings.HasSuffix(pattern, "/roll"):
		return url.Values{hx.OnceField: {token}, "overlap": {"24h"}}
	case strings.HasPrefix(pattern, "/account"):
		return url.Values{"current": {password}, "password": {password}, "name": {"Some name"}}
	}
	return url.Values{}
}

func outcome(code int, location string) string {
	switch {
	case code == http.StatusSeeOther && strings.HasPrefix(location, "/sign-in"):
		return "sign-in"
	case code == http.StatusSeeOther:
		return "303"
	}
	return fmt.Sprint(code)
}

// Every route is driven by every role and by a foreign tenant, as a page and as
// a part of one: both pass the same gates, and the whole is a golden file that
// a reader can check.
func TestMatrixOfRoutesAndRoles(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	columns := who()
	fmt.Fprintf(&table, "%-42s %s\n", "", strings.Join(columns, " "))
	for _, route := range (&Console{o: Options{Development: true}}).routes() {
		fmt.Fprintf(&table, "%-42s", route.method+" "+route.pattern)
		for _, column := range columns {
			w := newWorld(t, development) // a world of its own: what one does shows in no other
			b := w.enter(column)
			token := rand.Text()
			drive := func(b *browser) (string, string) {
				var form url.Values
				if route.method == "POST" {
					form = w.form(route.pattern, token)
				}
				r := b.do(route.method, w.path(route.pattern), form)
				return outcome(r.Code, r.Header().Get("Location")), r.Body.String()
			}
			part, fragment := drive(b.htmx("main#content"))
			if strings.Contains(strings.ToLower(fragment), "<html") {
				t.Errorf("%s %s gives %s a whole page inside a part", route.method, route.pattern, column)
			}
			w = newWorld(t, development)
			b = w.enter(column)
			whole, _ := drive(b)
			same := whole == part
			switch { // out of a page htmx cannot follow a redirect, so it is told to load one
			case whole == "sign-in" && part == "401", route.method+route.pattern == "POST/link" && whole == "sign-in" && part == "200", route.pattern == "/sign-out" && whole == "sign-in" && part == "200",
				route.pattern == "/sign-in" && whole == "303" && part == "200",
				route.pattern == "/sign-in/code" && whole == "sign-in" && part == "200",
				route.pattern == "/account/profile" && whole == "303" && part == "200":
				same = true
			}
			if !same {
				t.Errorf("%s %s for %s is %s as a page and %s as a part", route.method, route.pattern, column, whole, part)
			}
			fmt.Fprintf(&table, " %-*s", len(column), whole)
		}
		table.WriteByte('\n')
	}
	golden(t, "matrix.txt", trailing.ReplaceAllString(table.String(), "\n"))
}

var trailing = regexp.MustCompile(` +\n`)

// What the matrix shows must follow from the office's own rules.
func TestRoutesFollowTheOfficesRules(t *testing.T) {
	t.Parallel()
	rules := map[account.Action]account.Rule{}
	for _, r := range account.Rules() {
		rules[r.Action] = r
	}
	for _, r := range (&Console{}).routes() {
		switch {
		case r.audience == public:
			if r.action != "" {
				t.Errorf("%s %s is for %s and names an action, which is not asked", r.method, r.pattern, r.audience)
			}
			continue
		case r.audience == signedIn && r.action == "":
			continue
		case r.action == "":
			t.Errorf("%s %s is for a %s and names no action", r.method, r.pattern, r.audience)
			continue
		}
		rule, ok := rules[r.action]
		if !ok {
			t.Errorf("%s %s names the unknown action %q", r.method, r.pattern, r.action)
		}
		if r.audience != signedIn && !slices.ContainsFunc(rule.Allowed, func(s account.Subject) bool { return strings.HasPrefix(string(s), string(r.audience)+"/") }) {
			t.Errorf("%s %s is for a %s, none of whom may do %s", r.method, r.pattern, r.audience, r.action)
		}
		if r.method == "POST" && strings.Contains(string(r.action), "list") {
			t.Errorf("%s %s changes something with an action that only reads", r.method, r.pattern)
		}
	}
}

// A foreign tenant learns nothing of what is not its own: the answer is that of
// a thing that is not there.
func TestAForeignTenantSeesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	for _, verb := range []string{"roll", "revoke"} {
		theirs := b.get("/keys/" + w.otherKey.ID + "/" + verb)
		none := b.get("/keys/key_none/" + verb)
		if theirs.Code != 404 || none.Code != 404 {
			t.Errorf("%s of a foreign key is %d and of none %d, want 404 twice", verb, theirs.Code, none.Code)
		}
		if strip(theirs) != strip(none) {
			t.Errorf("%s of a foreign key reads otherwise than of none", verb)
		}
		form := w.form("/keys/{key}/roll", rand.Text())
		if r := b.post("/keys/"+w.otherKey.ID+"/"+verb, form); r.Code != 404 {
			t.Errorf("posting %s of a foreign key is %d", verb, r.Code)
		}
	}
	k, err := w.store.Key(t.Context(), w.otherKey.ID)
	w.ok(err)
	if !k.RevokedAt.IsZero() || k.ReplacedBy != "" {
		t.Errorf("the foreign key was changed: %+v", k)
	}
	if body := b.get("/keys").Body.String(); strings.Contains(body, w.otherKey.ID) || !strings.Contains(body, w.key.ID) {
		t.Error("the list shows a foreign key, or not one's own")
	}
	if body := w.as("owner@globex.example").get("/usage.csv").Body.String(); strings.Count(body, "\n") != 1 {
		t.Errorf("a foreign tenant reads usage that is not its own: %s", body)
	}
}
