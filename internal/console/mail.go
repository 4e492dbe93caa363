package console

import (
	"net/url"

	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/mail"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Letters writes what a kept mail says. *mail.Letters is one.
type Letters interface {
	Write(m toll.Mail) (mail.Letter, error)
}

// mailView is the list of mail.
type mailView struct {
	Page  toll.MailPage
	Sends bool // a server is configured
	Next  string
}

func (c *Console) mails(v *visit) (*answer, error) {
	q := v.r.URL.Query()
	page, err := c.o.Office.Mails(v.r.Context(), v.person, toll.MailQuery{Before: q.Get("before")})
	if err != nil {
		return nil, err
	}
	view := mailView{Page: page, Sends: c.o.SendsMail}
	if page.Next != "" {
		view.Next = "/mail?" + url.Values{"before": {page.Next}}.Encode()
	}
	return &answer{title: v.T("nav.mail"), menu: "mail", body: mailPage(v, view)}, nil
}

func (c *Console) mail(v *visit) (*answer, error) {
	m, err := c.o.Office.Mail(v.r.Context(), v.person, v.r.PathValue("mail"))
	if err != nil {
		return nil, err
	}
	var letter mail.Letter
	if m.Status == toll.MailKept && c.o.Letters != nil { // of the others there is nothing to read any more
		if letter, err = c.o.Letters.Write(m.Mail); err != nil {
			return nil, err
		}
	}
	return &answer{title: v.T("nav.mail"), menu: "mail", secret: true, body: onemailPage(v, m, letter)}, nil
}

func mailBadge(v *visit, m toll.PostedMail) piece.Badge {
	label := v.T("mail." + string(m.Status))
	switch m.Status {
	case toll.MailSent:
		return piece.Badge{Kind: "good", Icon: "circle-check", Label: label}
	case toll.MailFailed:
		return piece.Badge{Kind: "bad", Icon: "circle-alert", Label: label}
	case toll.MailKept:
		return piece.Badge{Kind: "accent", Icon: "mail", Label: label}
	}
	return piece.Badge{Kind: "warn", Icon: "clock", Label: label}
}
