package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// TestOpensADatabaseOfTheVersionBefore fills a database as it stood at migration
// 9, which was in use, opens it as a new program does, and finds everything.
func TestOpensADatabaseOfTheVersionBefore(t *testing.T) {
	t.Parallel()
	for name, engine := range emptyDatabases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			where, driver := Options{Dir: t.TempDir()}, "sqlite"
			file := filepath.Join(where.Dir, FileName)
			if name == "postgres" {
				driver, file = "pgx", pgserver.Database(t)
				where = Options{URL: toll.Secret(file)}
			}
			db := openRaw(t, driver, file)
			p, err := provider(name, engine.dialect, db)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.UpTo(ctx, 9); err != nil {
				t.Fatal(err)
			}
			if name == "sqlite" { // the file says whose it is
				if _, err := db.Exec(`pragma application_id = ` + strconv.Itoa(applicationID)); err != nil {
					t.Fatal(err)
				}
			}
			event := fillVersionNine(t, db)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			s, err := Open(ctx, where)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			checkAccountsOfVersionNine(t, s)
			checkUsageOfVersionNine(t, s, event)
		})
	}
}

var (
	day9  = time.Date(2026, 10, 12, 0, 0, 0, 0, time.UTC)
	hash9 = [32]byte{31: 9}
)

// fillVersionNine writes what the program wrote that knew nine migrations, and
// returns the ID of its one event.
func fillVersionNine(t *testing.T, db *sql.DB) toll.ULID {
	t.Helper()
	exec := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.Exec(statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	at := day9.UnixMicro()
	exec(`insert into customer (id, name, name_folded, status, plan, plan_version, addons, since, demo, created_at, version)
		values ('cus_1', 'Acme', 'acme', 'active', 'pro', 'pro@1', '["more"]', $1, $2, $1, 3)`, at, false)
	exec(`insert into api_key (id, customer_id, name, mode, hash, hint, services, created_at, replaced_by, version)
		values ('key_1', 'cus_1', 'Main', 'live', $1, 'abcd', '["api"]', $2, '', 1)`, hash9[:], at)
	exec(`insert into person (id, kind, customer_id, email, name, role, password_hash, language, created_at)
		values ('mem_1', 'member', 'cus_1', 'ann@example.com', 'Ann', 'owner', 'hashed', 'fr', $1), ('op_1', 'operator', null, 'bob@example.com', 'Bob', 'admin', 'hashed too', '', $1)`, at)
	exec(`insert into session (id, kind, person_id, created_at, seen_at, expires_at, user_agent)
		values ('ses_1', 'member', 'mem_1', $1, $1, $2, 'Browser')`, at, day9.Add(30*24*time.Hour).UnixMicro())
	exec(`insert into api_token (id, kind, person_id, name, hash, hint, scopes, created_at)
		values ('tok_1', 'operator', 'op_1', 'CI', $1, 'wxyz', '["usage:read"]', $2)`, hash9[:], at)
	exec(`insert into usage_name (id, name) values (1, 'cus_1'), (2, 'key_1'), (3, 'pro'), (4, 'pro@1'), (5, 'api'), (6, 'search'), (7, 'requests')`)
	event := toll.NewIDs(rand.Reader).New(day9.Add(time.Hour))
	exec(`insert into usage_event (id, time, request_id, customer, key, plan, plan_version, service, endpoint, method, status, class, latency, bytes_in, bytes_out, units)
		values ($1, $2, '=', 1, 2, 3, 4, 5, 6, 'GET', 200, 1, 1500, 10, 20, '')`, event[:], day9.Add(time.Hour).UnixMicro())
	for table, period := range map[string]time.Time{"rollup_quarter": day9.Add(time.Hour), "rollup_hour": day9.Add(time.Hour), "rollup_day": day9} {
		exec(`insert into `+table+` (customer, period, key, plan_version, service, endpoint, status, class, unit, amount, bytes_in, bytes_out, latency)
			values (1, $1, 2, 4, 5, 6, 2, 1, 7, 41, 10, 20, 1500)`, period.UnixMicro())
	}
	exec(`insert into journal_cursor (lane, segment, byte_offset) values ('node/0', 3, 4096)`)
	return event
}

func checkAccountsOfVersionNine(t *testing.T, s *Store) {
	t.Helper()
	ctx := context.Background()
	customer, err := s.Customer(ctx, "cus_1")
	if err != nil || customer.Name != "Acme" || customer.Subscription.PlanVersion != "pro@1" || customer.Version != 3 {
		t.Errorf("the customer is %+v, %v", customer, err)
	}
	if key, err := s.KeyByHash(ctx, hash9); err != nil || key.ID != "key_1" {
		t.Errorf("the key is %+v, %v", key, err)
	}
	if token, err := s.TokenByHash(ctx, hash9); err != nil || token.ID != "tok_1" {
		t.Errorf("the token is %+v, %v", token, err)
	}
	member, err := s.MemberByEmail(ctx, "ann@example.com")
	if want := (toll.Member{ID: "mem_1", CustomerID: "cus_1", Email: "ann@example.com", Name: "Ann", Role: toll.MemberOwner, PasswordHash: "hashed", Language: "fr", CreatedAt: day9}); err != nil || !reflect.DeepEqual(member, want) {
		t.Errorf("the member is %+v, %v; want %+v", member, err, want)
	}
	operator, err := s.Operator(ctx, "op_1")
	if want := (toll.Operator{ID: "op_1", Email: "bob@example.com", Name: "Bob", Role: toll.OperatorAdmin, PasswordHash: "hashed too", CreatedAt: day9}); err != nil || !reflect.DeepEqual(operator, want) {
		t.Errorf("the operator is %+v, %v; want %+v", operator, err, want)
	}
	// Who was signed in stays so, and counts as having proved a password alone.
	session, err := s.Session(ctx, "ses_1")
	if want := (toll.Session{ID: "ses_1", Kind: toll.KindMember, PersonID: "mem_1", CreatedAt: day9, SeenAt: day9, ExpiresAt: day9.Add(30 * 24 * time.Hour), UserAgent: "Browser", Method: "password"}); err != nil || !reflect.DeepEqual(session, want) {
		t.Errorf("the session is %+v, %v; want %+v", session, err, want)
	}
	// And it can be worked with: the change is the audit log's first entry.
	customer.Name = "Acme & Sons"
	if _, err := s.UpdateCustomer(ctx, customer, tolltest.Entry()); err != nil {
		t.Error(err)
	}
	if head, err := s.VerifyAudit(ctx, nil); err != nil || head.Seq != 1 {
		t.Errorf("the audit log ends at %+v, %v; want one entry", head, err)
	}
	if err := s.DisablePerson(ctx, toll.KindMember, "mem_1", day9, tolltest.Entry()); toll.CodeOf(err) != toll.Conflict {
		t.Errorf("disabling the last owner: %v, want Conflict", err)
	}
}

func checkUsageOfVersionNine(t *testing.T, s *Store, event toll.ULID) {
	t.Helper()
	ctx := context.Background()
	events, err := s.Events(ctx, meter.EventQuery{Customer: "cus_1", Limit: 10})
	if err != nil || len(events) != 1 || events[0].ID != event || events[0].Key != "key_1" {
		t.Errorf("the events are %+v, %v", events, err)
	}
	for _, span := range []time.Duration{2 * time.Hour, 24 * time.Hour} {
		if used, err := s.UsedBy(ctx, "cus_1", "requests", day9, day9.Add(span)); err != nil || used != 41 {
			t.Errorf("%d were used in %v, %v; want 41", used, span, err)
		}
	}
	if at, err := s.Cursor(ctx, "node/0"); err != nil || at.Segment != 3 || at.Offset != 4096 {
		t.Errorf("the lane was drained to %+v, %v", at, err)
	}
	month := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	var ranked, begins int64
	if err := s.reader.QueryRowContext(ctx, `select amount from rollup_month where customer = 1 and unit = 7 and period = $1`, month.UnixMicro()).Scan(&ranked); err != nil || ranked != 41 {
		t.Errorf("the month's sum is %d, %v; want 41", ranked, err)
	}
	if err := s.reader.QueryRowContext(ctx, `select begins_at from subscription_phase where customer_id = 'cus_1' and plan_version = 'pro@1'`).Scan(&begins); err != nil || begins != day9.UnixMicro() {
		t.Errorf("the subscription's history begins at %d, %v; want %d", begins, err, day9.UnixMicro())
	}
	if since, err := s.SumsSince(ctx); err != nil || !since.IsZero() {
		t.Errorf("sums are kept since %v, %v; want all", since, err)
	}
}
