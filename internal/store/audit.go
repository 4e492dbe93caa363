package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
)

// Audit returns the cells of the conservation statement over [from, to),
// widened to whole quarters of an hour, by customer, plan version, unit and
// class.
func (s *Store) Audit(ctx context.Context, from, to time.Time) ([]meter.AuditRow, error) {
	query, args := auditQuery(from, to)
	if query == "" {
		return nil, nil
	}
	cells, err := collect(ctx, s.reader, func(r row) (meter.AuditRow, error) {
		var a meter.AuditRow
		var class int64
		err := r.Scan(&a.Customer, &a.PlanVersion, &a.Unit, &class, &a.Count)
		a.Class = classOf(class)
		return a, err
	}, query, args...)
	slices.SortFunc(cells, func(a, b meter.AuditRow) int {
		return cmp.Or(cmp.Compare(a.Customer, b.Customer), cmp.Compare(a.PlanVersion, b.PlanVersion), cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Class, b.Class))
	})
	return cells, s.fail(err, fault{doing: "reading the audit"})
}

func auditQuery(from, to time.Time) (string, []any) {
	pieces := billingPieces(from, to)
	if len(pieces) == 0 {
		return "", nil
	}
	var c conditions
	arms := make([]string, len(pieces))
	for i, piece := range pieces {
		arms[i] = `select customer, plan_version, unit, class, amount from ` + rollupTable(piece.width, true) + ` where ` + c.and(c.within(piece))
	}
	return `select c.name, v.name, u.name, g.class, g.amount from (
			select x.customer, x.plan_version, x.unit, x.class, cast(sum(x.amount) as bigint) as amount
			from (` + strings.Join(arms, ` union all `) + `) x group by x.customer, x.plan_version, x.unit, x.class) g
		join usage_name c on c.id = g.customer join usage_name v on v.id = g.plan_version join usage_name u on u.id = g.unit where g.amount <> 0`, c.args
}

// Doubts returns the events of [from, to) that a crash left in doubt, the
// oldest first.
func (s *Store) Doubts(ctx context.Context, from, to time.Time) ([]meter.Doubt, error) {
	doubts, err := collect(ctx, s.reader, func(r row) (d meter.Doubt, err error) {
		d.Event, err = scanEventAnd(r, &d.Kind)
		return d, err
	}, doubtQuery, stamp(from), stamp(to))
	return doubts, s.fail(err, fault{doing: "reading events in doubt"})
}

// doubtQuery walks the few doubts and looks each event up.
var doubtQuery = eventsFrom(`select * from usage_doubt d cross join usage_event where id = d.event and d.`+openDoubt+` and time >= $1 and time < $2`, `, e.kind`, `e.id`)
