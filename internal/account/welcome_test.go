package account_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// openHouse is a house where people sign up to the free plan.
func openHouse(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	var err error
	h.Office, err = account.NewOffice(h.store, account.OfficeOptions{
		Plans: h.plans, Mint: accounttest.Mint, Passwords: h.passwordsOfAHouse, Changed: h.changes, Clock: h.clock.now,
		ConsoleURL: func() string { return "https://console.example.com/" }, SignUp: func() string { return "free" },
		PersonChanged: h.sessions.Forget,
	})
	must(t, err)
	return h
}

// answered answers the one question that stands in the outbox, and returns the
// mails that came of it.
func (h *house) answered(t *testing.T) []toll.Mail {
	t.Helper()
	asks := h.store.TakeMails()
	if len(asks) != 1 || len(asks[0].Values) != 0 {
		t.Fatalf("the outbox holds %+v, want one question", asks)
	}
	done, err := h.AnswerMail(t.Context(), toll.MailClaim{Mail: asks[0], Try: 1})
	must(t, err)
	if !done {
		t.Fatalf("%q is not taken for a question", asks[0].Kind)
	}
	return h.store.TakeMails()
}

// ticketIn is the text of the ticket in a mail's link.
func ticketIn(t *testing.T, m toll.Mail) string {
	t.Helper()
	u, err := url.Parse(m.Values["link"])
	must(t, err)
	if u.Scheme != "https" || u.Host != "console.example.com" || u.Path != "/"+account.LinkPath || len(u.Query().Get("ticket")) != 43 {
		t.Fatalf("the link is %s", u)
	}
	return u.Query().Get("ticket")
}

func TestSignsUpWithAConfirmedAddress(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	ctx := t.Context()
	must(t, h.AskSignUp(ctx, " New@Example.com ", "fr", home))
	mails := h.answered(t)
	if len(mails) != 1 || mails[0].Kind != "sign_up" || mails[0].To != "new@example.com" || mails[0].Language != "fr" {
		t.Fatalf("got %+v", mails)
	}
	text := ticketIn(t, mails[0])
	for what, in := range map[string]account.NewAccount{
		"organisation": {Name: "Nora", Password: "a long new password"},
		"name":         {Organisation: "Nova", Password: "a long new password"},
		"password":     {Organisation: "Nova", Name: "Nora", Password: "short"},
	} {
		_, err := h.SignUp(ctx, text, in)
		wantField(t, err, what)
	}
	m, err := h.SignUp(ctx, text, account.NewAccount{Organisation: "Nova", Name: "Nora", Password: "a long new password"})
	must(t, err)
	c, err := h.Customer(ctx, account.System, m.CustomerID)
	must(t, err)
	if m.Role != toll.MemberOwner || m.Email != "new@example.com" || m.Language != "fr" || m.PasswordHash != "" || c.Name != "Nova" || c.Subscription.Plan != "free" {
		t.Errorf("made %+v of %+v", m, c)
	}
	if told, _ := h.changes.Take(); len(told) != 1 || told[0].ID != c.ID {
		t.Errorf("the gate was told of %+v", told)
	}
	_, err = h.SignUp(ctx, text, account.NewAccount{Organisation: "Nova", Name: "Nora", Password: "a long new password"})
	wantCode(t, err, toll.NotFound)
	_, _, err = h.sessions.SignIn(ctx, "new@example.com", "a long new password", home, "")
	must(t, err)
}

func TestAskingTellsNobodyWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	ctx := t.Context()
	lookups := &counting{Store: h.store}
	office, err := account.NewOffice(lookups, account.OfficeOptions{
		Plans: h.plans, Mint: accounttest.Mint, Passwords: h.passwordsOfAHouse, Clock: h.clock.now, SignUp: func() string { return "free" },
	})
	must(t, err)
	for _, email := range []string{h.owner.Email, h.chief.Email, "nobody@example.com"} {
		must(t, office.AskSignUp(ctx, email, "", home))
		must(t, office.AskReset(ctx, email, "", home))
		for _, m := range h.store.TakeMails() {
			if m.To != email || len(m.Values) != 0 || !strings.HasPrefix(m.Kind, "ask.") {
				t.Errorf("%s: wrote %+v", email, m)
			}
		}
	}
	if n := lookups.people; n != 0 { // so the time cannot tell either
		t.Errorf("asking looked %d times for a person", n)
	}
	must(t, h.AskSignUp(ctx, h.owner.Email, "", home))
	if mails := h.answered(t); len(mails) != 1 || mails[0].Kind != "known" || strings.Contains(mails[0].Values["link"], "ticket") {
		t.Errorf("somebody who has an account gets %+v", mails)
	}
	must(t, h.AskReset(ctx, "nobody@example.com", "", home))
	if mails := h.answered(t); len(mails) != 0 {
		t.Errorf("a stranger gets %+v", mails)
	}
}

// counting is a store that counts who looks for people.
type counting struct {
	*accounttest.Store
	people int
}

func (s *counting) MemberByEmail(ctx context.Context, email string) (toll.Member, error) {
	s.people++
	return s.Store.MemberByEmail(ctx, email)
}

func (s *counting) OperatorByEmail(ctx context.Context, email string) (toll.Operator, error) {
	s.people++
	return s.Store.OperatorByEmail(ctx, email)
}

func TestMailsThatStrangersAskForAreBounded(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	ctx := t.Context()
	from := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	var refused *account.TooManyAttempts
	for i := range 3 {
		must(t, h.AskReset(ctx, h.owner.Email, "", from(i)))
	}
	if err := h.AskSignUp(ctx, strings.ToUpper(h.owner.Email), "", from(4)); !errors.As(err, &refused) || refused.RetryAfter != 20*time.Minute {
		t.Errorf("a fourth mail to one address: %v", err)
	}
	for i := range 10 {
		must(t, h.AskReset(ctx, fmt.Sprintf("n%d@example.com", i), "", home))
	}
	if err := h.AskReset(ctx, "n11@example.com", "", home); !errors.As(err, &refused) {
		t.Errorf("an eleventh mail from one place: %v", err)
	}
	h.clock.pass(20 * time.Minute)
	must(t, h.AskReset(ctx, h.owner.Email, "", home))
	wantField(t, h.AskReset(ctx, "no address", "", home), "email")
}

func TestNobodySignsUpWhereThatIsOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	wantCode(t, h.AskSignUp(t.Context(), "new@example.com", "", home), toll.Forbidden)
	if h.SigningUp() || len(h.store.TakeMails()) != 0 {
		t.Error("somebody can")
	}
	h = openHouse(t)
	must(t, h.AskSignUp(t.Context(), "new@example.com", "", home))
	text := ticketIn(t, h.answered(t)[0])
	shut, err := account.NewOffice(h.store, account.OfficeOptions{Plans: h.plans, Mint: accounttest.Mint, Passwords: h.passwordsOfAHouse, Clock: h.clock.now})
	must(t, err)
	_, err = shut.SignUp(t.Context(), text, account.NewAccount{Organisation: "Nova", Name: "Nora", Password: "a long new password"})
	wantCode(t, err, toll.Forbidden)
}

func TestAResetSetsOnePasswordAndEndsEverySession(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	ctx := t.Context()
	token, _, err := h.sessions.SignIn(ctx, h.owner.Email, h.password, home, "")
	must(t, err)
	must(t, h.AskReset(ctx, h.owner.Email, "es", home))
	mails := h.answered(t)
	text := ticketIn(t, mails[0])
	wantField(t, h.Reset(ctx, text, "password1234"), "password")
	wantField(t, h.Reset(ctx, text, toll.Secret(h.owner.Email)), "password")
	var wg sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		wg.Go(func() { errs[i] = h.Reset(ctx, text, toll.Secret(fmt.Sprintf("the new password %d", i))) })
	}
	wg.Wait()
	won := -1
	for i, err := range errs {
		switch {
		case err != nil:
			wantCode(t, err, toll.NotFound)
		case won >= 0:
			t.Errorf("both %d and %d won", won, i)
		default:
			won = i
		}
	}
	if told := h.store.TakeMails(); len(told) != 1 || told[0].Kind != "password" || told[0].To != h.owner.Email {
		t.Errorf("the owner is told by %+v", told)
	}
	_, _, err = h.sessions.Authenticate(ctx, token.Text.Reveal()) // on the next request, here
	wantCode(t, err, toll.Unauthorized)
	_, _, err = h.sessions.SignIn(ctx, h.owner.Email, h.password, home, "")
	wantCode(t, err, toll.Unauthorized)
	_, _, err = h.sessions.SignIn(ctx, h.owner.Email, toll.Secret(fmt.Sprintf("the new password %d", won)), home, "")
	must(t, err)
}

func TestALinkEndsInTimeAndIsNoOther(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	ctx := t.Context()
	must(t, h.AskReset(ctx, h.owner.Email, "", home))
	text := ticketIn(t, h.answered(t)[0])
	_, err := h.SignUp(ctx, text, account.NewAccount{Organisation: "Nova", Name: "Nora", Password: "a long new password"})
	wantCode(t, err, toll.NotFound) // a reset signs nobody up
	_, err = h.Accept(ctx, text, account.NewAccount{Name: "Nora", Password: "a long new password"})
	wantCode(t, err, toll.NotFound)
	for _, other := range []string{"", "x", text[:42], text + "A", strings.ToLower(text), strings.Repeat("A", 43), strings.Repeat("A", 1<<20)} {
		if other == text {
			continue
		}
		_, err := h.OpenTicket(ctx, other)
		wantCode(t, err, toll.NotFound)
	}
	h.clock.pass(2*time.Hour - time.Second)
	_, err = h.OpenTicket(ctx, text)
	must(t, err)
	h.clock.pass(time.Second)
	wantCode(t, h.Reset(ctx, text, "a long new password"), toll.NotFound)
}

func TestADisabledPersonGetsNoReset(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	ctx := t.Context()
	_, dev := h.member(t, h.acme, "dev@example.com", toll.MemberDeveloper)
	must(t, h.AskReset(ctx, dev.Email, "", home))
	text := ticketIn(t, h.answered(t)[0])
	_, err := h.DisableMember(ctx, h.owner, dev.ID)
	must(t, err)
	wantCode(t, h.Reset(ctx, text, "a long new password"), toll.NotFound)
	must(t, h.AskReset(ctx, dev.Email, "", home))
	if mails := h.answered(t); len(mails) != 0 {
		t.Errorf("got %+v", mails)
	}
}
