package mail_test

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/mail"
	"github.com/tollhouse/tollhouse/internal/mail/mailtest"
)

var letter = mail.Letter{Subject: "Héllo, “you”", Text: "First line\n\n.a dot\n-- \nEnd ž\n", HTML: "<p>Héllo</p>", Language: "en"}

func carrier(t *testing.T, s *mailtest.Server, change func(*mail.SMTPOptions)) *mail.SMTP {
	t.Helper()
	o := mail.SMTPOptions{Server: s.Address(), Protection: mail.STARTTLS, CAFile: s.CAFile(), From: "no-reply@example.com", FromName: "Acme, Inc.", Timeout: 30 * time.Second}
	if change != nil {
		change(&o)
	}
	c, err := mail.NewSMTP(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCarriesALetterWhole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server mailtest.Manner
		change func(*mail.SMTPOptions)
		secure bool
	}{
		"starttls":              {mailtest.Manner{STARTTLS: true}, nil, true},
		"implicit":              {mailtest.Manner{Implicit: true}, func(o *mail.SMTPOptions) { o.Protection = mail.Implicit }, true},
		"none":                  {mailtest.Manner{}, func(o *mail.SMTPOptions) { o.Protection = mail.Plain }, false},
		"starttls with sign-in": {mailtest.Manner{STARTTLS: true, User: "me", Password: "hunter2"}, func(o *mail.SMTPOptions) { o.User, o.Password = "me", "hunter2" }, true},
		"implicit with sign-in": {mailtest.Manner{Implicit: true, User: "me", Password: "hunter2"}, func(o *mail.SMTPOptions) {
			o.Protection, o.User, o.Password = mail.Implicit, "me", "hunter2"
		}, true},
		"none with sign-in": {mailtest.Manner{User: "me", Password: "hunter2"}, func(o *mail.SMTPOptions) {
			o.Protection, o.User, o.Password = mail.Plain, "me", "hunter2"
		}, false},
		"hangs up at QUIT": {mailtest.Manner{STARTTLS: true, Drop: "QUIT"}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mailtest.Start(t, c.server)
			smtp := carrier(t, s, c.change)
			for range 2 { // the same mail again has the same name
				if err := smtp.Carry(t.Context(), "ada@example.com", "mail_01K", letter); err != nil {
					t.Fatal(err)
				}
			}
			got := s.Taken()
			if len(got) != 2 || got[0].Secure != c.secure || got[0].User != c.server.User || !strings.Contains(got[0].To, "<ada@example.com>") || !strings.Contains(got[0].From, "<no-reply@example.com>") {
				t.Fatalf("took %+v", got)
			}
			m, err := netmail.ReadMessage(strings.NewReader(got[0].Body))
			if err != nil {
				t.Fatal(err)
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			if err != nil || subject != letter.Subject || m.Header.Get("Auto-Submitted") != "auto-generated" || m.Header.Get("Message-ID") != "<mail_01K@example.com>" || m.Header.Get("Date") == "" {
				t.Errorf("headers are %v", m.Header)
			}
			if again, _ := netmail.ReadMessage(strings.NewReader(got[1].Body)); again.Header.Get("Message-ID") != m.Header.Get("Message-ID") {
				t.Errorf("the second time it is %s", again.Header.Get("Message-ID"))
			}
			if parts := partsOf(t, m); parts["text/plain"] != letter.Text || parts["text/html"] != letter.HTML {
				t.Errorf("parts are %q", parts)
			}
		})
	}
}

func partsOf(t *testing.T, m *netmail.Message) map[string]string {
	t.Helper()
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		parts[kind] = strings.ReplaceAll(string(text), "\r\n", "\n")
	}
}

func TestTellsWhatIsRefusedForGoodFromWhatMayPassLater(t *testing.T) {
	t.Parallel()
	say := func(verb, what string) mailtest.Manner {
		return mailtest.Manner{STARTTLS: true, Say: map[string]string{verb: what}}
	}
	short := func(o *mail.SMTPOptions) { o.Timeout = 300 * time.Millisecond }
	for name, c := range map[string]struct {
		server  mailtest.Manner
		change  func(*mail.SMTPOptions)
		refused bool
	}{
		"nobody there":            {say("RCPT", "550 5.1.1 nobody here"), nil, true},
		"sender not wanted":       {say("MAIL", "553 5.1.8 not you"), nil, true},
		"content not wanted":      {say(".", "554 5.7.1 spam"), nil, true},
		"greylisted":              {say("RCPT", "450 4.2.0 come back later"), nil, false},
		"full":                    {say(".", "452 4.3.1 no room"), nil, false},
		"shutting down":           {say("MAIL", "421 4.3.2 bye"), nil, false},
		"wrong password":          {mailtest.Manner{STARTTLS: true, User: "me", Password: "right"}, func(o *mail.SMTPOptions) { o.User, o.Password = "me", "wrong" }, false},
		"no TLS":                  {mailtest.Manner{}, nil, false},
		"a certificate of others": {mailtest.Manner{STARTTLS: true}, func(o *mail.SMTPOptions) { o.CAFile = "" }, false},
		"hangs up at MAIL":        {mailtest.Manner{STARTTLS: true, Drop: "MAIL"}, nil, false},
		"hangs up in the body":    {mailtest.Manner{STARTTLS: true, Drop: "body"}, nil, false},
		"silent from the start":   {mailtest.Manner{STARTTLS: true, Silent: "EHLO"}, short, false},
		"silent at RCPT":          {mailtest.Manner{STARTTLS: true, Silent: "RCPT"}, short, false},
		"silent after the body":   {mailtest.Manner{STARTTLS: true, Silent: "."}, short, false},
		"no SMTP":                 {mailtest.Manner{STARTTLS: true, Say: map[string]string{"EHLO": "hello?", "HELO": "hello?"}}, short, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mailtest.Start(t, c.server)
			err := carrier(t, s, c.change).Carry(t.Context(), "ada@example.com", "mail_1", letter)
			var refused *mail.Refused
			if err == nil || errors.As(err, &refused) != c.refused {
				t.Errorf("got %v, want refused for good: %t", err, c.refused)
			}
			if len(s.Taken()) != 0 || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "wrong\x00") {
				t.Errorf("took %v; %v", s.Taken(), err)
			}
		})
	}
}

func TestGivesUpWhenTheSenderMust(t *testing.T) {
	t.Parallel()
	s := mailtest.Start(t, mailtest.Manner{STARTTLS: true, Silent: "MAIL"})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for s.Tries() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if err := carrier(t, s, nil).Carry(ctx, "ada@example.com", "mail_1", letter); err == nil {
		t.Error("a silent server has taken a letter")
	}
}

func TestNothingInAMailBecomesAHeader(t *testing.T) {
	t.Parallel()
	s := mailtest.Start(t, mailtest.Manner{STARTTLS: true})
	evil := "Hi\r\nBcc: all@example.com\r\n\r\nbody"
	smtp := carrier(t, s, func(o *mail.SMTPOptions) { o.FromName = evil })
	l := letter
	l.Subject = evil
	if err := smtp.Carry(t.Context(), "ada@example.com", "mail_1\r\nBcc: x@example.com", l); err != nil {
		t.Fatal(err)
	}
	m, err := netmail.ReadMessage(strings.NewReader(s.Taken()[0].Body))
	if err != nil {
		t.Fatal(err)
	}
	if m.Header.Get("Bcc") != "" || len(m.Header["Subject"]) != 1 {
		t.Errorf("headers are %v", m.Header)
	}
	for _, to := range []string{"ada@example.com\r\nBcc: all@example.com", "a@example.com, b@example.com", "", "nobody"} {
		var refused *mail.Refused
		if err := smtp.Carry(t.Context(), to, "mail_2", letter); !errors.As(err, &refused) {
			t.Errorf("%q: got %v", to, err)
		}
	}
	if len(s.Taken()) != 1 {
		t.Errorf("took %+v", s.Taken())
	}
}
