package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// ModelStore keeps uploaded models with their content. Errors are as in Store.
type ModelStore interface {
	Customer(ctx context.Context, id string) (toll.Customer, error)
	// CreateModel adds a model with its content, of which it reads m.Size bytes.
	// It refuses (Invalid, field file) what would be more files of the customer for the service
	// than mostFiles, or more bytes than mostTotal, and (Conflict) what is there already.
	CreateModel(ctx context.Context, m toll.Model, content io.ReaderAt, mostFiles int, mostTotal int64, e toll.Entry) error
	Model(ctx context.Context, id string) (toll.Model, error)
	// ModelsOf lists a customer's models, the newest first.
	ModelsOf(ctx context.Context, customerID string) ([]toll.Model, error)
	// ModelsIn lists at most so many in a state: those that wait oldest first, others newest first.
	ModelsIn(ctx context.Context, state toll.ModelState, most int) ([]toll.Model, error)
	// UpdateModel writes state, reason and decision of the row whose Version is
	// m.Version, and mails about it, and returns it with its Version raised by one.
	UpdateModel(ctx context.Context, m toll.Model, e toll.Entry, mails ...toll.Mail) (toll.Model, error)
	Member(ctx context.Context, id string) (toll.Member, error)
	DeleteModel(ctx context.Context, id string, e toll.Entry) error
	ReadModel(ctx context.Context, m toll.Model, w io.Writer) error
}

// Models keeps what customers upload for services: uploaded by a member,
// approved or rejected by an operator, given to its service once it is
// approved. It asks Can before it reads or writes anything. Safe for concurrent use.
type Models struct {
	store    ModelStore
	plans    Plans
	services func() []toll.Service
	uploads  *Uploads
	site     func() string
	clock    toll.Clock
	ids      *toll.IDs
}

// ModelOptions are what Models need besides their store.
type ModelOptions struct {
	Plans    Plans                 // needed
	Services func() []toll.Service // those of the configuration in force; needed
	Uploads  *Uploads              // nil: files come into the system's directory
	Site     func() string         // where the console is, with a slash at the end, for links in mail; nil: no mail is written
	Clock    toll.Clock            // nil: toll.SystemClock
	Random   io.Reader             // for identifiers; nil: crypto/rand
}

// NewModels opens the models in a store.
func NewModels(store ModelStore, o ModelOptions) (*Models, error) {
	if store == nil || o.Plans == nil || o.Services == nil {
		return nil, errors.New("open the models: a store, plans and services are needed")
	}
	m := &Models{store: store, plans: o.Plans, services: o.Services, uploads: o.Uploads, site: o.Site, clock: o.Clock}
	if m.uploads == nil {
		m.uploads = new(Uploads)
	}
	if m.clock == nil {
		m.clock = toll.SystemClock
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	m.ids = toll.NewIDs(o.Random)
	return m, nil
}

// ModelOffer is a service that takes models of a customer.
type ModelOffer struct {
	Service string
	toll.ModelUploads
	// Missing: the customer's plan has not the feature that it takes.
	Missing bool
}

// Offers lists the services of a customer's plan that take models. Action: ListModels.
func (m *Models) Offers(ctx context.Context, p Person, customerID string) ([]ModelOffer, error) {
	c, err := m.customer(ctx, p, ListModels, customerID)
	if err != nil {
		return nil, err
	}
	plan, _, _ := m.plans.Plan(c.Subscription.Plan)
	var out []ModelOffer
	for _, s := range m.services() {
		if s.Models.Taken() && slices.Contains(plan.Includes, s.Name) {
			out = append(out, ModelOffer{Service: s.Name, ModelUploads: s.Models, Missing: !has(&plan, s.Models.Feature)})
		}
	}
	return out, nil
}

func has(plan *toll.Plan, feature string) bool {
	return feature == "" || slices.Contains(plan.Features, feature)
}

// NewModel is what it takes to upload a model.
type NewModel struct {
	CustomerID string
	Service    string
	Type       toll.ModelType // "": the service's first
	Name       string         // as the browser says; CleanFileName makes it safe
	Content    io.Reader      // to its end; an error of it means that the file was cut
}

// Upload takes a model in; it waits for an operator then. Action: UploadModel.
// Invalid names the field: service, type or file (too large, not what its type
// says, too many). Conflict: this very content is there already. Forbidden: the plan has not
// the feature. After an error nothing is kept.
func (m *Models) Upload(ctx context.Context, p Person, in NewModel) (_ toll.Model, err error) {
	offers, err := m.Offers(ctx, p, in.CustomerID)
	if err != nil {
		return toll.Model{}, err
	}
	if err := Can(p, UploadModel, in.CustomerID); err != nil {
		return toll.Model{}, err
	}
	i := slices.IndexFunc(offers, func(o ModelOffer) bool { return o.Service == in.Service })
	if i < 0 {
		return toll.Model{}, toll.FieldError("service", "No service %q of your plan takes models.", shorten(in.Service))
	}
	offer := &offers[i]
	if in.Type == "" {
		in.Type = offer.Types[0]
	}
	switch {
	case offer.Missing:
		return toll.Model{}, toll.Errorf(toll.Forbidden, "Your plan does not include uploading models for %s. A larger plan does.", offer.Service)
	case !slices.Contains(offer.Types, in.Type):
		return toll.Model{}, toll.FieldError("type", "The service %s takes no models of the type %q.", offer.Service, shorten(string(in.Type)))
	}
	end, err := m.uploads.begin(in.CustomerID)
	if err != nil {
		return toll.Model{}, err
	}
	defer end()
	var check checker = new(textOnly)
	if in.Type == toll.TermList {
		check = new(termList)
	}
	up, err := m.uploads.take(ctx, in.Content, offer.MaxSize, check)
	if err != nil {
		return toll.Model{}, err
	}
	defer func() { err = errors.Join(err, up.Close()) }()
	now := stored(m.clock())
	made := toll.Model{
		ID: m.ids.NewID("mod", now), CustomerID: in.CustomerID, Service: offer.Service, Name: CleanFileName(in.Name), Type: in.Type,
		Size: up.size, SHA256: up.sha256, State: toll.ModelUploaded, UploadedBy: p.ID, CreatedAt: now, Version: 1,
	}
	if err := m.store.CreateModel(ctx, made, up, offer.MaxFiles, offer.MaxTotal, NewEntry(ctx, p, UploadModel, made.CustomerID, made.ID, now, nil, modelFacts(&made))); err != nil {
		return toll.Model{}, fmt.Errorf("keep a model of customer %s: %w", in.CustomerID, err)
	}
	return made, nil
}

// List lists a customer's models, the newest first. Action: ListModels.
func (m *Models) List(ctx context.Context, p Person, customerID string) ([]toll.Model, error) {
	if _, err := m.customer(ctx, p, ListModels, customerID); err != nil {
		return nil, err
	}
	models, err := m.store.ModelsOf(ctx, customerID)
	if err != nil {
		return nil, fmt.Errorf("list the models of customer %s: %w", customerID, err)
	}
	return models, nil
}

// mostListed is how many models In lists.
const mostListed = 200

// In lists models of all customers in a state: those that wait the oldest first,
// others the newest first, 200 at most. Action: ListAllModels.
func (m *Models) In(ctx context.Context, p Person, state toll.ModelState) ([]toll.Model, error) {
	if err := Can(p, ListAllModels, ""); err != nil {
		return nil, err
	}
	models, err := m.store.ModelsIn(ctx, state, mostListed)
	if err != nil {
		return nil, fmt.Errorf("list models: %w", err)
	}
	return models, nil
}

// Model returns one model; what is another tenant's is NotFound. Action: ListModels.
func (m *Models) Model(ctx context.Context, p Person, id string) (toll.Model, error) {
	return m.model(ctx, p, ListModels, id)
}

// Read writes a model's content to w. Action: ListModels.
func (m *Models) Read(ctx context.Context, p Person, id string, w io.Writer) error {
	one, err := m.model(ctx, p, ListModels, id)
	if err != nil {
		return err
	}
	return m.store.ReadModel(ctx, one, w)
}

// Delete removes a model for good; its service has it no more as soon as it asks
// again. Action: DeleteModel.
func (m *Models) Delete(ctx context.Context, p Person, id string) (toll.Model, error) {
	one, err := m.model(ctx, p, DeleteModel, id)
	if err != nil {
		return toll.Model{}, err
	}
	if err := m.store.DeleteModel(ctx, id, NewEntry(ctx, p, DeleteModel, one.CustomerID, id, m.clock(), modelFacts(&one), nil)); err != nil {
		return toll.Model{}, fmt.Errorf("delete model %s: %w", id, err)
	}
	return one, nil
}

// Approve gives a model to its service. An approved one stays as it is. Action: DecideModel.
func (m *Models) Approve(ctx context.Context, p Person, id string) (toll.Model, error) {
	return m.decide(ctx, p, id, toll.ModelApproved, "")
}

// longestReason is how long a reason may be, in characters.
const longestReason = 500

// Reject keeps a model from its service, also one that was approved, with a
// reason of 1 to 500 characters that the customer reads. Action: DecideModel.
func (m *Models) Reject(ctx context.Context, p Person, id, reason string) (toll.Model, error) {
	reason, err := cleanText("reason", reason, longestReason)
	if err != nil {
		return toll.Model{}, err
	}
	return m.decide(ctx, p, id, toll.ModelRejected, reason)
}

func (m *Models) decide(ctx context.Context, p Person, id string, state toll.ModelState, reason string) (toll.Model, error) {
	for try := 1; ; try++ {
		one, err := m.model(ctx, p, DecideModel, id)
		if err != nil {
			return toll.Model{}, err
		}
		if one.State == state && one.Reason == reason {
			return one, nil
		}
		was := modelFacts(&one)
		one.State, one.Reason, one.DecidedBy, one.DecidedAt = state, reason, p.ID, stored(m.clock())
		mails, err := m.mails(ctx, &one)
		if err != nil {
			return toll.Model{}, err
		}
		one, err = m.store.UpdateModel(ctx, one, NewEntry(ctx, p, DecideModel, one.CustomerID, id, one.DecidedAt, was, modelFacts(&one)), mails...)
		if err == nil {
			return one, nil
		}
		if toll.CodeOf(err) != toll.Conflict || try == changes {
			return toll.Model{}, fmt.Errorf("decide about model %s: %w", id, err)
		}
	}
}

// mails tell whoever uploaded a model what was decided, where that person is
// still a member.
func (m *Models) mails(ctx context.Context, one *toll.Model) ([]toll.Mail, error) {
	if m.site == nil {
		return nil, nil
	}
	member, err := m.store.Member(ctx, one.UploadedBy)
	if toll.CodeOf(err) == toll.NotFound || err == nil && member.CustomerID != one.CustomerID {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read who uploaded model %s: %w", one.ID, err)
	}
	return []toll.Mail{{
		ID: m.ids.NewID("mail", one.DecidedAt), To: member.Email, Language: member.Language, Kind: "model." + string(one.State), CreatedAt: one.DecidedAt,
		Values: map[string]string{"file": one.Name, "service": one.Service, "reason": one.Reason, "link": m.site() + "models"},
	}}, nil
}

// Approved lists the models of a customer that a service is to use, the oldest
// first; none where the customer's plan gives no models for it any more. It is
// the service that asks, so there is no person: the caller has checked that it is this service.
func (m *Models) Approved(ctx context.Context, service, customerID string) ([]toll.Model, error) {
	c, err := m.store.Customer(ctx, customerID)
	if toll.CodeOf(err) == toll.NotFound {
		return nil, errNoCustomer()
	} else if err != nil {
		return nil, fmt.Errorf("read customer %s: %w", customerID, err)
	}
	plan, _, _ := m.plans.Plan(c.Subscription.Plan)
	i := slices.IndexFunc(m.services(), func(s toll.Service) bool { return s.Name == service })
	if i < 0 || !slices.Contains(plan.Includes, service) || !has(&plan, m.services()[i].Models.Feature) {
		return nil, nil
	}
	all, err := m.store.ModelsOf(ctx, customerID)
	if err != nil {
		return nil, fmt.Errorf("list the models of customer %s: %w", customerID, err)
	}
	all = slices.DeleteFunc(all, func(one toll.Model) bool { return one.Service != service || one.State != toll.ModelApproved })
	slices.Reverse(all)
	return all, nil
}

// ApprovedModel returns a model for its service: NotFound for one that is
// another service's or not approved. As in Approved there is no person.
func (m *Models) ApprovedModel(ctx context.Context, service, id string) (toll.Model, error) {
	one, err := m.store.Model(ctx, id)
	switch {
	case toll.CodeOf(err) == toll.NotFound || err == nil && (one.Service != service || one.State != toll.ModelApproved):
		return toll.Model{}, errNoModel()
	case err != nil:
		return toll.Model{}, fmt.Errorf("read model %s: %w", id, err)
	}
	return one, nil
}

// ReadApproved writes the content of a model that ApprovedModel returned.
func (m *Models) ReadApproved(ctx context.Context, one toll.Model, w io.Writer) error {
	return m.store.ReadModel(ctx, one, w)
}

func (m *Models) customer(ctx context.Context, p Person, action Action, id string) (toll.Customer, error) {
	return readCustomer(ctx, m.store, p, action, id)
}

// customerReader is what knows customers.
type customerReader interface {
	Customer(ctx context.Context, id string) (toll.Customer, error)
}

// readCustomer passes the gate, then reads.
func readCustomer(ctx context.Context, store customerReader, p Person, action Action, id string) (toll.Customer, error) {
	if err := Can(p, action, id); err != nil {
		return toll.Customer{}, err
	}
	c, err := store.Customer(ctx, id)
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Customer{}, errNoCustomer()
	case err != nil:
		return toll.Customer{}, fmt.Errorf("read customer %s: %w", id, err)
	}
	return c, open(&c, action)
}

// model reads a model and passes the gate for its customer.
func (m *Models) model(ctx context.Context, p Person, action Action, id string) (toll.Model, error) {
	if p.Kind == "" {
		return toll.Model{}, Can(p, action, "")
	}
	one, err := m.store.Model(ctx, id)
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Model{}, errNoModel()
	case err != nil:
		return toll.Model{}, fmt.Errorf("read model %s: %w", id, err)
	}
	switch err := Can(p, action, one.CustomerID); {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Model{}, errNoModel()
	case err != nil:
		return toll.Model{}, err
	}
	return one, nil
}

func errNoModel() *toll.Error { return toll.Errorf(toll.NotFound, "There is no such model.") }
