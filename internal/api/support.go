package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// thread is a conversation as the API shows it.
type thread struct {
	ID        string    `json:"id"`
	Customer  string    `json:"customer"`
	Subject   string    `json:"subject"`
	State     string    `json:"state" doc:"open: an operator is to answer; waiting: the customer is; closed"`
	OpenedBy  string    `json:"opened_by"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Messages  int       `json:"messages" doc:"How many it has"`
	Version   int64     `json:"version"`
}

func showThread(t *toll.Thread) thread {
	return thread{t.ID, t.CustomerID, t.Subject, string(t.State), t.OpenedBy, t.CreatedAt, t.UpdatedAt, t.Messages, t.Version}
}

// message is one contribution to a conversation.
type message struct {
	ID         string    `json:"id"`
	Author     string    `json:"author" doc:"member or operator"`
	AuthorID   string    `json:"author_id"`
	AuthorName string    `json:"author_name" doc:"As it was then"`
	Text       string    `json:"text"`
	CreatedAt  time.Time `json:"created_at"`
	Files      []string  `json:"files" doc:"The names of attached files"`
}

type threadAnswer struct {
	Versioned
	Body thread
}

func answerThread(t toll.Thread, err error) (*threadAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &threadAnswer{version(t.Version), showThread(&t)}, nil
}

// OfThread is the path of an operation about one conversation.
type OfThread struct {
	OfCustomer
	Thread string `path:"thread" maxLength:"100"`
}

func addListThreads(a *API) {
	type listThreadsRequest struct {
		Customer string    `query:"customer" maxLength:"100" doc:"Only of this customer. A member's token means its own"`
		State    string    `query:"state" enum:"open,waiting,closed"`
		Before   time.Time `query:"before" doc:"updated_at of the last one of the page before"`
		Limit    int       `query:"limit" minimum:"1" maximum:"200" default:"50"`
	}
	type listThreadsAnswer struct {
		Body struct {
			Threads []thread `json:"threads" doc:"The one that changed last first"`
		}
	}
	register(a, huma.Operation{
		OperationID: "list-threads", Method: http.MethodGet, Path: "/threads", Tags: []string{"Support"}, Summary: "List conversations",
	}, rule{scope: toll.ScopeReadSupport, action: account.ReadSupport, everyone: account.ReadAllSupport}, func(ctx context.Context, c *call, in *listThreadsRequest) (*listThreadsAnswer, error) {
		all, err := a.o.Support.Threads(ctx, c.person, toll.ThreadQuery{Customer: c.customer, State: toll.ThreadState(in.State), Before: in.Before, Limit: in.Limit})
		if err != nil {
			return nil, err
		}
		out := &listThreadsAnswer{}
		out.Body.Threads = []thread{}
		for i := range all {
			out.Body.Threads = append(out.Body.Threads, showThread(&all[i]))
		}
		return out, nil
	})
}

func addOpenThread(a *API) {
	type openThreadRequest struct {
		OfCustomer
		Body struct {
			Subject string `json:"subject" maxLength:"200"`
			Text    string `json:"text" maxLength:"10000"`
		}
	}
	register(a, huma.Operation{
		OperationID: "open-thread", Method: http.MethodPost, Path: "/customers/{customer}/threads", Tags: []string{"Support"}, Summary: "Open a conversation", DefaultStatus: http.StatusCreated,
		Description: "For members: an operator answers, and opens none.",
	}, rule{scope: toll.ScopeWriteSupport, action: account.WriteSupport}, func(ctx context.Context, c *call, in *openThreadRequest) (*threadAnswer, error) {
		return answerThread(a.o.Support.Open(ctx, c.person, c.customer, in.Body.Subject, account.NewMessage{Text: in.Body.Text}))
	})
}

func addShowThread(a *API) {
	type showThreadAnswer struct {
		Versioned
		Body struct {
			Thread   thread    `json:"thread"`
			Messages []message `json:"messages" doc:"The oldest first"`
		}
	}
	register(a, huma.Operation{
		OperationID: "show-thread", Method: http.MethodGet, Path: "/customers/{customer}/threads/{thread}", Tags: []string{"Support"}, Summary: "Show a conversation",
	}, rule{scope: toll.ScopeReadSupport, action: account.ReadSupport}, func(ctx context.Context, c *call, in *OfThread) (*showThreadAnswer, error) {
		t, messages, err := a.o.Support.Thread(ctx, c.person, in.Thread)
		if t, err = of(c, t, t.CustomerID, err, "conversation"); err != nil {
			return nil, err
		}
		out := &showThreadAnswer{Versioned: version(t.Version)}
		out.Body.Thread, out.Body.Messages = showThread(&t), []message{}
		for _, m := range messages {
			files := []string{}
			for _, f := range m.Attachments {
				files = append(files, f.Name)
			}
			out.Body.Messages = append(out.Body.Messages, message{m.ID, string(m.Author), m.AuthorID, m.AuthorName, m.Text, m.CreatedAt, files})
		}
		return out, nil
	})
}

// changeThread does something to the conversation in the path.
func (a *API) changeThread(ctx context.Context, c *call, id string, change func() (toll.Thread, error)) (*threadAnswer, error) {
	t, _, err := a.o.Support.Thread(ctx, c.person, id)
	if t, err = of(c, t, t.CustomerID, err, "conversation"); err == nil {
		t, err = change()
	}
	return answerThread(t, err)
}

func addReply(a *API) {
	type replyRequest struct {
		OfThread
		Body struct {
			Text string `json:"text" maxLength:"10000"`
		}
	}
	register(a, huma.Operation{
		OperationID: "reply", Method: http.MethodPost, Path: "/customers/{customer}/threads/{thread}/messages", Tags: []string{"Support"}, Summary: "Add a message to a conversation", DefaultStatus: http.StatusCreated,
	}, rule{scope: toll.ScopeWriteSupport, action: account.WriteSupport}, func(ctx context.Context, c *call, in *replyRequest) (*threadAnswer, error) {
		return a.changeThread(ctx, c, in.Thread, func() (toll.Thread, error) {
			return a.o.Support.Reply(ctx, c.person, in.Thread, account.NewMessage{Text: in.Body.Text})
		})
	})
}

func addCloseThread(a *API) {
	register(a, huma.Operation{
		OperationID: "close-thread", Method: http.MethodPost, Path: "/customers/{customer}/threads/{thread}/close", Tags: []string{"Support"}, Summary: "End a conversation",
	}, rule{scope: toll.ScopeWriteSupport, action: account.WriteSupport}, func(ctx context.Context, c *call, in *OfThread) (*threadAnswer, error) {
		return a.changeThread(ctx, c, in.Thread, func() (toll.Thread, error) { return a.o.Support.Close(ctx, c.person, in.Thread) })
	})
}
