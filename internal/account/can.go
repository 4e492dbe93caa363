package account

import (
	"slices"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Can says whether a person may do an action to a customer ("" for actions on
// the whole installation). It is the one gate of the office: pages, fragments,
// commands and Office's own methods all ask here. nil means yes; otherwise the
// error's code is
//
//	Unauthorized  nobody is signed in
//	NotFound      the customer is not the member's own: it does not learn whether it exists
//	Forbidden     the role may not
//
// It reads nothing and is safe for concurrent use.
func Can(p Person, action Action, customerID string) error {
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Action == action })
	if i < 0 { // a surface's mistake must close the door, not open it
		return toll.Errorf(toll.Forbidden, "Nobody may do %q: it is no known action.", action)
	}
	rule := &rules[i]
	switch p.Kind {
	case KindSystem:
		return nil
	case toll.KindMember:
		if rule.Scope == OnCustomer && (p.CustomerID == "" || p.CustomerID != customerID) {
			return errNoCustomer()
		}
	case toll.KindOperator:
	default:
		return toll.Errorf(toll.Unauthorized, "Sign in first.")
	}
	if !slices.Contains(rule.Allowed, p.Subject()) {
		return toll.Errorf(toll.Forbidden, "Your role (%s) does not allow this. Ask an owner or admin.", p.Role)
	}
	return nil
}

// ScopeOf says what an action is done to, OnInstallation for one that nobody
// knows (Can then says no).
func ScopeOf(action Action) Scope {
	for i := range rules {
		if rules[i].Action == action {
			return rules[i].Scope
		}
	}
	return OnInstallation
}

func errNoCustomer() *toll.Error {
	return toll.Errorf(toll.NotFound, "There is no such customer.")
}

func errNoKey() *toll.Error {
	return toll.Errorf(toll.NotFound, "There is no such key.")
}

func errNoPerson() *toll.Error {
	return toll.Errorf(toll.NotFound, "There is no such person.")
}
