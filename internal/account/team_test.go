package account_test

import (
	"slices"
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestInvitesAColleague(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	ctx := t.Context()
	in := account.Invitation{CustomerID: h.acme.ID, Email: "Dev@Example.com", Role: "developer", Language: "fr"}
	invited, err := h.Invite(ctx, h.owner, in)
	must(t, err)
	mails := h.store.TakeMails()
	if len(mails) != 1 || mails[0].Kind != "invitation" || mails[0].To != "dev@example.com" || mails[0].Values["customer"] != "Acme" || mails[0].Values["by"] != "Ann" {
		t.Fatalf("got %+v", mails)
	}
	first := ticketIn(t, mails[0])
	_, err = h.Invite(ctx, h.owner, in)
	wantCode(t, err, toll.Conflict) // invited already
	_, err = h.Reinvite(ctx, h.owner, invited.ID)
	must(t, err)
	second := ticketIn(t, h.store.TakeMails()[0])
	_, err = h.Accept(ctx, first, account.NewAccount{Name: "Dev", Password: "a long new password"})
	wantCode(t, err, toll.NotFound)
	email, err := h.Accept(ctx, second, account.NewAccount{Name: "Dev", Password: "a long new password"})
	must(t, err)
	members, err := h.Members(ctx, h.owner, h.acme.ID)
	must(t, err)
	if email != "dev@example.com" || len(members) != 2 || !slices.ContainsFunc(members, func(m toll.Member) bool {
		return m.Email == email && m.Role == toll.MemberDeveloper && m.Language == "fr"
	}) {
		t.Errorf("%s: %+v", email, members)
	}
	left, err := h.Invitations(ctx, h.owner, h.acme.ID)
	must(t, err)
	if len(left) != 0 {
		t.Errorf("still invited: %+v", left)
	}
	_, err = h.Invite(ctx, h.owner, in)
	wantCode(t, err, toll.Conflict) // works here already
}

func TestAnInvitationDoesNotTellWhoHasAnAccountElsewhere(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	ctx := t.Context()
	_, err := h.Invite(ctx, h.owner, account.Invitation{CustomerID: h.acme.ID, Email: h.rival.Email, Role: "viewer"})
	must(t, err)
	text := ticketIn(t, h.store.TakeMails()[0])
	_, err = h.Accept(ctx, text, account.NewAccount{Name: "Eve", Password: "a long new password"})
	wantCode(t, err, toll.Conflict) // only who reads the mail learns it
}

func TestNobodyInvitesToMoreThanTheyHave(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	ctx := t.Context()
	_, admin := h.member(t, h.acme, "admin@example.com", toll.MemberAdmin)
	_, dev := h.member(t, h.acme, "dev@example.com", toll.MemberDeveloper)
	for name, c := range map[string]struct {
		by   account.Person
		in   account.Invitation
		want toll.Code
	}{
		"an admin an owner":       {admin, account.Invitation{CustomerID: h.acme.ID, Role: "owner"}, toll.Forbidden},
		"a developer":             {dev, account.Invitation{CustomerID: h.acme.ID, Role: "viewer"}, toll.Forbidden},
		"to another customer":     {h.owner, account.Invitation{CustomerID: h.other.ID, Role: "viewer"}, toll.NotFound},
		"to nowhere":              {h.chief, account.Invitation{CustomerID: "cus_none", Role: "viewer"}, toll.NotFound},
		"a member an operator":    {h.owner, account.Invitation{Role: "viewer"}, toll.Forbidden},
		"an operator's role":      {h.owner, account.Invitation{CustomerID: h.acme.ID, Role: "support"}, toll.Invalid},
		"a member's role":         {h.chief, account.Invitation{Role: "owner"}, toll.Invalid},
		"nobody":                  {account.Person{}, account.Invitation{CustomerID: h.acme.ID, Role: "viewer"}, toll.Unauthorized},
		"an operator an operator": {h.chief, account.Invitation{Role: "support"}, ""},
		"an operator an owner":    {h.chief, account.Invitation{CustomerID: h.acme.ID, Role: "owner"}, ""},
	} {
		c.in.Email = "new@example.com"
		_, err := h.Invite(ctx, c.by, c.in)
		if toll.CodeOf(err) != c.want {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	all, err := h.Invitations(ctx, h.chief, h.acme.ID)
	must(t, err)
	for _, by := range []account.Person{admin, dev, h.rival, {}} { // the owner's invitation
		if _, err := h.Reinvite(ctx, by, all[0].ID); err == nil {
			t.Errorf("%s sent it again", by.Email)
		}
		if _, err := h.RevokeInvitation(ctx, by, all[0].ID); err == nil {
			t.Errorf("%s revoked it", by.Email)
		}
	}
	_, err = h.RevokeInvitation(ctx, h.rival, all[0].ID)
	wantCode(t, err, toll.NotFound)
	_, err = h.RevokeInvitation(ctx, h.owner, all[0].ID)
	must(t, err)
	_, err = h.Reinvite(ctx, h.owner, all[0].ID)
	wantCode(t, err, toll.NotFound)
}

func TestChangesAMemberOnlyByWhoMay(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	ctx := t.Context()
	_, admin := h.member(t, h.acme, "admin@example.com", toll.MemberAdmin)
	_, dev := h.member(t, h.acme, "dev@example.com", toll.MemberDeveloper)
	for name, c := range map[string]struct {
		by   account.Person
		id   string
		role toll.MemberRole
		want toll.Code
	}{
		"an admin makes an owner":    {admin, dev.ID, toll.MemberOwner, toll.Forbidden},
		"an admin takes an owner's":  {admin, h.owner.ID, toll.MemberViewer, toll.Forbidden},
		"an admin raises themselves": {admin, admin.ID, toll.MemberOwner, toll.Forbidden},
		"a developer":                {dev, dev.ID, toll.MemberAdmin, toll.Forbidden},
		"of another customer":        {h.rival, dev.ID, toll.MemberViewer, toll.NotFound},
		"nobody's":                   {h.owner, "mem_none", toll.MemberViewer, toll.NotFound},
		"an unknown role":            {h.owner, dev.ID, "god", toll.Invalid},
		"the last owner":             {h.owner, h.owner.ID, toll.MemberAdmin, toll.Conflict},
		"nobody":                     {account.Person{}, dev.ID, toll.MemberViewer, toll.Unauthorized},
		"an admin a developer":       {admin, dev.ID, toll.MemberBilling, ""},
		"an operator":                {h.chief, dev.ID, toll.MemberDeveloper, ""},
	} {
		if _, err := h.SetMemberRole(ctx, c.by, c.id, c.role); toll.CodeOf(err) != c.want {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	for name, change := range map[string]func(account.Person, string) (toll.Member, error){
		"disable": func(p account.Person, id string) (toll.Member, error) { return h.DisableMember(ctx, p, id) },
		"enable":  func(p account.Person, id string) (toll.Member, error) { return h.EnableMember(ctx, p, id) },
		"remove":  func(p account.Person, id string) (toll.Member, error) { return h.RemoveMember(ctx, p, id) },
	} {
		for _, by := range []account.Person{dev, h.rival, {}} {
			if _, err := change(by, admin.ID); err == nil {
				t.Errorf("%s may %s an admin", by.Email, name)
			}
		}
		if _, err := change(admin, h.owner.ID); toll.CodeOf(err) != toll.Forbidden {
			t.Errorf("an admin may %s an owner: %v", name, err)
		}
	}
	_, err := h.DisableMember(ctx, h.owner, h.owner.ID)
	wantCode(t, err, toll.Forbidden) // oneself
	_, err = h.RemoveMember(ctx, h.owner, h.owner.ID)
	wantCode(t, err, toll.Conflict) // the last owner
	_, err = h.RemoveMember(ctx, admin, admin.ID)
	must(t, err) // oneself may leave
}

func TestWhatAPersonMayHoldsForTheirNextRequest(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	ctx := t.Context()
	_, dev := h.member(t, h.acme, "dev@example.com", toll.MemberDeveloper)
	elsewhere := h.newSessions(t, account.SessionOptions{}) // another replica: the clock stands still, so only its second would help
	token, _, err := h.sessions.SignIn(ctx, dev.Email, h.password, home, "")
	must(t, err)
	for _, s := range []*account.Sessions{h.sessions, elsewhere} {
		p, _, err := s.Authenticate(ctx, token.Text.Reveal())
		must(t, err)
		if p.Role != "developer" {
			t.Fatalf("is %s", p.Role)
		}
	}
	_, err = h.SetMemberRole(ctx, h.owner, dev.ID, toll.MemberViewer)
	must(t, err)
	p, _, err := h.sessions.Authenticate(ctx, token.Text.Reveal())
	must(t, err)
	if p.Role != "viewer" {
		t.Errorf("is %s here at the next request", p.Role)
	}
	_, err = h.DisableMember(ctx, h.owner, dev.ID)
	must(t, err)
	_, _, err = h.sessions.Authenticate(ctx, token.Text.Reveal())
	wantCode(t, err, toll.Unauthorized)
	h.clock.pass(1e9)
	_, _, err = elsewhere.Authenticate(ctx, token.Text.Reveal())
	wantCode(t, err, toll.Unauthorized)
	_, _, err = h.sessions.SignIn(ctx, dev.Email, h.password, home, "")
	wantCode(t, err, toll.Unauthorized)
	_, err = h.EnableMember(ctx, h.owner, dev.ID)
	must(t, err)
	_, _, err = h.sessions.SignIn(ctx, dev.Email, h.password, home, "")
	must(t, err)
	_, _, err = h.sessions.Authenticate(ctx, token.Text.Reveal()) // the old one is over for good
	wantCode(t, err, toll.Unauthorized)
}

func TestChangesOperatorsOnlyByAdmins(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	ctx := t.Context()
	op, err := h.CreateOperator(ctx, h.chief, account.NewOperator{Email: "otto@example.com", Name: "Otto", Role: toll.OperatorSupport, Password: h.password})
	must(t, err)
	otto := account.Person{Kind: toll.KindOperator, ID: op.ID, Role: "support", Email: op.Email}
	for _, by := range []account.Person{otto, h.owner, {}} {
		if _, err := h.SetOperatorRole(ctx, by, op.ID, toll.OperatorAdmin); err == nil {
			t.Errorf("%s may", by.Email)
		}
		if _, err := h.DisableOperator(ctx, by, h.chief.ID); err == nil {
			t.Errorf("%s may", by.Email)
		}
	}
	_, err = h.SetOperatorRole(ctx, h.chief, h.chief.ID, toll.OperatorViewer)
	wantCode(t, err, toll.Conflict)
	_, err = h.RemoveOperator(ctx, h.chief, h.chief.ID)
	wantCode(t, err, toll.Forbidden)
	_, err = h.DisableOperator(ctx, account.System, h.chief.ID)
	wantCode(t, err, toll.Conflict)
	_, err = h.SetOperatorRole(ctx, h.chief, op.ID, toll.OperatorAdmin)
	must(t, err)
	got, err := h.DisableOperator(ctx, h.chief, op.ID)
	must(t, err)
	if got.DisabledAt.IsZero() || got.Role != toll.OperatorAdmin {
		t.Errorf("%+v", got)
	}
	got, err = h.EnableOperator(ctx, h.chief, op.ID)
	must(t, err)
	if !got.DisabledAt.IsZero() {
		t.Errorf("%+v", got)
	}
	_, err = h.RemoveOperator(ctx, h.chief, op.ID)
	must(t, err)
	_, err = h.Operator(ctx, h.chief, op.ID)
	wantCode(t, err, toll.NotFound)
}
