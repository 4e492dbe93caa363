package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Limits of a page of customers.
const (
	defaultPage = 50
	largestPage = 500
)

// place is a position in a list of customers: after the row with this sort key
// and ID. A page is asked for by place and not by number, so rows that come and
// go before it move nothing.
type place struct {
	Sort       toll.CustomerSort `json:"s"`
	Descending bool              `json:"d,omitempty"`
	Name       string            `json:"n,omitempty"`
	Micros     int64             `json:"t,omitempty"`
	ID         string            `json:"i"`
}

func (p place) String() string {
	b, _ := json.Marshal(p) // strings and numbers cannot fail
	return base64.RawURLEncoding.EncodeToString(b)
}

func parsePlace(cursor string) (place, error) {
	var p place
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err == nil && !(storable(p.Name) && storable(p.ID)) {
		err = toll.FieldError("cursor", "unstorable")
	}
	return p, err
}

// Customers returns a page of customers. The search looks for a part of the
// name or of the ID, without regard to case; no character in it is special.
// Invalid: an unknown Sort, a Cursor that is not one or is of another order, a
// Limit outside of 0 to 500, a Search that is too long.
func (s *Store) Customers(ctx context.Context, q toll.CustomerQuery) (toll.CustomerPage, error) {
	var page toll.CustomerPage
	if q.Sort == "" {
		q.Sort = toll.CustomersByName
	}
	if q.Limit == 0 {
		q.Limit = defaultPage
	}
	switch {
	case q.Sort != toll.CustomersByName && q.Sort != toll.CustomersByCreated:
		return page, toll.FieldError("sort", "Customers are sorted by name or by created.")
	case q.Limit < 0 || q.Limit > largestPage:
		return page, toll.FieldError("limit", "A page holds 1 to %d customers.", largestPage)
	case utf8.RuneCountInString(q.Search) > 200:
		return page, toll.FieldError("search", "A search takes at most 200 characters.")
	}
	if err := refuseUnstorable(field{"search", q.Search}, field{"plan", q.Plan}, field{"status", string(q.Status)}); err != nil {
		return page, err
	}

	var where []string
	var args []any
	arg := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	if q.Search != "" {
		pattern := arg("%" + escapeLike(fold(q.Search)) + "%")
		where = append(where, `(name_folded like `+pattern+` escape '\' or lower(id) like `+pattern+` escape '\')`)
	}
	switch q.Status {
	case "":
	case toll.CustomerClosed:
		where = append(where, `closed_at is not null`)
	case toll.CustomerSuspended:
		where = append(where, `closed_at is null`)
		fallthrough
	default:
		where = append(where, `status = `+arg(string(q.Status)))
	}
	if q.Plan != "" {
		where = append(where, `plan = `+arg(q.Plan))
	}
	key := "name_folded"
	if q.Sort == toll.CustomersByCreated {
		key = "created_at"
	}
	direction, beyond := "", ">"
	if q.Descending {
		direction, beyond = " desc", "<"
	}
	if q.Cursor != "" {
		p, err := parsePlace(q.Cursor)
		if err != nil || p.Sort != q.Sort || p.Descending != q.Descending {
			return page, toll.FieldError("cursor", "This is no place in the list; begin again with the first page.")
		}
		var at any = p.Name
		if q.Sort == toll.CustomersByCreated {
			at = p.Micros
		}
		where = append(where, `(`+key+`, id) `+beyond+` (`+arg(at)+`, `+arg(p.ID)+`)`)
	}
	query := `select ` + customerColumns + ` from customer`
	if len(where) > 0 {
		query += ` where ` + strings.Join(where, ` and `)
	}
	query += ` order by ` + key + direction + `, id` + direction + ` limit ` + arg(q.Limit+1)

	found, err := collect(ctx, s.reader, scanCustomer, query, args...)
	if err != nil {
		return page, s.fail(err, customerFault("listing customers"))
	}
	page.Customers = found
	if len(found) > q.Limit { // the one too many only tells that there is more
		page.Customers = found[:q.Limit]
		last := found[q.Limit-1]
		p := place{Sort: q.Sort, Descending: q.Descending, ID: last.ID}
		if q.Sort == toll.CustomersByCreated {
			p.Micros = last.CreatedAt.UnixMicro()
		} else {
			p.Name = fold(last.Name)
		}
		page.Next = p.String()
	}
	return page, nil
}

// escapeLike makes every character of a text stand for itself in a pattern of
// LIKE with escape '\'.
func escapeLike(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}
