package accounttest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// refuseClosed is what keeps a customer who has left as it is; the caller holds the lock.
func (s *Store) refuseClosed(id string) error {
	if s.customers[id].Status == toll.CustomerClosed {
		return toll.Errorf(toll.Conflict, "The customer is closed.")
	}
	return nil
}

// CustomerRecord implements account.CustomerStore. It has fewer columns than a
// database's.
func (s *Store) CustomerRecord(ctx context.Context, id string) (toll.CustomerRecord, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	c, ok := s.customers[id]
	if !ok {
		return nil, missing("customer")
	}
	out := toll.CustomerRecord{
		"customer": {{"id": c.ID, "name": c.Name, "status": string(c.Status)}},
		"members":  {}, "keys": {}, "approvals": {}, "threads": {}, "messages": {}, "models": {},
	}
	for _, m := range s.members {
		if m.CustomerID == id {
			out["members"] = append(out["members"], map[string]any{"id": m.ID, "email": m.Email, "name": m.Name, "role": string(m.Role)})
		}
	}
	for _, k := range s.keys {
		if k.CustomerID == id {
			out["keys"] = append(out["keys"], map[string]any{"id": k.ID, "name": k.Name, "hint": k.Hint})
		}
	}
	for _, a := range s.approvals {
		if a.CustomerID == id {
			out["approvals"] = append(out["approvals"], map[string]any{"id": a.ID, "kind": string(a.Kind), "note": a.Note, "state": string(a.State)})
		}
	}
	for _, t := range s.threads {
		if t.CustomerID != id {
			continue
		}
		out["threads"] = append(out["threads"], map[string]any{"id": t.ID, "subject": t.Subject})
		for _, m := range s.messages[t.ID] {
			out["messages"] = append(out["messages"], map[string]any{"id": m.ID, "thread_id": t.ID, "body": m.Text})
		}
	}
	for _, m := range s.models {
		if m.CustomerID == id {
			out["models"] = append(out["models"], map[string]any{"id": m.ID, "name": m.Name})
		}
	}
	for _, rows := range out {
		slices.SortFunc(rows, func(a, b map[string]any) int { return strings.Compare(a["id"].(string), b["id"].(string)) })
	}
	return out, nil
}

// CloseCustomer implements account.CustomerStore.
func (s *Store) CloseCustomer(ctx context.Context, id, name string, at time.Time, e toll.Entry) (toll.Customer, []toll.Key, error) {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return toll.Customer{}, nil, err
	}
	defer leave()
	c, ok := s.customers[id]
	if !ok {
		return toll.Customer{}, nil, missing("customer")
	}
	if err := s.refuseClosed(id); err != nil {
		return toll.Customer{}, nil, err
	}
	c.Name, c.Status, c.ClosedAt = name, toll.CustomerClosed, micro(at)
	c.Version++
	s.customers[id] = c
	emails, people := map[string]bool{}, map[string]bool{}
	for _, m := range s.members {
		if m.CustomerID == id {
			emails[m.Email], people[m.ID] = true, true
		}
	}
	maps.DeleteFunc(s.tickets, func(_ string, t toll.Ticket) bool {
		if t.CustomerID == id {
			emails[t.Email] = true
		}
		return t.CustomerID == id || people[t.PersonID] || emails[t.Email]
	})
	s.mails = slices.DeleteFunc(s.mails, func(m toll.Mail) bool { return emails[m.To] })
	maps.DeleteFunc(s.members, func(_ string, m toll.Member) bool { return people[m.ID] })
	maps.DeleteFunc(s.sessions, func(_ string, one toll.Session) bool { return people[one.PersonID] })
	maps.DeleteFunc(s.tokens, func(_ string, one toll.APIToken) bool { return people[one.PersonID] })
	maps.DeleteFunc(s.signIns.passkeys, func(_ string, one toll.Passkey) bool { return people[one.PersonID] })
	maps.DeleteFunc(s.signIns.totps, func(person string, _ toll.TOTP) bool { return people[person] })
	maps.DeleteFunc(s.signIns.codes, func(person string, _ map[[32]byte]bool) bool { return people[person] })
	maps.DeleteFunc(s.signIns.identities, func(_ [2]string, one toll.Identity) bool { return people[one.PersonID] })
	for _, t := range s.threads {
		if t.CustomerID == id {
			for _, m := range s.messages[t.ID] {
				for _, a := range m.Attachments {
					delete(s.attachments, a.ID)
					delete(s.contents, a.ID)
				}
			}
			delete(s.messages, t.ID)
			delete(s.threads, t.ID)
		}
	}
	for _, m := range s.models {
		if m.CustomerID == id {
			delete(s.models, m.ID)
			delete(s.contents, m.ID)
		}
	}
	for i := range s.approvals {
		a := &s.approvals[i]
		if a.CustomerID != id {
			continue
		}
		a.Note, a.Reason = "", ""
		if a.State == toll.ApprovalPending {
			a.State, a.DecidedBy, a.DecidedAt = toll.ApprovalWithdrawn, e.Who, micro(at)
			a.Version++
		}
	}
	var keys []toll.Key
	for _, k := range s.keys {
		if k.CustomerID != id {
			continue
		}
		k.Name, k.Origins = "", nil
		if k.RevokedAt.IsZero() {
			k.RevokedAt = micro(at)
		}
		k.Version++
		s.keys[k.ID] = k
		keys = append(keys, copyKey(k))
	}
	s.record(e)
	return copyCustomer(c), keys, nil
}
