package console

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// keyRow is a key as its line in the table shows it.
type keyRow struct {
	toll.Key
	State          toll.KeyState
	Prefix         string   // th_live_…
	Scope          []string // what it may be used for, and its own limits; none: all of the plan
	Rolls, Revokes bool     // offer it
}

// scope says what a key may be used for, in few words.
func (v *visit) scope(k *toll.Key) (scope []string) {
	for _, list := range [][]string{k.Services, k.Methods} {
		if len(list) > 0 {
			scope = append(scope, strings.Join(list, ", "))
		}
	}
	if len(k.Origins) > 0 {
		from := make([]string, len(k.Origins))
		for i, o := range k.Origins {
			if from[i] = o.String(); o.IsSingleIP() {
				from[i] = o.Addr().String()
			}
		}
		scope = append(scope, v.T("keys.scope.from", strings.Join(from, ", ")))
	}
	for _, p := range k.Limits {
		form := "keys.scope.limit"
		if p.Shadow {
			form = "keys.scope.watched"
		}
		of := alikeOf(p)
		of.partition = toll.PerCustomer // it is said to be the key's by where it stands
		scope = append(scope, v.T(form, v.limitName(of), v.words.Number(p.Count)))
	}
	return scope
}

func (c *Console) keys(v *visit) (*answer, error) {
	keys, err := c.o.Office.Keys(v.r.Context(), v.person, v.customerID())
	if err != nil {
		return nil, err
	}
	rows := make([]keyRow, 0, len(keys))
	for _, k := range keys {
		r := keyRow{Key: k, State: k.StateAt(v.now), Prefix: "th_" + string(k.Mode) + "_…" + k.Hint}
		r.Scope = v.scope(&k)
		r.Rolls = r.State == toll.KeyValid && k.ReplacedBy == "" && v.can(account.RollKey, k.CustomerID)
		r.Revokes = r.State == toll.KeyValid && v.can(account.RevokeKey, k.CustomerID)
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b keyRow) int { // what still works stands first
		return boolOrder(a.State != toll.KeyValid, b.State != toll.KeyValid)
	})
	return &answer{title: v.T("keys.title"), menu: "keys", body: keysPage(v, rows)}, nil
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Lives are how long a new key may be valid, as the form offers them.
var lives = []struct {
	id   string
	days int
}{{"never", 0}, {"30d", 30}, {"90d", 90}, {"365d", 365}}

// overlaps are how long a rolled key goes on beside its successor; the third is
// the default.
var overlaps = []struct {
	id string
	d  time.Duration
}{{"0", 0}, {"1h", time.Hour}, {"24h", 24 * time.Hour}, {"7d", 7 * 24 * time.Hour}}

// newKeyView is the form of a new key, with what was wrong with it.
type newKeyView struct {
	Name   string
	Mode   string
	Life   string
	Errors map[string]string // by field
}

func (c *Console) newKey(v *visit) (*answer, error) {
	return newKeyAnswer(v, http.StatusOK, newKeyView{Mode: "live", Life: "never"}), nil
}

func newKeyAnswer(v *visit, status int, view newKeyView) *answer {
	return &answer{status: status, title: v.T("keys.new"), menu: "keys", body: newKeyPage(v, view)}
}

func (c *Console) createKey(v *visit) (*answer, error) {
	f := v.r.PostForm
	view := newKeyView{Name: f.Get("name"), Mode: f.Get("mode"), Life: f.Get("expires"), Errors: map[string]string{}}
	in := account.NewKey{CustomerID: v.customerID(), Name: view.Name, Mode: toll.Mode(view.Mode)}
	switch name := strings.TrimSpace(view.Name); {
	case name == "":
		view.Errors["name"] = v.T("keys.name.missing")
	case utf8.RuneCountInString(name) > 100:
		view.Errors["name"] = v.T("keys.name.long")
	}
	if in.Mode != toll.Live && in.Mode != toll.Test {
		view.Errors["mode"] = v.T("keys.mode.wrong")
	}
	known := false
	for _, l := range lives {
		if l.id == view.Life {
			known = true
			if l.days > 0 {
				in.ExpiresAt = v.now.AddDate(0, 0, l.days)
			}
		}
	}
	if !known {
		view.Errors["expires"] = v.T("keys.expires.wrong")
	}
	if len(view.Errors) > 0 {
		return newKeyAnswer(v, http.StatusUnprocessableEntity, view), nil
	}
	made, err := c.o.Office.CreateKey(v.r.Context(), v.person, in)
	if e := invalidField(err); e != nil { // what only the office knows to be wrong
		field := e.Field
		if field != "mode" && field != "name" {
			field = "expires"
		}
		view.Errors[field] = e.Message
		return newKeyAnswer(v, http.StatusUnprocessableEntity, view), nil
	} else if err != nil {
		return nil, err
	}
	return v.madeKey(made, v.T("keys.made.title"), ""), nil
}

// madeKey is the one page that shows a key's text.
func (v *visit) madeKey(made account.MadeKey, title, note string) *answer {
	return &answer{title: title, menu: "keys", secret: true, body: madeKeyPage(v, title, note, made.Key, made.Text.Reveal())}
}

func (c *Console) confirmRoll(v *visit) (*answer, error) {
	k, err := c.o.Office.Key(v.r.Context(), v.person, v.r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	return confirmAnswer(v, "keys", "/keys", v.T("roll.title", k.Name), v.T("roll.text"), piece.Button{Kind: "primary", Label: v.T("roll.do"), Busy: v.T("roll.busy")}, true, overlapChoice(v)), nil
}

func (c *Console) rollKey(v *visit) (*answer, error) {
	i := slices.IndexFunc(overlaps, func(o struct {
		id string
		d  time.Duration
	}) bool {
		return o.id == v.r.PostForm.Get("overlap")
	})
	if i < 0 {
		return nil, toll.FieldError("overlap", "Choose how long the old key goes on.")
	}
	made, old, err := c.o.Office.RollKey(v.r.Context(), v.person, v.r.PathValue("key"), overlaps[i].d)
	if err != nil {
		return nil, err
	}
	note := v.T("roll.done.now")
	if overlaps[i].d > 0 {
		note = v.T("roll.done.until", v.words.Moment(old.ExpiresAt))
	}
	return v.madeKey(made, v.T("roll.done.title"), note), nil
}

func (c *Console) confirmRevoke(v *visit) (*answer, error) {
	k, err := c.o.Office.Key(v.r.Context(), v.person, v.r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	return confirmAnswer(v, "keys", "/keys", v.T("revoke.title", k.Name), v.T("revoke.text"), piece.Button{Kind: "danger", Label: v.T("revoke.do"), Busy: v.T("revoke.busy")}, false, nil), nil
}

func (c *Console) revokeKey(v *visit) (*answer, error) {
	k, err := c.o.Office.RevokeKey(v.r.Context(), v.person, v.r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	return &answer{to: "/keys", said: v.said("key.revoked", k.Name)}, nil
}
