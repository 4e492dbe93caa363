package store

import (
	"context"
	"testing"
)

// What was in the database before there were books has a history from its
// beginning on.
func TestSubscriptionsFromBeforeTheBooksHaveAHistory(t *testing.T) {
	t.Parallel()
	for name, engine := range emptyDatabases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			db := engine.open(t)
			p, err := provider(name, engine.dialect, db)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.UpTo(ctx, 16); err != nil {
				t.Fatal(err)
			}
			for id, since := range map[string]string{"cus_a": "1000", "cus_b": "null"} {
				if _, err := db.ExecContext(ctx, `insert into customer (id, name, name_folded, status, plan, plan_version, addons, since, demo, created_at, version)
					values ('`+id+`', 'A', 'a', 'active', 'pro', 'pro@1', '["more"]', `+since+`, $1, 2000, 1)`, false); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := p.Up(ctx); err != nil {
				t.Fatal(err)
			}
			for id, want := range map[string]int64{"cus_a": 1000, "cus_b": 2000} {
				var begins int64
				var version, addons string
				err := db.QueryRowContext(ctx, `select begins_at, plan_version, addons from subscription_phase where customer_id = $1`, id).Scan(&begins, &version, &addons)
				if err != nil || begins != want || version != "pro@1" || addons != `["more"]` {
					t.Errorf("%s began at %d on %s with %s (%v), want %d", id, begins, version, addons, err, want)
				}
			}
		})
	}
}
