package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// plans is the catalogue that every room reads: the plans that can be had now,
// with the immutable versions that price them. It is switched whole.
type plans struct{ current atomic.Pointer[catalogue] }

type catalogue struct {
	order  []string
	byName map[string]toll.PlanVersion
	addons []toll.Addon

	coupons []toll.Coupon
	taxes   []toll.TaxRate
}

// switchTo makes other plan versions current, in the order given, with the
// add-ons, coupons and taxes of a configuration; nil, for no configuration, has none of them.
func (p *plans) switchTo(versions []toll.PlanVersion, cfg *config.Config) {
	next := &catalogue{byName: make(map[string]toll.PlanVersion, len(versions))}
	if cfg != nil {
		next.addons, next.coupons, next.taxes = cfg.Addons, cfg.Coupons, cfg.Taxes
	}
	for _, v := range versions {
		next.order = append(next.order, v.Plan.Name)
		next.byName[v.Plan.Name] = v
	}
	p.current.Store(next)
}

// Plan returns a plan and the ID of its newest version.
func (p *plans) Plan(name string) (toll.Plan, string, bool) {
	v, ok := p.current.Load().byName[name]
	return v.Plan, v.ID, ok
}

// Addon returns an add-on as it is sold now.
func (p *plans) Addon(name string) (toll.Addon, bool) {
	for _, a := range p.current.Load().addons {
		if a.Name == name {
			return a, true
		}
	}
	return toll.Addon{}, false
}

// coupon returns a coupon as it is given out now.
func (p *plans) coupon(name string) (toll.Coupon, bool) {
	for _, c := range p.current.Load().coupons {
		if c.Name == name {
			return c, true
		}
	}
	return toll.Coupon{}, false
}

// taxes are the tax rates as they are now.
func (p *plans) taxes() []toll.TaxRate { return p.current.Load().taxes }

// Names lists the plans in the order of the file.
func (p *plans) Names() []string { return p.current.Load().order }

// versions lists the plans with what prices them, in the order of the file.
func (p *plans) versions() []toll.PlanVersion {
	now := p.current.Load()
	list := make([]toll.PlanVersion, len(now.order))
	for i, name := range now.order {
		list[i] = now.byName[name]
	}
	return list
}

// haveServices refuses services that no plan includes: a key for one would
// never open anything.
func (p *plans) haveServices(names []string) error {
	included := map[string]bool{}
	for _, v := range p.versions() {
		for _, name := range v.Plan.Includes {
			included[name] = true
		}
	}
	for _, name := range names {
		if !included[name] {
			return toll.FieldError("services", "No plan includes a service %q. There are: %s.", name, strings.Join(slices.Sorted(maps.Keys(included)), ", "))
		}
	}
	return nil
}

// planStore keeps every version that was ever loaded.
type planStore interface {
	SavePlanVersion(ctx context.Context, v toll.PlanVersion, e toll.Entry) error
	PlanVersions(ctx context.Context) ([]toll.PlanVersion, error)
}

// loadPlans stores the versions of a configuration's plans and returns them.
// Without a configuration the newest stored version of each plan holds: that
// is what the installation last ran with.
func loadPlans(ctx context.Context, store planStore, cfg *config.Config, now time.Time) ([]toll.PlanVersion, error) {
	if cfg == nil {
		return newestPlans(ctx, store)
	}
	versions := make([]toll.PlanVersion, 0, len(cfg.Plans))
	for _, plan := range cfg.Plans {
		v := config.PlanVersion(plan, now)
		if err := store.SavePlanVersion(ctx, v, account.NewEntry(ctx, account.System, account.KeptPlan, "", v.ID, now, nil, account.Facts{"plan": v.Plan.Name})); err != nil {
			return nil, fmt.Errorf("keeping the plan version %s: %w", v.ID, err)
		}
		versions = append(versions, v)
	}
	return versions, nil
}

func newestPlans(ctx context.Context, store planStore) ([]toll.PlanVersion, error) {
	all, err := store.PlanVersions(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the plan versions: %w", err)
	}
	var newest []toll.PlanVersion
	at := map[string]int{}
	for _, v := range all {
		i, seen := at[v.Plan.Name]
		switch {
		case !seen:
			at[v.Plan.Name] = len(newest)
			newest = append(newest, v)
		case v.LoadedAt.After(newest[i].LoadedAt):
			newest[i] = v
		}
	}
	return newest, nil
}
