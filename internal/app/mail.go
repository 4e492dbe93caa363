package app

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/mail"
	"github.com/tollhouse/tollhouse/internal/telemetry"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// post is how mail is written and leaves.
type post struct {
	letters *mail.Letters
	carrier mail.Carrier // nil: it is kept
	timeout time.Duration
}

// newPost makes ready what a configuration says of mail; it connects to nobody.
func newPost(cfg *config.Config, clock toll.Clock) (p post, err error) {
	name, languages, m := "", []string(nil), config.Mail{}
	if cfg != nil {
		name, languages, m = cfg.Name, cfg.Console.Languages, cfg.Mail
	}
	name = cmp.Or(name, "Tollhouse")
	if p.letters, err = mail.NewLetters(name, languages); err != nil {
		return post{}, err
	}
	if m.Server == "" {
		return p, nil
	}
	p.timeout = m.Timeout
	p.carrier, err = mail.NewSMTP(mail.SMTPOptions{
		Server: m.Server, Protection: mail.Protection(m.TLS), CAFile: m.CAFile, User: m.User, Password: m.Password,
		From: m.From, FromName: name, Timeout: m.Timeout, Clock: clock,
	})
	return p, err
}

// openMail makes the sender; Run starts it.
func (a *App) openMail() (err error) {
	if a.rooms.post, err = newPost(a.cfg, a.clock); err != nil {
		return err
	}
	a.mailer, err = mail.NewSender(mail.Options{
		Queue: a.rooms.store, Letters: a.rooms.post.letters, Carrier: a.rooms.post.carrier, Timeout: a.rooms.post.timeout,
		Answer: a.rooms.office.AnswerMail, Clock: a.clock, Log: a.log,
	})
	return err
}

func (a *App) pokeMail() { a.mailer.Poke() }

// personChanged makes a change of a person hold for their next request here.
func (a *App) personChanged(id string) {
	if a.rooms.sessions != nil {
		a.rooms.sessions.Forget(id)
	}
}

// mailPatience is how long a scrape of metrics waits for the outbox.
const mailPatience = 2 * time.Second

// mailState is how mail stands, for metrics. An outbox that does not answer is
// not counted.
func (a *App) mailState() (telemetry.Mail, bool) {
	ctx, cancel := context.WithTimeout(a.running, mailPatience)
	defer cancel()
	queue, err := a.rooms.store.MailQueue(ctx)
	if err != nil {
		return telemetry.Mail{}, false
	}
	m := telemetry.Mail{Waiting: queue.Waiting, GivenUp: queue.Failed}
	m.Sent, m.Failures = a.mailer.Figures()
	if !queue.Oldest.IsZero() {
		m.Oldest = max(0, a.clock().Sub(queue.Oldest))
	}
	return m, true
}

// consoleAddress is where people find the console as far as a configuration
// says, for a command without a server; with a slash at the end.
func consoleAddress(cfg *config.Config) string {
	if cfg == nil {
		return "http://localhost:8080/"
	}
	if cfg.Console.URL != "" {
		return cfg.Console.URL + "/"
	}
	scheme, address := "http", cfg.Listen.HTTP
	if cfg.Listen.HTTPS != "" {
		scheme, address = "https", cfg.Listen.HTTPS
	}
	_, port, _ := net.SplitHostPort(address)
	host := cmp.Or(cfg.Console.Host, visibleHost(address))
	if own := map[string]string{"http": "80", "https": "443"}[scheme]; port != own {
		host = net.JoinHostPort(host, port)
	}
	return (&url.URL{Scheme: scheme, Host: host, Path: "/"}).String()
}

// MailTest asks for a mail that says that mail works.
type MailTest struct {
	To       string `json:"to"`
	Language string `json:"language,omitempty"`
}

// MailTested says what took the mail.
type MailTested struct {
	To     string `json:"to"`
	Server string `json:"server"`
}

// testMail hands a mail to the server at once, past the outbox: what the server
// says is the answer.
func testMail(ctx context.Context, r *rooms, in MailTest) (MailTested, error) {
	to, err := account.CleanEmail(in.To)
	if err != nil {
		return MailTested{}, err
	}
	if r.post.carrier == nil {
		return MailTested{}, toll.Errorf(toll.Invalid, "no mail server is configured, so mail is kept and not sent; name one as mail.server, and restart the server if one runs")
	}
	id := toll.NewIDs(nil).NewID("mail", r.clock())
	letter, err := r.post.letters.Write(toll.Mail{ID: id, To: to, Language: in.Language, Kind: "test"})
	if err != nil {
		return MailTested{}, err
	}
	if err := r.post.carrier.Carry(ctx, to, id, letter); err != nil { // whoever may use the command may know what the server says
		return MailTested{}, &toll.Error{Code: toll.Unavailable, Message: fmt.Sprintf("the mail to %s was not taken: %v", to, err), Cause: err}
	}
	return MailTested{To: to, Server: r.at.Config.Mail.Server}, nil
}
