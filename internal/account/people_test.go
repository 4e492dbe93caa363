package account_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestCreatesAMemberWithoutShowingTheHash(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	m, err := h.CreateMember(ctx, h.owner, account.NewMember{
		CustomerID: h.acme.ID, Email: " Bob@Example.com", Name: "Bob", Role: toll.MemberDeveloper, Language: "pt-br", Password: "a new password",
	})
	must(t, err)
	if !strings.HasPrefix(m.ID, "mem_") || m.Email != "bob@example.com" || m.Language != "pt-BR" || m.Role != toll.MemberDeveloper || m.PasswordHash != "" {
		t.Errorf("got %+v", m)
	}
	row, err := h.store.Member(ctx, m.ID)
	must(t, err)
	if !strings.HasPrefix(row.PasswordHash.Reveal(), "$argon2id$v=19$") {
		t.Errorf("stored as %q", row.PasswordHash.Reveal())
	}
	members, err := h.Members(ctx, h.owner, h.acme.ID)
	must(t, err)
	if len(members) != 2 {
		t.Fatalf("got %d members", len(members))
	}
	for _, m := range members {
		if m.PasswordHash != "" {
			t.Error("a list of members holds a hash")
		}
	}
	op, err := h.CreateOperator(ctx, h.chief, account.NewOperator{Email: "otto@example.com", Name: "Otto", Role: toll.OperatorViewer, Password: "a new password"})
	must(t, err)
	if !strings.HasPrefix(op.ID, "op_") || op.PasswordHash != "" {
		t.Errorf("got %+v", op)
	}
	operators, err := h.Operators(ctx, h.chief)
	must(t, err)
	for _, o := range operators {
		if o.PasswordHash != "" {
			t.Error("a list of operators holds a hash")
		}
	}
	if len(operators) != 2 {
		t.Errorf("got %d operators", len(operators))
	}
}

func TestRefusesABadPerson(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	good := account.NewMember{CustomerID: h.acme.ID, Email: "bob@example.com", Name: "Bob", Role: toll.MemberViewer}
	for name, c := range map[string]struct {
		change func(*account.NewMember)
		field  string
	}{
		"no address":     {func(m *account.NewMember) { m.Email = "" }, "email"},
		"no such form":   {func(m *account.NewMember) { m.Email = "bob" }, "email"},
		"no name":        {func(m *account.NewMember) { m.Name = "" }, "name"},
		"no role":        {func(m *account.NewMember) { m.Role = "" }, "role"},
		"unknown role":   {func(m *account.NewMember) { m.Role = "root" }, "role"},
		"bad language":   {func(m *account.NewMember) { m.Language = "not a language" }, "language"},
		"short password": {func(m *account.NewMember) { m.Password = "elevenchars" }, "password"},
		"long password":  {func(m *account.NewMember) { m.Password = toll.Secret(strings.Repeat("p", 1025)) }, "password"},
	} {
		in := good
		c.change(&in)
		_, err := h.CreateMember(t.Context(), account.System, in)
		if err == nil {
			t.Errorf("%s: taken", name)
		}
		wantField(t, err, c.field)
	}
	_, err := h.CreateOperator(t.Context(), account.System, account.NewOperator{Email: "x@example.com", Name: "X", Role: "owner"})
	wantField(t, err, "role")
	in := good
	in.CustomerID = "cus_none"
	_, err = h.CreateMember(t.Context(), account.System, in)
	wantCode(t, err, toll.NotFound)
	if members, err := h.Members(t.Context(), h.owner, h.acme.ID); err != nil || len(members) != 1 {
		t.Errorf("%d members now (%v)", len(members), err)
	}
}

func TestAnEmailAddressIsOnePersons(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, email := range []string{"ann@example.com", "ANN@example.com", "olga@example.com"} {
		_, err := h.CreateMember(t.Context(), h.owner, account.NewMember{CustomerID: h.acme.ID, Email: email, Name: "N", Role: toll.MemberViewer})
		wantCode(t, err, toll.Conflict)
		_, err = h.CreateOperator(t.Context(), h.chief, account.NewOperator{Email: email, Name: "N", Role: toll.OperatorViewer})
		wantCode(t, err, toll.Conflict)
	}
}

func TestNobodyMakesAnyoneStrongerThanThemselves(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	_, admin := h.member(t, h.acme, "admin@example.com", toll.MemberAdmin)
	_, developer := h.member(t, h.acme, "dev@example.com", toll.MemberDeveloper)
	create := func(p account.Person, customerID string, role toll.MemberRole) error {
		_, err := h.CreateMember(ctx, p, account.NewMember{CustomerID: customerID, Email: "new@example.com", Name: "N", Role: role})
		return err
	}
	wantCode(t, create(admin, h.acme.ID, toll.MemberOwner), toll.Forbidden)
	wantCode(t, create(developer, h.acme.ID, toll.MemberViewer), toll.Forbidden)
	wantCode(t, create(admin, h.other.ID, toll.MemberViewer), toll.NotFound)
	wantCode(t, h.SetPassword(ctx, admin, toll.KindMember, h.owner.ID, "a new password"), toll.Forbidden)
	_, err := h.CreateOperator(ctx, h.owner, account.NewOperator{Email: "op@example.com", Name: "N", Role: toll.OperatorViewer})
	wantCode(t, err, toll.Forbidden)
	must(t, create(admin, h.acme.ID, toll.MemberAdmin))
}

func TestSettingAPasswordEndsThePersonsSessions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	_, dev := h.member(t, h.acme, "dev@example.com", toll.MemberDeveloper)
	token, _, err := h.sessions.SignIn(ctx, dev.Email, h.password, home, "")
	must(t, err)
	mine, _, err := h.sessions.SignIn(ctx, h.owner.Email, h.password, home, "")
	must(t, err)
	must(t, h.SetPassword(ctx, h.owner, toll.KindMember, dev.ID, "quite another one"))
	h.clock.pass(time.Second)
	_, _, err = h.sessions.Authenticate(ctx, token.Text.Reveal())
	wantCode(t, err, toll.Unauthorized)
	if _, _, err = h.sessions.Authenticate(ctx, mine.Text.Reveal()); err != nil {
		t.Errorf("somebody else was signed out: %v", err)
	}
	_, _, err = h.sessions.SignIn(ctx, dev.Email, h.password, home, "")
	wantCode(t, err, toll.Unauthorized)
	_, _, err = h.sessions.SignIn(ctx, dev.Email, "quite another one", home, "")
	must(t, err)
}

func TestRefusesToSetAPasswordOfTheWrongPerson(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	const good = toll.Secret("a good password")
	there := h.SetPassword(ctx, h.owner, toll.KindMember, h.rival.ID, good)
	none := h.SetPassword(ctx, h.owner, toll.KindMember, "mem_none", good)
	wantCode(t, there, toll.NotFound)
	if there.Error() != none.Error() {
		t.Errorf("%q and %q tell apart who is there", there, none)
	}
	wantCode(t, h.SetPassword(ctx, h.owner, toll.KindOperator, h.chief.ID, good), toll.Forbidden)
	wantCode(t, h.SetPassword(ctx, h.owner, toll.KindMember, h.owner.ID, good), toll.Forbidden)
	wantCode(t, h.SetPassword(ctx, h.chief, toll.KindOperator, h.chief.ID, good), toll.Forbidden)
	wantCode(t, h.SetPassword(ctx, account.Person{}, toll.KindMember, h.owner.ID, good), toll.Unauthorized)
	wantCode(t, h.SetPassword(ctx, account.System, "robot", h.owner.ID, good), toll.NotFound)
	wantCode(t, h.SetPassword(ctx, account.System, toll.KindOperator, "op_none", good), toll.NotFound)
	wantField(t, h.SetPassword(ctx, account.System, toll.KindMember, h.owner.ID, "short"), "password")
	must(t, h.SetPassword(ctx, account.System, toll.KindOperator, h.chief.ID, good))
	must(t, h.SetPassword(ctx, h.chief, toll.KindMember, h.owner.ID, good))
}

func TestARandomPasswordMayBeChosenAndIsNeverTheSame(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{5}(-[0-9a-hjkmnp-tv-z]{5}){3}$`)
	seen := map[toll.Secret]bool{}
	for range 200 {
		p, err := account.NewPassword(nil)
		must(t, err)
		must(t, account.CheckPassword(p))
		if !form.MatchString(p.Reveal()) || seen[p] {
			t.Fatalf("got %q", p.Reveal())
		}
		seen[p] = true
	}
	if _, err := account.NewPassword(strings.NewReader("too little")); err == nil {
		t.Error("a password was made of too little randomness")
	}
}
