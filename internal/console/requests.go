package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/console/words"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// refusalsShown is how many of the newest refusals the page lists.
const refusalsShown = 20

// requestsView is the page that says what became of a request.
type requestsView struct {
	ID       string // what was asked for, "" for nothing yet
	Customer string // whose refusals are listed: an operator's choice, "" for all
	Found    *explained
	Unknown  bool // asked for, and not known or not theirs
	Refused  []refusedRow
}

// explained is an explanation in a person's words.
type explained struct {
	toll.Explanation
	Says    string // one sentence: what happened
	Do      string // one sentence: what to do now, "" for nothing
	Link    *piece.Button
	KeyName string
	Whose   string   // the customer's name, for operators
	Counted []string // "Words: 23"
	Rows    []findingRow
}

// findingRow is what one policy said.
type findingRow struct {
	toll.Finding
	Name  string // "Calls per minute"
	Allow string // "300", "300, up to 20 at once"
}

// refusedRow is a line of the newest refusals.
type refusedRow struct {
	toll.Explanation
	Why  string
	Href string
}

func (c *Console) requests(v *visit) (*answer, error) {
	q := v.r.URL.Query()
	view := requestsView{ID: strings.TrimSpace(q.Get("id"))}
	whose := v.customerID() // a member's own
	if v.person.IsOperator() {
		if view.Customer = q.Get("customer"); view.Customer != "" {
			if _, err := c.o.Office.Customer(v.r.Context(), v.person, view.Customer); err != nil {
				return nil, err
			}
		}
	}
	a := &answer{title: v.T("requests.title"), menu: "requests"}
	if view.ID != "" {
		e, err := c.o.Requests.Explain(v.r.Context(), view.ID, whose)
		if err == nil { // whatever was found: it is shown to those only whom it concerns
			err = account.Can(v.person, account.ReadRequests, e.Customer)
		}
		switch code := toll.CodeOf(err); {
		case err == nil:
			view.Found = c.explained(v, e)
		case code == toll.NotFound, code == toll.Invalid:
			view.Unknown, a.status = true, http.StatusNotFound
		default:
			return nil, err
		}
	}
	for _, e := range c.o.Requests.Refused(cmp.Or(whose, view.Customer), refusalsShown) {
		if account.Can(v.person, account.ReadRequests, e.Customer) == nil {
			view.Refused = append(view.Refused, refusedRow{e, words.Capital(v.why(e)), "/requests?id=" + url.QueryEscape(e.RequestID)})
		}
	}
	a.body = requestsPage(v, view)
	a.parts = parts{"results": requestsResults(v, view)}
	return a, nil
}

// why is a refusal in a few words: the limits that refused, or the reason.
func (v *visit) why(e toll.Explanation) string {
	var names []string
	for _, f := range e.Findings {
		if f.Said == toll.SaidRefused || f.Said == toll.SaidUndecided {
			names = append(names, v.limitName(alikeOf(f.Policy)))
		}
	}
	if len(names) > 0 {
		return strings.Join(names, "; ")
	}
	return v.words.Or("refused."+string(e.Reason), string(e.Reason))
}

// explained puts an explanation into words.
func (c *Console) explained(v *visit, e toll.Explanation) *explained {
	x := &explained{Explanation: e, KeyName: e.Key}
	if e.Key != "" {
		if k, err := c.o.Office.Key(v.r.Context(), v.person, e.Key); err == nil { // the key's name is a courtesy
			x.KeyName = k.Name
		}
	}
	if e.Customer != "" && v.person.IsOperator() {
		if customer, err := c.o.Office.Customer(v.r.Context(), v.person, e.Customer); err == nil { // likewise
			x.Whose = customer.Name
		}
	}
	for _, a := range e.Counted {
		x.Counted = append(x.Counted, v.words.Or("unit."+a.Unit, a.Unit)+": "+v.words.Number(a.Count))
	}
	for _, f := range e.Findings {
		row := findingRow{Finding: f, Name: v.limitName(alikeOf(f.Policy)), Allow: v.words.Number(f.Policy.Count)}
		if p := f.Policy; p.Kind == toll.RateLimit && p.Burst != 0 && p.Burst != p.Count {
			row.Allow = v.T("compare.burst", row.Allow, v.words.Number(p.Burst))
		}
		x.Rows = append(x.Rows, row)
	}
	if e.Refused {
		x.refusal(v)
	} else {
		x.Says = v.answered(e)
	}
	return x
}

// refusal says what refused, and what to do: for the customer, who can.
func (x *explained) refusal(v *visit) {
	x.Says = v.T("explain.refused", v.words.Or("refused."+string(x.Reason), string(x.Reason)))
	customers := func(do, label, href string) {
		if v.person.IsMember() {
			x.Do, x.Link = v.T(do), &piece.Button{Label: v.T(label), Href: href}
		}
	}
	switch x.Reason {
	case toll.RefusedLimit:
		refused := slices.DeleteFunc(slices.Clone(x.Findings), func(f toll.Finding) bool { return f.Said != toll.SaidRefused })
		if len(refused) == 0 {
			return
		}
		x.Says = v.T("explain.limit", v.why(x.Explanation))
		last := slices.MaxFunc(refused, func(a, b toll.Finding) int { return a.PassesAt.Compare(b.PassesAt) })
		switch {
		case v.never(x, refused):
		case last.PassesAt.IsZero():
			x.Do = v.T("explain.wait")
		case !last.PassesAt.After(v.now):
			x.Do = v.T("explain.passed", v.words.Moment(last.PassesAt))
		default:
			x.Do = v.T("explain.passes", v.words.Moment(last.PassesAt), v.words.Ago(last.PassesAt, v.now))
		}
		for _, f := range refused {
			if !f.Never && needsMore(f) {
				x.Do = v.T("explain.needs", v.words.Number(f.Needs), v.words.Number(f.Left), x.Do)
				break
			}
		}
		if v.person.IsMember() {
			x.Link = &piece.Button{Label: v.T("explain.plan"), Href: "/plan"}
		}
	case toll.RefusedUncounted, toll.RefusedOverloaded, toll.RefusedJournal:
		x.Do = v.T("explain.again")
	case toll.RefusedKeyExpired, toll.RefusedKeyUnknown, toll.RefusedOutOfScope, toll.RefusedKeyOrigin:
		customers("explain.key", "nav.keys", "/keys")
	case toll.RefusedNotIncluded:
		customers("explain.upgrade", "explain.plan", "/plan")
	case toll.RefusedSuspended:
		if v.person.IsMember() {
			x.Do = v.T("overview.suspended.text")
		}
	default: // the request itself was wrong: the reason says how
	}
}

// never says, where one of the limits that refused lets the call pass in no
// period, that it is so.
func (v *visit) never(x *explained, refused []toll.Finding) bool {
	for _, f := range refused {
		if f.Never {
			if x.Do = v.T("explain.never.none"); f.Policy.Count > 0 {
				x.Do = v.T("explain.never", v.words.Number(f.Needs))
			}
			return true
		}
	}
	return false
}

// needsMore tells whether a call took more than one of a quota, so that what was
// left says little without it.
func needsMore(f toll.Finding) bool {
	return f.Said != toll.SaidPassed && f.Policy.Kind == toll.Quota && f.Needs > 1
}

// answered says how a request that was let in was counted.
func (v *visit) answered(e toll.Explanation) string {
	switch {
	case e.Class == toll.Chargeable && e.Status == 0: // a delegated service that settles nothing
		return v.T("explain.foreign")
	case e.Class == toll.Chargeable:
		return v.T("explain.counted")
	case e.Class == toll.TestUsage:
		return v.T("explain.test")
	case e.Class == toll.Unknown:
		return v.T("explain.unknown")
	case e.Customer == "":
		return v.T("explain.public")
	case e.Status >= 500:
		return v.T("explain.failed", v.words.Number(int64(e.Status)))
	}
	return v.T("explain.uncounted")
}

// saidBadge is what a policy said, as a badge.
func (v *visit) saidBadge(s toll.Said) piece.Badge {
	switch s {
	case toll.SaidRefused:
		return piece.Badge{Kind: "bad", Icon: "ban", Label: v.T("explain.said.refused")}
	case toll.SaidWouldRefuse:
		return piece.Badge{Kind: "warn", Icon: "info", Label: v.T("explain.said.would")}
	case toll.SaidUndecided:
		return piece.Badge{Kind: "warn", Icon: "triangle-alert", Label: v.T("explain.said.undecided")}
	case toll.SaidPassed:
	}
	return piece.Badge{Kind: "good", Icon: "circle-check", Label: v.T("explain.said.passed")}
}
