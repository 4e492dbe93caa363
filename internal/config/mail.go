package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Mail says how mail leaves. The zero Mail is none: what is written is kept,
// and operators read it in the console.
type Mail struct {
	Server   string // "smtp.example.com:587"; "": none
	TLS      MailTLS
	CAFile   string      // what signs the server's certificate; "": what the system trusts
	User     string      // "": without signing in
	Password toll.Secret // secrets.smtp
	From     string      // an address
	Timeout  time.Duration
}

// MailTLS says how the way to the mail server is kept from others.
type MailTLS string

// The ways.
const (
	MailSTARTTLS MailTLS = "starttls" // plain, then TLS before anything is said; refused where the server has none
	MailImplicit MailTLS = "implicit" // TLS from the first byte
	MailPlain    MailTLS = "none"     // only to this machine itself
)

type mailFile struct {
	Server  mailServer `yaml:"server" example:"smtp.example.com:587" doc:"The SMTP server that takes the mail, with its port. Absent: mail is not sent; it is kept, and operators read it in the console (accounts.md)."`
	TLS     choice     `yaml:"tls" default:"starttls" oneof:"starttls|implicit|none" doc:"How the connection is protected: starttls (refused when the server has none), implicit (TLS from the first byte, usually port 465), or none, which only a server on this machine may have."`
	CAFile  filePath   `yaml:"ca_file" example:"mail-ca.pem" doc:"The certificate that signs the server's own, when this machine does not trust it anyway."`
	User    text       `yaml:"user" example:"tollhouse" doc:"The name to sign in to the server with; its password is secrets.smtp. Absent: without signing in."`
	From    email      `yaml:"from" required:"true" example:"no-reply@example.com" doc:"The address that mail comes from."`
	Timeout duration   `yaml:"timeout" default:"30s" min:"1s" max:"10m" doc:"How long the server may take for one mail, from connecting to its last answer."`
}

// mailServer is a host and its port.
type mailServer string

func (m *mailServer) parse(s string) error {
	host, port, err := net.SplitHostPort(s)
	n, bad := strconv.ParseUint(port, 10, 16)
	if err != nil || host == "" || bad != nil || n == 0 {
		return errors.New("is no host with a port; write for example smtp.example.com:587")
	}
	if _, err := netip.ParseAddr(host); err != nil && checkHost(strings.ToLower(host)) != nil {
		return errors.New("has no good host; write for example smtp.example.com:587")
	}
	*m = mailServer(strings.ToLower(s))
	return nil
}

func (m *mailServer) form() form {
	return form{what: "a host with a port", example: "smtp.example.com:587", pattern: `^.+:[0-9]+$`}
}

// local tells whether the server is on this machine.
func (m mailServer) local() bool {
	host, _, _ := net.SplitHostPort(string(m))
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// consoleURL is where people find the console: scheme, host and perhaps a port.
type consoleURL string

func (u *consoleURL) parse(s string) error {
	v, err := url.Parse(strings.TrimSuffix(s, "/"))
	if err != nil || (v.Scheme != "http" && v.Scheme != "https") || v.Hostname() == "" || v.User != nil || v.Path != "" || v.RawQuery != "" || v.Fragment != "" {
		return errors.New("is no address of a console; write scheme and host alone, for example https://console.example.com")
	}
	*u = consoleURL(strings.ToLower(v.Scheme + "://" + v.Host))
	return nil
}

func (u *consoleURL) form() form {
	return form{what: "an address", example: "https://console.example.com", pattern: `^https?://[^/]+/?$`}
}

func mailOf(f *file) Mail {
	m := Mail{
		Server: string(f.Mail.Server), TLS: MailTLS(f.Mail.TLS), CAFile: string(f.Mail.CAFile), User: string(f.Mail.User),
		From: string(f.Mail.From), Timeout: time.Duration(f.Mail.Timeout),
	}
	if m.User != "" {
		m.Password = f.Secrets.SMTP.Secret
	}
	return m
}

// checkMail judges how mail leaves, and who may sign up by it.
func (c *checker) checkMail() {
	m := &c.file.Mail
	section, said := c.place(m)
	switch {
	case c.wrong(&m.Server):
	case m.Server == "" && said && !section.bad:
		c.notice(section.key, "mail: there is no `server`, so mail is kept and not sent; operators read it in the console")
	case m.Server != "" && m.TLS == choice(MailPlain) && !m.Server.local() && c.given(&m.TLS):
		p, _ := c.place(&m.TLS)
		c.at(p.value, "mail.tls: %s is another machine, and without TLS everybody on the way reads passwords and links that open doors; write starttls or implicit", string(m.Server))
	}
	if c.given(&m.User) && c.file.Secrets.SMTP.Secret == "" && !c.wrong(&c.file.Secrets.SMTP) {
		p, _ := c.place(&m.User)
		c.at(p.value, "mail.user: there is no password for it; give it as `secrets.smtp`, or delete this")
	}
	if p, ok := c.place(&c.file.Secrets.SMTP); ok && !p.bad && !c.given(&m.User) && !c.wrong(&m.User) {
		c.notice(p.key, "secrets.smtp: nobody signs in to a mail server with it; name `mail.user`")
	}
	signUp, ok := c.place(&c.file.Console.SignUp)
	if !ok || signUp.bad {
		return
	}
	known := false
	for _, e := range c.file.Plans {
		known = known || e.name == string(c.file.Console.SignUp)
	}
	if !known && len(c.problems) == 0 {
		c.at(signUp.value, "console.sign_up: there is no plan `%s`; name one of `plans`, or delete the line so that nobody signs up by themselves", string(c.file.Console.SignUp))
	}
	if m.Server == "" && !c.wrong(&m.Server) {
		c.notice(signUp.key, "console.sign_up: who signs up gets a mail with a link, and there is no `mail.server` to send it; operators find it in the console")
	}
}
