package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// verify adds all single events up once more, in SQL, and compares the sums of
// every rollup per unit and class.
func verify(ctx context.Context, s *server) (string, error) {
	var raw bytes.Buffer
	err := connected(ctx, s, func(c *pgx.Conn) error {
		query := `select u.name, class, sum(amount)::bigint from (
			select 'requests' as name, class, 1::bigint as amount from usage_event
			union all select j.key, class, j.value::bigint from usage_event, json_each_text(units::json) j where units <> '') u group by 1, 2 order by 1, 2`
		var want string
		for _, q := range []string{query,
			`select n.name, class, sum(amount)::bigint from rollup_quarter r join usage_name n on n.id = r.unit group by 1, 2 order by 1, 2`,
			`select n.name, class, sum(amount)::bigint from rollup_hour r join usage_name n on n.id = r.unit group by 1, 2 order by 1, 2`,
			`select n.name, class, sum(amount)::bigint from rollup_day r join usage_name n on n.id = r.unit group by 1, 2 order by 1, 2`,
			`select n.name, class, sum(amount)::bigint from rollup_quarter_total r join usage_name n on n.id = r.unit group by 1, 2 order by 1, 2`,
			`select n.name, class, sum(amount)::bigint from rollup_hour_total r join usage_name n on n.id = r.unit group by 1, 2 order by 1, 2`,
			`select n.name, class, sum(amount)::bigint from rollup_day_total r join usage_name n on n.id = r.unit group by 1, 2 order by 1, 2`,
		} {
			rows, err := c.Query(ctx, q)
			if err != nil {
				return err
			}
			found := map[string]int64{}
			var unit string
			var class int16
			var amount int64
			if _, err := pgx.ForEachRow(rows, []any{&unit, &class, &amount}, func() error {
				found[fmt.Sprint(unit, " of class ", class)] = amount
				return nil
			}); err != nil {
				return err
			}
			text, err := json.Marshal(found)
			if err != nil {
				return err
			}
			if want == "" {
				want = string(text)
				raw.WriteString(want)
			} else if string(text) != want {
				return fmt.Errorf("the events say %s, %s says %s", want, q, text)
			}
		}
		return verifyMonths(ctx, c)
	})
	return raw.String(), err
}

// verifyMonths compares rollup_month with the days, customer by customer.
func verifyMonths(ctx context.Context, c *pgx.Conn) error {
	var wrong int64
	err := c.QueryRow(ctx, `select count(*) from rollup_month m full join (
			select (extract(epoch from date_trunc('month', to_timestamp(period / 1000000) at time zone 'UTC')) * 1000000)::bigint as period, unit, customer, sum(amount) as amount
			from rollup_day group by 1, 2, 3) d using (period, unit, customer) where m.amount is distinct from d.amount`).Scan(&wrong)
	if err == nil && wrong > 0 {
		return fmt.Errorf("%d customers and units have another sum in rollup_month than in rollup_day", wrong)
	}
	return err
}
