package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// How long the links in mails hold.
const (
	signUpHolds     = 24 * time.Hour
	resetHolds      = 2 * time.Hour
	invitationHolds = 7 * 24 * time.Hour
)

// A ticket's text: 256 random bits.
const ticketBytes = 32

// LinkPath is the page of the console that links in mails lead to, with the
// ticket's text as ?ticket=.
const LinkPath = "link"

var errTicket = toll.Errorf(toll.NotFound, "This link does not work: it was used already, was withdrawn, or is too old. Ask for another one.")

// newTicket makes a ticket and its text.
func (o *Office) newTicket(kind toll.TicketKind, email, language string, now time.Time, holds time.Duration) (toll.Ticket, string, error) {
	text, hash, err := o.ticketText()
	return toll.Ticket{
		ID: o.ids.NewID("tic", now), Kind: kind, Hash: hash, Email: email, Language: language, CreatedAt: now, ExpiresAt: now.Add(holds),
	}, text, err
}

func (o *Office) ticketText() (text string, hash [32]byte, err error) {
	var b [ticketBytes]byte
	if _, err := io.ReadFull(o.random, b[:]); err != nil {
		return "", hash, fmt.Errorf("make a random link: %w", err)
	}
	text = base64.RawURLEncoding.EncodeToString(b[:])
	return text, sha256.Sum256([]byte(text)), nil
}

// link is what a mail says to open: below the address of the console that is
// configured, whatever a request was addressed to.
func (o *Office) link(path, ticket string) string {
	link := o.consoleURL() + path
	if ticket != "" {
		link += "?" + url.Values{"ticket": {ticket}}.Encode()
	}
	return link
}

func (o *Office) mail(to, language, kind string, now time.Time, values map[string]string) toll.Mail {
	return toll.Mail{ID: o.ids.NewID("mail", now), To: to, Language: language, Kind: kind, Values: values, CreatedAt: now}
}

func hours(d time.Duration) string { return strconv.Itoa(int(d / time.Hour)) }
func days(d time.Duration) string  { return strconv.Itoa(int(d / (24 * time.Hour))) }

// The questions that stand in the outbox until AnswerMail answers them. So the
// request that asks does the same work for every address.
const (
	askSignUp = "ask.sign_up"
	askReset  = "ask.reset"
)

// SigningUp tells whether people may sign up by themselves.
func (o *Office) SigningUp() bool { return o.signUp() != "" }

// AskSignUp sends a mail to an address with what it takes to sign up, or says
// there that it has an account. Which of both is not to be learned here: neither
// from the answer nor from its time. Forbidden: nobody signs up by themselves.
// Invalid: it is no address. *TooManyAttempts: too many asked for this address,
// or from this one.
func (o *Office) AskSignUp(ctx context.Context, email, language string, from netip.Addr) error {
	if !o.SigningUp() {
		return toll.Errorf(toll.Forbidden, "Nobody can sign up here by themselves. Ask whoever runs this to make you an account.")
	}
	return o.ask(ctx, askSignUp, email, language, from)
}

// AskReset sends a mail to an address with what it takes to choose a new
// password, if it is somebody's. Whether it is cannot be learned here. Errors
// are those of AskSignUp.
func (o *Office) AskReset(ctx context.Context, email, language string, from netip.Addr) error {
	return o.ask(ctx, askReset, email, language, from)
}

func (o *Office) ask(ctx context.Context, kind, email, language string, from netip.Addr) error {
	email, err := CleanEmail(email)
	if err != nil {
		return err
	}
	at := o.clock()
	if wait := o.asksFrom.take(neighbourhood(from), at); wait > 0 {
		return tooMany(wait)
	}
	if wait := o.asksFor.take(sha256.Sum256([]byte(email)), at); wait > 0 {
		return tooMany(wait)
	}
	if err := o.store.EnqueueMail(ctx, o.mail(email, language, kind, stored(at), nil)); err != nil {
		return fmt.Errorf("write a question into the outbox: %w", err)
	}
	o.mailed()
	return nil
}

// AnswerMail answers a question in the outbox: with a mail, or with none where
// nobody is to get one. false: it is a mail already, and the sender's.
func (o *Office) AnswerMail(ctx context.Context, c toll.MailClaim) (bool, error) {
	if c.Kind != askSignUp && c.Kind != askReset {
		return false, nil
	}
	p, _, err := personByEmail(ctx, o.store, c.To)
	if err != nil {
		return true, err
	}
	now := o.now()
	var tickets []toll.Ticket
	var mails []toll.Mail
	language := c.Language
	if p.Language != "" {
		language = p.Language
	}
	switch {
	case c.Kind == askSignUp && p.ID != "":
		mails = append(mails, o.mail(c.To, language, "known", now, map[string]string{"link": o.link("sign-in", "")}))
	case c.Kind == askSignUp && o.SigningUp():
		ticket, text, err := o.newTicket(toll.TicketSignUp, c.To, language, now, signUpHolds)
		if err != nil {
			return true, err
		}
		tickets = append(tickets, ticket)
		mails = append(mails, o.mail(c.To, language, "sign_up", now, map[string]string{"link": o.link(LinkPath, text), "hours": hours(signUpHolds)}))
	case c.Kind == askReset && p.ID != "" && !p.Disabled:
		ticket, text, err := o.newTicket(toll.TicketReset, c.To, language, now, resetHolds)
		if err != nil {
			return true, err
		}
		ticket.PersonID = p.ID
		tickets = append(tickets, ticket)
		mails = append(mails, o.mail(c.To, language, "reset", now, map[string]string{"link": o.link(LinkPath, text), "hours": hours(resetHolds)}))
	}
	if err := o.store.AnswerMail(ctx, c, tickets, mails); err != nil && toll.CodeOf(err) != toll.NotFound { // another sender did it
		return true, fmt.Errorf("answer a question in the outbox: %w", err)
	}
	return true, nil
}

// Mails lists a page of the outbox, the newest first. Action: ReadMail.
func (o *Office) Mails(ctx context.Context, p Person, q toll.MailQuery) (toll.MailPage, error) {
	if err := Can(p, ReadMail, ""); err != nil {
		return toll.MailPage{}, err
	}
	page, err := o.store.Mails(ctx, q)
	if err != nil {
		return toll.MailPage{}, fmt.Errorf("list mail: %w", err)
	}
	return page, nil
}

// Mail returns one mail of the outbox. Action: ReadMail.
func (o *Office) Mail(ctx context.Context, p Person, id string) (toll.PostedMail, error) {
	if err := Can(p, ReadMail, ""); err != nil {
		return toll.PostedMail{}, err
	}
	m, err := o.store.Mail(ctx, id)
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.PostedMail{}, toll.Errorf(toll.NotFound, "There is no such mail.")
	case err != nil:
		return toll.PostedMail{}, fmt.Errorf("read mail %s: %w", id, err)
	}
	return m, nil
}

// OpenTicket returns the ticket that a link's text is, as long as it holds.
// NotFound: it does not, and why is not told.
func (o *Office) OpenTicket(ctx context.Context, text string) (toll.Ticket, error) {
	if len(text) != base64.RawURLEncoding.EncodedLen(ticketBytes) {
		return toll.Ticket{}, errTicket
	}
	t, err := o.store.TicketByHash(ctx, sha256.Sum256([]byte(text)))
	switch {
	case toll.CodeOf(err) == toll.NotFound, err == nil && !o.clock().Before(t.ExpiresAt):
		return toll.Ticket{}, errTicket
	case err != nil:
		return toll.Ticket{}, fmt.Errorf("look a ticket up: %w", err)
	}
	return t, nil
}

// use does what a ticket is for, and words what can go wrong with it.
func (o *Office) use(ctx context.Context, t toll.Ticket, use toll.TicketUse, e toll.Entry) error {
	switch err := o.store.UseTicket(ctx, t, use, e); toll.CodeOf(err) {
	case "":
		o.mailed()
		return nil
	case toll.NotFound:
		return errTicket
	case toll.Conflict:
		return &toll.Error{Code: toll.Conflict, Field: "email", Cause: err,
			Message: "This e-mail address has an account already. Sign in with it, or ask to be invited under another address."}
	default:
		return fmt.Errorf("use a ticket: %w", err)
	}
}
