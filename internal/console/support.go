package console

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// supportView is a list of conversations.
type supportView struct {
	State toll.ThreadState // that is shown; "": all
	Rows  []threadRow
	Older string // the URL of the next page, "" for none
}

// threadRow is a conversation with its customer's name, for operators.
type threadRow struct {
	toll.Thread
	Customer string
}

// threadView is one conversation, or the form of a new one.
type threadView struct {
	Thread   toll.Thread
	Messages []toll.Message
	Customer string // its name, for operators
	Subject  string
	Text     string
	Errors   map[string]string // by field
	Writes   bool
}

const threadsOnPage = 50

// mostMessage is the largest form with a message.
const mostMessage = account.MaxAttachment*account.MaxAttachments + 4*mostForm

var threadStates = []toll.ThreadState{toll.ThreadOpen, toll.ThreadWaiting, toll.ThreadClosed}

// threads lists a customer's conversations, or for operators the inbox.
func (c *Console) threads(v *visit) (*answer, error) {
	if c.o.Support == nil {
		return nowhere(c, v)
	}
	asked := v.r.URL.Query()
	q := toll.ThreadQuery{Customer: v.person.CustomerID, Limit: threadsOnPage}
	for _, s := range threadStates {
		if string(s) == asked.Get("state") {
			q.State = s
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, asked.Get("before")); err == nil {
		q.Before = t
	}
	list, err := c.o.Support.Threads(v.r.Context(), v.person, q)
	if err != nil {
		return nil, err
	}
	view := supportView{State: q.State}
	names := map[string]string{}
	for _, t := range list {
		row := threadRow{Thread: t}
		if v.person.IsOperator() {
			if row.Customer = names[t.CustomerID]; row.Customer == "" {
				owner, err := c.o.Office.Customer(v.r.Context(), v.person, t.CustomerID)
				if err != nil {
					return nil, err
				}
				row.Customer = owner.Name
				names[t.CustomerID] = owner.Name
			}
		}
		view.Rows = append(view.Rows, row)
	}
	if len(list) == threadsOnPage {
		next := url.Values{"before": {list[len(list)-1].UpdatedAt.Format(time.RFC3339Nano)}}
		if q.State != "" {
			next.Set("state", string(q.State))
		}
		view.Older = withQuery("/support", next)
	}
	return &answer{title: v.T("support.title"), menu: "support", body: supportPage(v, view), parts: parts{"results": threadList(v, view)}}, nil
}

func (c *Console) newThread(v *visit) (*answer, error) {
	if c.o.Support == nil {
		return nowhere(c, v)
	}
	return newThreadAnswer(v, http.StatusOK, threadView{}), nil
}

func newThreadAnswer(v *visit, status int, view threadView) *answer {
	return &answer{status: status, title: v.T("support.new"), menu: "support", body: newThreadPage(v, view)}
}

// openThread takes the form of a new conversation.
func (c *Console) openThread(v *visit) (*answer, error) {
	if c.o.Support == nil {
		return nowhere(c, v)
	}
	form, err := v.readFiles(mostMessage)
	var t toll.Thread
	if err == nil {
		t, err = c.o.Support.Open(v.r.Context(), v.person, v.customerID(), form.fields.Get("subject"), newMessage(form))
	}
	if err == nil {
		return &answer{to: "/support/threads/" + t.ID, said: v.said("support.opened", t.Subject)}, nil
	}
	v.drain()
	e := invalidField(err)
	if e == nil {
		return nil, err
	}
	view := threadView{Errors: map[string]string{e.Field: e.Message}}
	if form != nil {
		view.Subject, view.Text = form.fields.Get("subject"), form.fields.Get("text")
	}
	return newThreadAnswer(v, http.StatusUnprocessableEntity, view), nil
}

func newMessage(form *sentFiles) account.NewMessage {
	in := account.NewMessage{Text: form.fields.Get("text")}
	if form.reader != nil {
		in.Files = form.next
	}
	return in
}

func (c *Console) thread(v *visit) (*answer, error) {
	if c.o.Support == nil {
		return nowhere(c, v)
	}
	return c.threadAnswer(v, http.StatusOK, threadView{})
}

func (c *Console) threadAnswer(v *visit, status int, view threadView) (*answer, error) {
	var err error
	if view.Thread, view.Messages, err = c.o.Support.Thread(v.r.Context(), v.person, v.r.PathValue("thread")); err != nil {
		return nil, err
	}
	if v.person.IsOperator() {
		owner, err := c.o.Office.Customer(v.r.Context(), v.person, view.Thread.CustomerID)
		if err != nil {
			return nil, err
		}
		view.Customer = owner.Name
	}
	view.Writes = v.can(account.WriteSupport, view.Thread.CustomerID)
	return &answer{status: status, title: view.Thread.Subject, menu: "support", body: threadPage(v, view)}, nil
}

// reply takes a message to a conversation.
func (c *Console) reply(v *visit) (*answer, error) {
	if c.o.Support == nil {
		return nowhere(c, v)
	}
	id := v.r.PathValue("thread")
	form, err := v.readFiles(mostMessage)
	if err == nil {
		_, err = c.o.Support.Reply(v.r.Context(), v.person, id, newMessage(form))
	}
	if err == nil {
		return &answer{to: "/support/threads/" + id, said: v.said("support.sent", "")}, nil
	}
	v.drain()
	e := invalidField(err)
	if e == nil {
		return nil, err
	}
	view := threadView{Errors: map[string]string{e.Field: e.Message}}
	if form != nil {
		view.Text = form.fields.Get("text")
	}
	return c.threadAnswer(v, http.StatusUnprocessableEntity, view)
}

func (c *Console) confirmCloseThread(v *visit) (*answer, error) {
	if c.o.Support == nil {
		return nowhere(c, v)
	}
	t, _, err := c.o.Support.Thread(v.r.Context(), v.person, v.r.PathValue("thread"))
	if err != nil {
		return nil, err
	}
	return confirmAnswer(v, "support", "/support/threads/"+t.ID, v.T("support.close.title", t.Subject), v.T("support.close.text"), piece.Button{Kind: "primary", Label: v.T("support.close.do"), Busy: v.T("support.close.busy")}, false, nil), nil
}

func (c *Console) closeThread(v *visit) (*answer, error) {
	if c.o.Support == nil {
		return nowhere(c, v)
	}
	t, err := c.o.Support.Close(v.r.Context(), v.person, v.r.PathValue("thread"))
	if err != nil {
		return nil, err
	}
	return &answer{to: "/support", said: v.said("support.closed", t.Subject)}, nil
}

// attachment gives a file of a conversation.
func (c *Console) attachment(v *visit) (*answer, error) {
	if c.o.Support == nil {
		return nowhere(c, v)
	}
	a, err := c.o.Support.Attachment(v.r.Context(), v.person, v.r.PathValue("thread"), v.r.PathValue("attachment"))
	if err != nil {
		return nil, err
	}
	err = v.giveFile(a.Name, a.MediaType, func(w io.Writer) error { return c.o.Support.ReadAttachment(v.r.Context(), a, w) })
	return nil, orDone(err)
}

// paragraphs are the lines of a message between empty ones.
func paragraphs(text string) (out [][]string) {
	for block := range strings.SplitSeq(text, "\n\n") {
		if block = strings.Trim(block, "\n"); block != "" {
			out = append(out, strings.Split(block, "\n"))
		}
	}
	return out
}

// author says who wrote a message: customers see operators by their side only.
func (v *visit) author(m toll.Message) string {
	if v.person.IsMember() && m.Author == toll.KindOperator {
		return v.T("support.operator")
	}
	return m.AuthorName
}
