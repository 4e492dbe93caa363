package account_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// personOf makes somebody for a column of the rules; members belong to cus_own.
func personOf(s account.Subject) account.Person {
	kind, role, _ := strings.Cut(string(s), "/")
	p := account.Person{Kind: toll.PersonKind(kind), ID: "someone", Role: role}
	if p.IsMember() {
		p.CustomerID = "cus_own"
	}
	return p
}

func TestTheRulesAreWhatWasAgreed(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Who may do what: yes, or the error's code. Members are asked about their own customer / another one.\n")
	for _, rule := range account.Rules() {
		fmt.Fprintf(&b, "\n%s (on %s)\n", rule.Action, rule.Scope)
		for _, subject := range account.Subjects() {
			customers := []string{"cus_own", "cus_foreign"}
			if rule.Scope == account.OnInstallation {
				customers = []string{""}
			}
			var answers []string
			for _, c := range customers {
				answer := "yes"
				if err := account.Can(personOf(subject), rule.Action, c); err != nil {
					answer = string(toll.CodeOf(err))
				}
				answers = append(answers, answer)
			}
			fmt.Fprintf(&b, "  %-18s %s\n", subject, strings.Join(answers, " / "))
		}
	}
	const golden = "testdata/rules.golden"
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(golden, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if b.String() != string(want) {
		t.Errorf("the rules have changed: look at each line, then run the test with -update\n%s", b.String())
	}
}

func TestAMemberNeverReachesAnotherCustomer(t *testing.T) {
	t.Parallel()
	for _, rule := range account.Rules() {
		for _, subject := range account.Subjects() {
			p := personOf(subject)
			if !p.IsMember() {
				continue
			}
			for _, foreign := range []string{"cus_foreign", "", "cus_ow", "cus_own ", "CUS_OWN"} {
				if err := account.Can(p, rule.Action, foreign); err == nil {
					t.Errorf("%s may %s to customer %q", subject, rule.Action, foreign)
				} else if rule.Scope == account.OnCustomer && toll.CodeOf(err) != toll.NotFound {
					t.Errorf("%s learns from %q that customer %q exists", subject, err, foreign)
				}
			}
			p.CustomerID = ""
			if err := account.Can(p, rule.Action, ""); err == nil {
				t.Errorf("%s of no customer may %s", subject, rule.Action)
			}
		}
	}
}

func TestNobodyAndTheUnknownMayNothing(t *testing.T) {
	t.Parallel()
	for _, rule := range account.Rules() {
		for _, p := range []account.Person{{}, {Role: "owner", CustomerID: "cus_own"}, {Kind: "robot", Role: "admin"}} {
			wantCode(t, account.Can(p, rule.Action, "cus_own"), toll.Unauthorized)
		}
		for _, p := range []account.Person{
			{Kind: toll.KindMember, Role: "", CustomerID: "cus_own"},
			{Kind: toll.KindMember, Role: "support", CustomerID: "cus_own"}, // an operator's
			{Kind: toll.KindOperator, Role: "owner"},                        // a member's
			{Kind: toll.KindOperator, Role: "Admin"},
		} {
			wantCode(t, account.Can(p, rule.Action, "cus_own"), toll.Forbidden)
		}
		must(t, account.Can(account.System, rule.Action, "cus_own"))
	}
	for _, p := range []account.Person{account.System, personOf("operator/admin"), personOf("member/owner"), {}} {
		if account.Can(p, "no.such.action", "cus_own") == nil {
			t.Errorf("%s may do what nobody knows", p.Subject())
		}
	}
}

func TestEveryRuleNamesEveryActionOnceAndKnownSubjects(t *testing.T) {
	t.Parallel()
	seen := map[account.Action]bool{}
	for _, rule := range account.Rules() {
		if seen[rule.Action] {
			t.Errorf("%s has two rules: only the first would hold", rule.Action)
		}
		seen[rule.Action] = true
		if len(rule.Allowed) == 0 {
			t.Errorf("nobody may %s", rule.Action)
		}
		for _, s := range rule.Allowed {
			if !slices.Contains(account.Subjects(), s) {
				t.Errorf("%s is allowed to %q, which is nobody", rule.Action, s)
			}
			if rule.Scope == account.OnInstallation && strings.HasPrefix(string(s), "member/") {
				t.Errorf("%s reaches the whole installation with %s", s, rule.Action)
			}
		}
	}
}

func TestTheRulesCannotBeChangedFromOutside(t *testing.T) {
	t.Parallel()
	rules := account.Rules()
	for i := range rules {
		for j := range rules[i].Allowed {
			rules[i].Allowed[j] = "member/viewer"
		}
	}
	wantCode(t, account.Can(personOf("member/viewer"), account.CreateKey, "cus_own"), toll.Forbidden)
}

// Nobody may give a right that they do not have themselves.
func TestWhoeverMayMakeAMemberMayDoNoLessThanIt(t *testing.T) {
	t.Parallel()
	may := func(s account.Subject, a account.Action) bool { return account.Can(personOf(s), a, "cus_own") == nil }
	for _, maker := range account.Subjects() {
		for _, made := range account.Subjects() {
			p := personOf(made)
			create := account.CreateMember
			if made == "member/owner" {
				create = account.CreateOwner
			}
			if !p.IsMember() || !(may(maker, create) || may(maker, account.SetMemberPassword)) {
				continue
			}
			for _, rule := range account.Rules() {
				if rule.Scope == account.OnCustomer && may(made, rule.Action) && !may(maker, rule.Action) {
					t.Errorf("%s may not %s, but can make or become a %s, who may", maker, rule.Action, made)
				}
			}
		}
	}
}
