package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// keepPhase notes what a customer's subscription is from a moment on, where that
// is not what it was before. The row of the customer must be locked, so that
// phases come in the order of time; one that would not is a microsecond later
// than the last.
func keepPhase(ctx context.Context, tx transaction, c *toll.Customer, begins time.Time) error {
	var last stamp
	var version string
	var addons list
	err := tx.QueryRowContext(ctx, `select begins_at, plan_version, addons from subscription_phase
		where customer_id = $1 order by begins_at desc limit 1`, c.ID).Scan(&last, &version, &addons)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	case version == c.Subscription.PlanVersion && slices.Equal(addons, c.Subscription.Addons):
		return nil
	case !begins.After(time.Time(last)):
		begins = time.Time(last).Add(time.Microsecond)
	}
	_, err = tx.ExecContext(ctx, `insert into subscription_phase (customer_id, begins_at, plan_version, addons) values ($1, $2, $3, $4)`,
		c.ID, stamp(begins), c.Subscription.PlanVersion, list(c.Subscription.Addons))
	return err
}

// phasesOf reads the history of a customer's subscription; of add-ons it has the
// names alone.
func phasesOf(ctx context.Context, tx *sql.Tx, customer string, plans *versionReader) ([]billing.Phase, error) {
	type kept struct {
		begins  time.Time
		version string
		addons  []string
	}
	rows, err := collect(ctx, tx, func(r row) (kept, error) {
		var k kept
		err := r.Scan((*stamp)(&k.begins), &k.version, (*list)(&k.addons))
		return k, err
	}, `select begins_at, plan_version, addons from subscription_phase where customer_id = $1 order by begins_at`, customer)
	if err != nil {
		return nil, err
	}
	out := make([]billing.Phase, 0, len(rows))
	for _, k := range rows {
		plan, err := plans.plan(ctx, k.version)
		if err != nil {
			return nil, err
		}
		p := billing.Phase{From: k.begins, Version: k.version, Plan: plan}
		for _, name := range k.addons {
			p.Addons = append(p.Addons, toll.Addon{Name: name})
		}
		out = append(out, p)
	}
	return out, nil
}

// versionReader reads plan versions once each.
type versionReader struct {
	tx   *sql.Tx
	have map[string]toll.Plan
}

// plan returns the plan of a version; NotFound.
func (v *versionReader) plan(ctx context.Context, id string) (toll.Plan, error) {
	if p, ok := v.have[id]; ok {
		return p, nil
	}
	version, err := scanPlanVersion(v.tx.QueryRowContext(ctx, `select id, document, loaded_at from plan_version where id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return toll.Plan{}, toll.Errorf(toll.NotFound, "There is no plan version %s.", id)
	}
	if err != nil {
		return toll.Plan{}, err
	}
	if v.have == nil {
		v.have = map[string]toll.Plan{}
	}
	v.have[id] = version.Plan
	return version.Plan, nil
}
