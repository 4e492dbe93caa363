package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// entry is one of the audit log as the API shows it.
type entry struct {
	Seq       int64           `json:"seq"`
	At        time.Time       `json:"at"`
	Kind      string          `json:"kind,omitempty" doc:"Of who did it: member, operator or system"`
	Who       string          `json:"who,omitempty"`
	Role      string          `json:"role,omitempty"`
	As        string          `json:"as,omitempty" doc:"Whom they were signed in as"`
	Way       string          `json:"way"`
	Through   string          `json:"through,omitempty" doc:"The session or API token"`
	IP        string          `json:"ip,omitempty"`
	Action    string          `json:"action"`
	Customer  string          `json:"customer,omitempty"`
	Object    string          `json:"object,omitempty"`
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Outcome   string          `json:"outcome"`
	Hash      string          `json:"hash" doc:"SHA-256 of the entry, which holds that of the one before"`
}

// showEntry shows an entry. A member does not learn from where operators work.
func showEntry(e *toll.Entry, to *account.Person) entry {
	out := entry{
		Seq: e.Seq, At: e.At, Kind: string(e.Kind), Who: e.Who, Role: e.Role, As: e.As, Way: string(e.Way), Through: e.Through, IP: e.IP,
		Action: e.Action, Customer: e.Customer, Object: e.Object, RequestID: e.RequestID, Outcome: string(e.Outcome), Hash: hex.EncodeToString(e.Hash[:]),
	}
	if e.Before != "" {
		out.Before = json.RawMessage(e.Before)
	}
	if e.After != "" {
		out.After = json.RawMessage(e.After)
	}
	if to.IsMember() && e.Kind != toll.KindMember {
		out.Through, out.IP = "", ""
	}
	return out
}

func addListAudit(a *API) {
	type question struct {
		Customer string    `query:"customer" maxLength:"100" doc:"Only what concerns this customer. A member's token means its own"`
		Who      string    `query:"who" maxLength:"100" doc:"A person's ID"`
		Action   string    `query:"action" maxLength:"100" doc:"An action, or the start of one that ends with a point" example:"key."`
		Object   string    `query:"object" maxLength:"100"`
		Outcome  string    `query:"outcome" maxLength:"20"`
		Since    time.Time `query:"since"`
		Until    time.Time `query:"until"`
		Limit    int       `query:"limit" minimum:"1" maximum:"500" default:"50"`
		Cursor   int64     `query:"cursor" minimum:"0" doc:"next of the page before"`
	}
	type listAuditAnswer struct {
		Body struct {
			Entries []entry `json:"entries" doc:"The newest first"`
			Next    string  `json:"next,omitempty"`
		}
	}
	register(a, huma.Operation{
		OperationID: "list-audit", Method: http.MethodGet, Path: "/audit", Tags: []string{"Audit"}, Summary: "Read the audit log",
	}, rule{scope: toll.ScopeReadAudit, action: account.ReadAudit, everyone: account.ReadAllAudit}, func(ctx context.Context, c *call, in *question) (*listAuditAnswer, error) {
		page, err := a.o.Office.Entries(ctx, c.person, toll.EntryQuery{
			Who: in.Who, Action: in.Action, Customer: c.customer, Object: in.Object, Outcome: toll.Outcome(in.Outcome), Since: in.Since, Until: in.Until, Before: in.Cursor, Limit: in.Limit,
		})
		if err != nil {
			return nil, err
		}
		out := &listAuditAnswer{}
		out.Body.Entries = []entry{}
		if page.Next != 0 {
			out.Body.Next = strconv.FormatInt(page.Next, 10)
		}
		for i := range page.Entries {
			out.Body.Entries = append(out.Body.Entries, showEntry(&page.Entries[i], &c.person))
		}
		return out, nil
	})
}
