package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// recordPart is one kind of row that is kept of a customer. A column is named
// with how it reads: ":t" a moment, ":d" a JSON document, ":b" a yes or no.
type recordPart struct{ name, columns, from string }

const (
	ofPeople  = ` where person_id in (select id from person where customer_id = $1)`
	ofThreads = ` where thread_id in (select id from support_thread where customer_id = $1)`
	ofInvoice = ` where invoice_id in (select id from invoice where customer_id = $1)`
)

var recordParts = []recordPart{
	{"customer", "id name status plan plan_version addons:d since:t demo:b created_at:t closed_at:t version overrides:d", `customer where id = $1`},
	{"subscription", "begins_at:t plan_version addons:d", `subscription_phase where customer_id = $1 order by begins_at`},
	{"members", "id email name role language time_zone created_at:t disabled_at:t", `person where customer_id = $1 order by created_at, id`},
	{"sessions", "id person_id created_at:t seen_at:t expires_at:t revoked_at:t user_agent network method strong:b", `session` + ofPeople + ` order by created_at, id`},
	{"tokens", "id person_id name hint scopes:d created_at:t expires_at:t revoked_at:t last_used_at:t", `api_token` + ofPeople + ` order by created_at, id`},
	{"passkeys", "id person_id name created_at:t last_used_at:t", `passkey` + ofPeople + ` order by created_at, id`},
	{"authenticator_apps", "person_id created_at:t", `totp` + ofPeople + ` order by created_at, person_id`},
	{"identities", "issuer subject person_id email created_at:t", `identity` + ofPeople + ` order by created_at, issuer, subject`},
	{"tickets", "id kind email person_id role language invited_by created_at:t expires_at:t", `ticket where customer_id = $1 or email in (select email from person where customer_id = $1) order by created_at, id`},
	{"mails", "id recipient language kind created_at:t status done_at:t", // not their contents: links in them open doors
		`mail where recipient in (select email from person where customer_id = $1 union select email from ticket where customer_id = $1) order by created_at, id`},
	{"keys", "id name mode hint services:d methods:d origins:d limits:d created_at:t expires_at:t revoked_at:t last_used_at:t replaced_by", `api_key where customer_id = $1 order by created_at, id`},
	{"imported", "kind external id", `imported where kind = 'customer' and id = $1 or kind = 'key' and id in (select id from api_key where customer_id = $1) order by kind, external`},
	{"approvals", "id kind subject asked_by asked_at:t payload:d note state decided_by decided_at:t reason", `approval where customer_id = $1 order by id`},
	{"threads", "id subject state opened_by created_at:t updated_at:t", `support_thread where customer_id = $1 order by created_at, id`},
	{"messages", "id thread_id author author_id author_name body created_at:t", `support_message` + ofThreads + ` order by created_at, id`},
	{"attachments", "id thread_id message_id name media_type size", `support_attachment` + ofThreads + ` order by message_id, place`},
	{"models", "id service name type size state reason uploaded_by created_at:t decided_by decided_at:t", `model where customer_id = $1 order by created_at, id`},
	{"usage", "period:t name amount", `rollup_month join usage_name on usage_name.id = rollup_month.unit where customer in (select id from usage_name where name = $1) order by period, name`},
	{"billing", "country tax_exempt:b", `billing_account where customer_id = $1`},
	{"invoices", "id number state month_from:t month_to:t currency subtotal tax total credited due carried closed_at:t note", `invoice where customer_id = $1 order by month_from`},
	{"invoice_lines", "invoice_id position month_from:t late:b amount line:d", `invoice_line` + ofInvoice + ` order by invoice_id, position`},
	{"credits", "id currency amount remaining note invoice_id granted_at:t", `credit where customer_id = $1 order by granted_at, id`},
	{"coupons", "coupon document:d begins_at:t ended_at:t", `coupon_redemption where customer_id = $1 order by begins_at, coupon`},
}

// CustomerRecord returns all that is kept of a customer as it is at one moment:
// its own rows, those of its people, of what they wrote and uploaded, of what it
// used in each month, and of its invoices. In each month's usage, name is the
// unit. Single requests are not among them. NotFound: there is no such customer.
func (s *Store) CustomerRecord(ctx context.Context, id string) (toll.CustomerRecord, error) {
	f := customerFault("reading all that is kept of a customer")
	if !storable(id) {
		return nil, s.fail(sql.ErrNoRows, f)
	}
	out := make(toll.CustomerRecord, len(recordParts))
	err := s.read(ctx, func(tx *sql.Tx) error {
		c, err := scanCustomer(tx.QueryRowContext(ctx, `select `+customerColumns+` from customer where id = $1`, id))
		if err != nil {
			return err
		}
		for _, part := range recordParts {
			if out[part.name], err = part.read(ctx, tx, id); err != nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
		}
		out["customer"][0]["status"] = string(c.Status) // closed is kept in a column of its own
		return nil
	})
	if err != nil {
		return nil, s.fail(err, f)
	}
	return out, nil
}

func (p *recordPart) read(ctx context.Context, tx *sql.Tx, id string) ([]map[string]any, error) {
	var names, kinds []string
	for _, column := range strings.Fields(p.columns) {
		name, kind, _ := strings.Cut(column, ":")
		names, kinds = append(names, name), append(kinds, kind)
	}
	found, err := collect(ctx, tx, func(r row) (map[string]any, error) {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := r.Scan(into...); err != nil {
			return nil, err
		}
		one := make(map[string]any, len(names))
		for i, name := range names {
			one[name] = recorded(kinds[i], values[i])
		}
		return one, nil
	}, `select `+strings.Join(names, ", ")+` from `+p.from, id)
	if found == nil {
		found = []map[string]any{}
	}
	return found, err
}

// recorded is a column's value as a document shows it: nil where there is none.
func recorded(kind string, value any) any {
	if text, ok := value.([]byte); ok {
		value = string(text)
	}
	switch v := value.(type) {
	case int64:
		switch kind {
		case "t":
			return time.UnixMicro(v).UTC().Format(time.RFC3339Nano)
		case "b":
			return v != 0
		}
	case string:
		if kind == "d" && json.Valid([]byte(v)) {
			return json.RawMessage(v)
		}
	}
	return value
}
