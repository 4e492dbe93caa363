package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Carrier takes a letter to where it is delivered. It must be safe for
// concurrent use.
type Carrier interface {
	// Carry returns nil once somebody has taken the letter on. A *Refused means
	// that no further try can help; any other error, that a later one may. id is
	// the same for each try of a mail.
	Carry(ctx context.Context, to, id string, l Letter) error
}

// Refused is a mail server's last word about one mail (a 5yz reply, RFC 5321
// §4.2.1).
type Refused struct{ Cause error }

// Error repeats what the server said.
func (e *Refused) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *Refused) Unwrap() error { return e.Cause }

// Protection says how the way to the server is kept from others.
type Protection string

// The protections.
const (
	STARTTLS Protection = "starttls" // RFC 3207, and no way without
	Implicit Protection = "implicit" // TLS from the first byte (RFC 8314 §3)
	Plain    Protection = "none"     // only to a server on this machine
)

// SMTPOptions say which server takes the mail.
type SMTPOptions struct {
	Server     string // "smtp.example.com:587"; needed
	Protection Protection
	CAFile     string // what signs the server's certificate, PEM; "": what the system trusts
	User       string // "": without signing in
	Password   toll.Secret
	From       string        // an address; needed
	FromName   string        // what stands before it; may be ""
	Timeout    time.Duration // of one mail, from connecting to the last answer; 0: 30 s
	Clock      toll.Clock    // for the Date of a mail; nil: toll.SystemClock
}

// SMTP carries letters to a mail server (RFC 5321), each over a connection of
// its own. It is safe for concurrent use.
type SMTP struct {
	o      SMTPOptions
	host   string
	port   int
	domain string // of From: what Message-IDs end in
	tls    *tls.Config
}

// NewSMTP checks the options and reads the CA file; it connects to nobody.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	host, port, err := net.SplitHostPort(o.Server)
	if err != nil {
		return nil, fmt.Errorf("send mail through %q: %w", o.Server, err)
	}
	s := &SMTP{o: o, host: host, tls: &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}}
	if s.port, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("send mail through %q: %w", o.Server, err)
	}
	switch o.Protection {
	case STARTTLS, Implicit, Plain:
	default:
		return nil, fmt.Errorf("send mail through %s: %q is no protection", o.Server, o.Protection)
	}
	at := strings.LastIndexByte(o.From, '@')
	if at < 1 || strings.ContainsFunc(o.From, func(r rune) bool { return r <= ' ' }) {
		return nil, fmt.Errorf("send mail from %q: it is no address", o.From)
	}
	s.domain = o.From[at+1:]
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, toll.Errorf(toll.Invalid, "The file mail.ca_file names cannot be read (%w).", err)
		}
		s.tls.RootCAs = x509.NewCertPool()
		if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
			return nil, toll.Errorf(toll.Invalid, "There is no certificate in %s, which mail.ca_file names.", o.CAFile)
		}
	}
	if s.o.Timeout <= 0 {
		s.o.Timeout = 30 * time.Second
	}
	if s.o.Clock == nil {
		s.o.Clock = toll.SystemClock
	}
	return s, nil
}

// Carry implements Carrier. A server that does not take everything within the
// timeout has not taken the letter. One that took it and then breaks off has.
func (s *SMTP) Carry(ctx context.Context, to, id string, l Letter) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	message, err := s.message(to, id, l)
	if err != nil {
		return &Refused{err}
	}
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	open, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil { // nothing was said about this mail: also a 535 is about us
		return fmt.Errorf("reach the mail server %s: %w", s.o.Server, err)
	}
	defer func() { _ = client.CloseWithSMTPClient(open) }() // whatever QUIT is answered, the mail is decided
	if err := client.SendWithSMTPClient(open, message); err != nil {
		err = fmt.Errorf("hand a mail to %s: %w", s.o.Server, err)
		var said *gomail.SendError
		if errors.As(err, &said) && said.ErrorCode() >= 500 && said.ErrorCode() < 600 {
			return &Refused{err}
		}
		return err
	}
	return nil
}

func (s *SMTP) client(ctx context.Context) (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTimeout(s.o.Timeout), gomail.WithTLSConfig(s.tls.Clone()), gomail.WithHELO(heloName()),
		gomail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			return s.dial(ctx, dialing, network, address)
		}), gomail.WithoutNoop(),
	}
	switch s.o.Protection {
	case STARTTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Implicit:
		options = append(options, gomail.WithSSL())
	case Plain:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.o.User != "" {
		how := gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover)
		if s.o.Protection != STARTTLS { // the library cannot see that our own connection is TLS, or to this machine itself
			how = gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc)
		}
		options = append(options, how, gomail.WithUsername(s.o.User), gomail.WithPassword(s.o.Password.Reveal()))
	}
	client, err := gomail.NewClient(s.host, options...)
	if err != nil {
		return nil, fmt.Errorf("speak to the mail server %s: %w", s.o.Server, err)
	}
	return client, nil
}

// dial connects so that ctx bounds all that follows, however often the library
// sets deadlines of its own: its own context ends with the dialling.
func (s *SMTP) dial(ctx, dialing context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(dialing, network, address)
	if err != nil {
		return nil, err
	}
	bounded := &boundedConn{Conn: conn}
	bounded.end, _ = ctx.Deadline()
	context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	if err := bounded.SetDeadline(bounded.end); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if s.o.Protection != Implicit {
		return bounded, nil
	}
	secure := tls.Client(bounded, s.tls.Clone())
	if err := secure.HandshakeContext(dialing); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secure, nil
}

type boundedConn struct {
	net.Conn
	end time.Time
}

func (c *boundedConn) bound(t time.Time) time.Time {
	if t.IsZero() || t.After(c.end) {
		return c.end
	}
	return t
}

func (c *boundedConn) SetDeadline(t time.Time) error      { return c.Conn.SetDeadline(c.bound(t)) }
func (c *boundedConn) SetReadDeadline(t time.Time) error  { return c.Conn.SetReadDeadline(c.bound(t)) }
func (c *boundedConn) SetWriteDeadline(t time.Time) error { return c.Conn.SetWriteDeadline(c.bound(t)) }

// message is the letter with its headers. Auto-Submitted (RFC 3834 §5) keeps
// holiday notices from answering.
func (s *SMTP) message(to, id string, l Letter) (*gomail.Msg, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := m.FromFormat(oneLine(s.o.FromName), s.o.From); err != nil {
		return nil, fmt.Errorf("write a mail from %q: %w", s.o.From, err)
	}
	if err := m.To(to); err != nil {
		return nil, fmt.Errorf("write a mail to %q: %w", to, err)
	}
	m.Subject(oneLine(l.Subject))
	m.SetDateWithValue(s.o.Clock())
	m.SetMessageIDWithValue(messageID(id) + "@" + s.domain)
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetGenHeader("Content-Language", l.Language)
	m.SetBodyString(gomail.TypeTextPlain, l.Text)
	m.AddAlternativeString(gomail.TypeTextHTML, l.HTML)
	return m, nil
}

// messageID keeps of a mail's ID what a Message-ID may hold (RFC 5322 §3.6.4).
func messageID(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, id)
}

// heloName is what the server is told that we are called; a machine without a
// good name says localhost, which servers that take our mail accept.
func heloName() string {
	name, err := os.Hostname()
	if err != nil || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "localhost"
	}
	return name
}
