package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// planDocument is a plan as its row keeps it for ever. It names its fields
// itself, so that renaming one in toll does not lose what old rows hold.
type planDocument struct {
	Name     string           `json:"name"`
	Title    string           `json:"title,omitempty"`
	Includes []string         `json:"includes,omitempty"`
	Features []string         `json:"features,omitempty"`
	Price    priceDocument    `json:"price"`
	Months   toll.Every       `json:"months,omitempty"`
	Policies []policyDocument `json:"policies,omitempty"`
	Usage    []usageDocument  `json:"usage,omitempty"`
	Trial    int64            `json:"trial_days,omitempty"`
	Minimum  toll.Decimal     `json:"minimum,omitempty"`
	SpendCap toll.Decimal     `json:"spend_cap,omitempty"`
}

type priceDocument struct {
	Amount   toll.Decimal `json:"amount,omitempty"`
	Currency string       `json:"currency,omitempty"`
	Every    string       `json:"every,omitempty"`
}

type policyDocument struct {
	Name      string          `json:"name"`
	Kind      toll.PolicyKind `json:"kind"`          // 1 rate limit, 2 quota, 3 concurrency limit
	Partition toll.Partition  `json:"per,omitempty"` // 0 customer, 1 key, 2 IP
	Service   string          `json:"service,omitempty"`
	Endpoint  string          `json:"endpoint,omitempty"`
	Shadow    bool            `json:"shadow,omitempty"`

	WhenSharedAway toll.WhenSharedAway `json:"when_shared_away,omitempty"`

	Count  int64         `json:"count,omitempty"`
	Window time.Duration `json:"window_ns,omitempty"`
	Burst  int64         `json:"burst,omitempty"`
	Unit   string        `json:"unit,omitempty"`
	Every  toll.Every    `json:"every,omitempty"`
}

type usageDocument struct {
	Unit     string         `json:"unit"`
	Included int64          `json:"included,omitempty"`
	Each     toll.Decimal   `json:"each,omitempty"`
	Package  int64          `json:"package,omitempty"`
	Tiers    []tierDocument `json:"tiers,omitempty"`
	Tiering  toll.Tiering   `json:"tiering,omitempty"`
}

type tierDocument struct {
	UpTo int64        `json:"up_to,omitempty"`
	Each toll.Decimal `json:"each"`
}

func documentOf(p *toll.Plan) planDocument {
	d := planDocument{Name: p.Name, Title: p.Title, Includes: p.Includes, Features: p.Features, Price: priceDocument(p.Price), Months: p.Months,
		Trial: p.Trial, Minimum: p.Minimum, SpendCap: p.SpendCap}
	for _, policy := range p.Policies {
		d.Policies = append(d.Policies, policyDocument(policy))
	}
	for _, u := range p.Usage {
		e := usageDocument{Unit: u.Unit, Included: u.Included, Each: u.Each, Package: u.Package, Tiering: u.Tiering}
		for _, tier := range u.Tiers {
			e.Tiers = append(e.Tiers, tierDocument(tier))
		}
		d.Usage = append(d.Usage, e)
	}
	return d
}

func (d *planDocument) plan() toll.Plan {
	p := toll.Plan{Name: d.Name, Title: d.Title, Includes: d.Includes, Features: d.Features, Price: toll.Price(d.Price), Months: d.Months,
		Trial: d.Trial, Minimum: d.Minimum, SpendCap: d.SpendCap}
	for _, policy := range d.Policies {
		p.Policies = append(p.Policies, toll.Policy(policy))
	}
	for _, u := range d.Usage {
		e := toll.UnitPrice{Unit: u.Unit, Included: u.Included, Each: u.Each, Package: u.Package, Tiering: u.Tiering}
		for _, tier := range u.Tiers {
			e.Tiers = append(e.Tiers, toll.Tier(tier))
		}
		p.Usage = append(p.Usage, e)
	}
	return p
}

func scanPlanVersion(r row) (toll.PlanVersion, error) {
	var v toll.PlanVersion
	var text string
	if err := r.Scan(&v.ID, &text, (*stamp)(&v.LoadedAt)); err != nil {
		return v, err
	}
	var d planDocument
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return v, err
	}
	v.Plan = d.plan()
	return v, nil
}

func planFault(doing string) fault {
	return fault{doing: doing, missing: "This plan version does not exist."}
}

// SavePlanVersion keeps a plan version for ever. One that is kept already is
// not changed, and gets no entry: its ID stands for its content, and LoadedAt is
// the first time.
func (s *Store) SavePlanVersion(ctx context.Context, v toll.PlanVersion, e toll.Entry) error {
	if err := refuseUnstorable(field{"id", v.ID}, field{"plan", v.Plan.Name}); err != nil {
		return err
	}
	document, err := json.Marshal(documentOf(&v.Plan))
	if err != nil {
		return err
	}
	return s.record(ctx, planFault("saving a plan version"), &e, func(tx transaction) error {
		err := change(ctx, tx, `insert into plan_version (id, plan, document, loaded_at) values ($1, $2, $3, $4)
			on conflict (id) do nothing`, v.ID, v.Plan.Name, string(document), stamp(v.LoadedAt))
		if errors.Is(err, sql.ErrNoRows) {
			return errNothing
		}
		return err
	})
}

// PlanVersion returns a plan version. NotFound: there is none with this ID.
func (s *Store) PlanVersion(ctx context.Context, id string) (toll.PlanVersion, error) {
	f := planFault("reading a plan version")
	if !storable(id) {
		return toll.PlanVersion{}, s.fail(sql.ErrNoRows, f)
	}
	v, err := scanPlanVersion(s.reader.QueryRowContext(ctx, `select id, document, loaded_at from plan_version where id = $1`, id))
	return v, s.fail(err, f)
}

// PlanVersions returns all plan versions, the oldest first.
func (s *Store) PlanVersions(ctx context.Context) ([]toll.PlanVersion, error) {
	versions, err := collect(ctx, s.reader, scanPlanVersion, `select id, document, loaded_at from plan_version order by loaded_at, id`)
	return versions, s.fail(err, planFault("listing plan versions"))
}
