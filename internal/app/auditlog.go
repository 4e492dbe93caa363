package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// anchorName is the file in the data directory that keeps the head of the audit
// log outside of the database: whoever can write the database alone cannot cut
// the log's end off, or write it anew, unnoticed.
const anchorName = "audit.anchor"

const (
	refusalsEvery = time.Minute // how often counted refusals are written into the audit log
	anchorsEvery  = time.Hour   // how often its head is kept in the log and the data directory
)

// tellAudit writes counted refusals into the audit log, and keeps its head
// elsewhere, until ctx ends; then once more.
func (a *App) tellAudit(ctx context.Context) {
	tick := time.NewTicker(refusalsEvery)
	defer tick.Stop()
	var kept toll.AuditHead
	next := a.clock()
	for {
		select {
		case <-ctx.Done():
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			a.flushRefusals(end)
			a.keepAnchor(end, &kept)
			return
		case <-tick.C:
			a.flushRefusals(ctx)
			if now := a.clock(); !now.Before(next) {
				a.keepAnchor(ctx, &kept)
				next = now.Add(anchorsEvery)
			}
		}
	}
}

func (a *App) flushRefusals(ctx context.Context) {
	if err := a.rooms.refusals.Flush(ctx, a.rooms.store, a.clock()); err != nil {
		a.log.Warn("refused attempts could not be written into the audit log; it is tried again in a minute", "error", err)
	}
}

func (a *App) keepAnchor(ctx context.Context, kept *toll.AuditHead) {
	head, err := a.rooms.store.AuditHead(ctx)
	if err != nil || head == *kept {
		return // the database is away: what changes nothing needs no anchor
	}
	if err := writeAnchor(a.cfg.Data, head); err != nil {
		a.log.Warn("the audit log's head could not be kept in the data directory", "error", err)
	}
	*kept = head
	a.log.Info("audit log", "anchor", head.String())
}

// readAnchor returns the head that was kept, if there is one.
func readAnchor(dir string) ([]toll.AuditHead, error) {
	text, err := os.ReadFile(filepath.Join(dir, anchorName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	head, err := toll.ParseAuditHead(string(text))
	if err != nil {
		return nil, toll.Errorf(toll.Unavailable, "the file %s holds no anchor of the audit log; restore it, or delete it to go without", filepath.Join(dir, anchorName))
	}
	return []toll.AuditHead{head}, nil
}

// writeAnchor keeps a head, unless the one that is kept already is further on.
func writeAnchor(dir string, head toll.AuditHead) error {
	if before, err := readAnchor(dir); err == nil && len(before) == 1 && before[0].Seq >= head.Seq {
		return nil
	}
	file := filepath.Join(dir, anchorName)
	if err := os.WriteFile(file+".new", []byte(head.String()+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// AuditVerify asks whether the audit log is whole.
type AuditVerify struct {
	Anchors []string `json:"anchors,omitempty"` // heads that were kept elsewhere
}

// AuditVerified says that the audit log is whole, or what is the first that is not.
type AuditVerified struct {
	Whole   bool   `json:"whole"`
	Entries int64  `json:"entries"`           // that fit, from the first
	Anchor  string `json:"anchor"`            // stands for all of them: keep it elsewhere
	Broken  int64  `json:"broken,omitempty"`  // the first entry that does not fit
	Problem string `json:"problem,omitempty"` // what is wrong with it
	Held    int    `json:"anchors"`           // how many anchors it was held to
}

func verifyAudit(ctx context.Context, r *rooms, in AuditVerify) (AuditVerified, error) {
	anchors, err := readAnchor(r.at.Data)
	if err != nil {
		return AuditVerified{}, err
	}
	for _, text := range in.Anchors {
		head, err := toll.ParseAuditHead(text)
		if err != nil {
			return AuditVerified{}, err
		}
		anchors = append(anchors, head)
	}
	head, err := r.store.VerifyAudit(ctx, anchors)
	out := AuditVerified{Whole: err == nil, Entries: head.Seq, Anchor: head.String(), Held: len(anchors)}
	var broken *toll.ChainError
	if errors.As(err, &broken) {
		out.Broken, out.Problem = broken.Seq, broken.Error()
		return out, nil
	}
	if err != nil {
		return AuditVerified{}, err
	}
	if err := writeAnchor(r.at.Data, head); err != nil {
		return AuditVerified{}, fmt.Errorf("keep the audit log's head: %w", err)
	}
	return out, nil
}

// AuditList asks for entries of the audit log, the newest first.
type AuditList struct {
	Who      string    `json:"who,omitempty"` // an e-mail address or an ID
	Action   string    `json:"action,omitempty"`
	Customer string    `json:"customer,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Until    time.Time `json:"until,omitzero"`
	Outcome  string    `json:"outcome,omitempty"`
	Before   int64     `json:"before,omitempty"`
	Limit    int       `json:"limit,omitempty"`
}

// EntryShown is an entry of the audit log as commands show it.
type EntryShown struct {
	Seq       int64           `json:"seq"`
	At        time.Time       `json:"at"`
	Kind      string          `json:"kind,omitempty"`
	Who       string          `json:"who,omitempty"`
	Role      string          `json:"role,omitempty"`
	As        string          `json:"as,omitempty"`
	Way       string          `json:"way"`
	Through   string          `json:"through,omitempty"`
	IP        string          `json:"ip,omitempty"`
	Action    string          `json:"action"`
	Customer  string          `json:"customer,omitempty"`
	Object    string          `json:"object,omitempty"`
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
	Outcome   string          `json:"outcome"`
	Hash      string          `json:"hash"`
}

// AuditListed is a page of the audit log.
type AuditListed struct {
	Entries []EntryShown `json:"entries"`
	Next    int64        `json:"next,omitempty"` // AuditList.Before of the page after; 0: this is the last
}

func listAudit(ctx context.Context, r *rooms, in AuditList) (AuditListed, error) {
	out := AuditListed{Entries: []EntryShown{}}
	if strings.Contains(in.Who, "@") {
		id, err := personNamed(ctx, r, in.Who)
		if err != nil {
			return out, err
		}
		in.Who = id
	}
	page, err := r.store.Entries(ctx, toll.EntryQuery{
		Who: in.Who, Action: in.Action, Customer: in.Customer, Since: in.Since, Until: in.Until, Outcome: toll.Outcome(in.Outcome), Before: in.Before, Limit: in.Limit,
	})
	if err != nil {
		return out, err
	}
	for i := range page.Entries {
		e := &page.Entries[i]
		out.Entries = append(out.Entries, EntryShown{
			Seq: e.Seq, At: e.At, Kind: string(e.Kind), Who: e.Who, Role: e.Role, As: e.As, Way: string(e.Way), Through: e.Through, IP: e.IP, Action: e.Action,
			Customer: e.Customer, Object: e.Object, Before: json.RawMessage(e.Before), After: json.RawMessage(e.After), RequestID: e.RequestID,
			Outcome: string(e.Outcome), Hash: fmt.Sprintf("%x", e.Hash),
		})
	}
	out.Next = page.Next
	return out, nil
}

// personNamed finds the ID of a member or operator by e-mail address.
func personNamed(ctx context.Context, r *rooms, email string) (string, error) {
	m, err := r.store.MemberByEmail(ctx, email)
	if err == nil {
		return m.ID, nil
	}
	if toll.CodeOf(err) != toll.NotFound {
		return "", err
	}
	o, err := r.store.OperatorByEmail(ctx, email)
	if toll.CodeOf(err) == toll.NotFound {
		return "", toll.FieldError("who", "nobody signs in with %s; the audit log knows people who are gone by their ID", email)
	}
	return o.ID, err
}
