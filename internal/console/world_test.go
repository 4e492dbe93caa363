package console

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

const password = "correct horse battery staple"

// use is so much usage in an hour, as the rollups would have it.
type use struct {
	hour                                      time.Time
	customer, service, endpoint, status, unit string
	class                                     toll.Class
	count                                     int64
}

// ledger answers the meter's questions from cells.
type ledger struct {
	meter.Questions // what the console does not ask panics
	cells           []use
	refusals        []meter.RefusalPoint
	refusedOf       string
	fail            error
}

func (l *ledger) Series(_ context.Context, q meter.Question) ([]meter.Point, error) {
	if l.fail != nil {
		return nil, l.fail
	}
	if q.Unit == "" {
		q.Unit = toll.UnitRequests
	}
	width := map[meter.Step]time.Duration{meter.Hour: time.Hour, meter.Day: 24 * time.Hour, meter.Whole: 1}[q.Step]
	type at struct {
		start time.Time
		group string
	}
	sums := map[at]int64{}
	for _, c := range l.cells {
		if c.hour.Before(q.From.Truncate(width)) || !c.hour.Before(q.To) || (q.Customer != "" && c.customer != q.Customer) ||
			(q.Service != "" && c.service != q.Service) || (q.By != meter.ByUnit && c.unit != q.Unit) ||
			(len(q.Classes) > 0 && !slices.Contains(q.Classes, c.class)) {
			continue
		}
		key := at{start: q.From}
		if q.Step != meter.Whole {
			key.start = c.hour.Truncate(width)
		}
		switch q.By {
		case meter.ByStatus:
			key.group = c.status
		case meter.ByEndpoint:
			key.group = c.service + " " + c.endpoint
		case meter.ByUnit:
			key.group = c.unit
		case meter.ByCustomer:
			key.group = c.customer
		}
		sums[key] += c.count
	}
	out := make([]meter.Point, 0, len(sums))
	for k, n := range sums {
		out = append(out, meter.Point{Start: k.start, Group: k.group, Count: n})
	}
	slices.SortFunc(out, func(a, b meter.Point) int {
		if q.Top > 0 {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Group, b.Group))
		}
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Group, b.Group))
	})
	if q.Top > 0 && len(out) > q.Top {
		out = out[:q.Top]
	}
	return out, nil
}

func (l *ledger) Refusals(_ context.Context, q meter.RefusalQuery) ([]meter.RefusalPoint, error) {
	if q.Customer != l.refusedOf {
		return nil, nil
	}
	return l.refusals, nil
}

// past generates usage of a customer over the days before now, the same each time.
func (l *ledger) past(customer string, now time.Time, days int, perHour int64) {
	seed := uint32(7)
	random := func(n int64) int64 {
		seed = seed*1664525 + 1013904223
		return int64(seed>>8) % max(1, n)
	}
	for h := now.Truncate(time.Hour).Add(-time.Duration(days) * 24 * time.Hour); !h.After(now); h = h.Add(time.Hour) {
		n := perHour * int64(3+min(h.Hour(), 23-h.Hour())) / 8
		if h.Weekday() == time.Saturday || h.Weekday() == time.Sunday {
			n /= 3
		}
		n += random(perHour/2 + 1)
		for _, part := range []struct {
			status, endpoint string
			count            int64
			class            toll.Class
		}{
			{"2xx", "POST /extractions", n, toll.Chargeable},
			{"2xx", "GET /openapi.json", n / 40, toll.Chargeable},
			{"4xx", "POST /extractions", n / 18, toll.Chargeable},
			{"5xx", "POST /extractions", random(n/30 + 1), toll.NotBillable},
		} {
			if part.count > 0 {
				c := use{hour: h, customer: customer, service: "ner", endpoint: part.endpoint, status: part.status, unit: toll.UnitRequests, class: part.class, count: part.count}
				l.cells = append(l.cells, c)
				if part.status == "2xx" && part.endpoint != "GET /openapi.json" {
					c.unit, c.count = "words", part.count*23
					l.cells = append(l.cells, c)
				}
			}
		}
	}
}

// lookup answers for single requests.
type lookup struct{ all []toll.Explanation }

func (l *lookup) Explain(_ context.Context, id, customer string) (toll.Explanation, error) {
	for _, e := range l.all {
		if e.RequestID == id && (customer == "" || e.Customer == customer) {
			return e, nil
		}
	}
	return toll.Explanation{}, toll.Errorf(toll.NotFound, "no request %s is known", id)
}

func (l *lookup) Refused(customer string, most int) (out []toll.Explanation) {
	for _, e := range l.all {
		if e.Refused && (customer == "" || e.Customer == customer) && len(out) < most {
			out = append(out, e)
		}
	}
	return out
}

// The requests that the world knows of.
const (
	refusedID  = "01KAH2V7Q3M8X2C4B5N6P7R8S0" // by a limit
	answeredID = "01KAH2V7Q3M8X2C4B5N6P7R8S1"
	failedID   = "01KAH2V7Q3M8X2C4B5N6P7R8S2" // 502 of the service
	theirsID   = "01KAH2V7Q3M8X2C4B5N6P7R8S3" // of the other customer
	nobodysID  = "01KAH2V7Q3M8X2C4B5N6P7R8S4" // with a key that nobody has
	expiredID  = "01KAH2V7Q3M8X2C4B5N6P7R8S5"
	neverID    = "01KAH2V7Q3M8X2C4B5N6P7R8S6" // needs more than the whole of a quota
	largeID    = "01KAH2V7Q3M8X2C4B5N6P7R8S7" // needs more than is left of one
)

func (w *world) lookup() *lookup {
	at := w.now.Add(-90 * time.Second)
	call := toll.Explanation{At: at, Customer: w.customer.ID, Key: w.key.ID, Plan: "pro", Service: "ner", Endpoint: "POST /extractions", Method: "POST"}
	refused, answered, failed, theirs, nobodys, expired := call, call, call, call, call, call
	refused.RequestID, refused.Refused, refused.Reason = refusedID, true, toll.RefusedLimit
	extractions := toll.Policy{Name: "extractions", Kind: toll.RateLimit, Count: 120, Window: time.Minute, Service: "ner", Endpoint: "POST /extractions"}
	shadow := toll.Policy{Name: "trial", Kind: toll.RateLimit, Count: 5, Burst: 20, Window: time.Second, Shadow: true}
	refused.Findings = []toll.Finding{
		{Policy: perMinute("minute", 300), Of: "plan pro", Said: toll.SaidPassed, Noted: true, Left: 49},
		{Policy: extractions, Of: "plan pro", Said: toll.SaidRefused, Noted: true, PassesAt: at.Add(3 * time.Minute)},
		{Policy: shadow, Of: "service ner", Said: toll.SaidWouldRefuse, Noted: true, PassesAt: at.Add(time.Second)},
		{Policy: aMonth(100_000), Of: "plan pro", Said: toll.SaidPassed, Noted: true, Left: 65_604},
	}
	answered.RequestID, answered.Status, answered.Class = answeredID, 200, toll.Chargeable
	answered.Counted = []toll.Amount{{Unit: toll.UnitRequests, Count: 1}, {Unit: "words", Count: 10}}
	answered.Findings = []toll.Finding{{Policy: perMinute("minute", 300), Of: "plan pro", Said: toll.SaidPassed}, {Policy: aMonth(100_000), Of: "plan pro", Said: toll.SaidPassed}}
	failed.RequestID, failed.Status, failed.Class = failedID, 502, toll.NotBillable
	theirs.RequestID, theirs.Refused, theirs.Reason, theirs.Customer, theirs.Key = theirsID, true, toll.RefusedNotIncluded, w.other.ID, w.otherKey.ID
	nobodys.RequestID, nobodys.Refused, nobodys.Reason, nobodys.Customer, nobodys.Key, nobodys.Plan = nobodysID, true, toll.RefusedKeyUnknown, "", "", ""
	expired.RequestID, expired.Refused, expired.Reason, expired.At = expiredID, true, toll.RefusedKeyExpired, at.Add(-time.Hour)
	never, large := call, call
	never.RequestID, never.Refused, never.Reason, never.At = neverID, true, toll.RefusedLimit, at.Add(-2*time.Hour)
	words := toll.Policy{Name: "words", Kind: toll.Quota, Unit: "words", Count: 10_000, Every: toll.SubscriptionMonth}
	never.Findings = []toll.Finding{{Policy: words, Of: "plan pro", Said: toll.SaidRefused, Noted: true, Left: 10_000, Needs: 20_000, Never: true}}
	large.RequestID, large.Refused, large.Reason, large.At = largeID, true, toll.RefusedLimit, at.Add(-3*time.Hour)
	large.Findings = []toll.Finding{{Policy: words, Of: "plan pro", Said: toll.SaidRefused, Noted: true, Left: 120, Needs: 500, PassesAt: at.Add(48 * time.Hour)}}
	return &lookup{[]toll.Explanation{refused, answered, failed, theirs, nobodys, expired, never, large}}
}

// world is a console over the real office and sessions, with memory below.
type world struct {
	t        testing.TB
	console  http.Handler
	options  Options
	store    *accounttest.Store
	office   *account.Office
	sessions *account.Sessions
	usage    *ledger
	log      *bytes.Buffer
	mu       sync.Mutex
	now      time.Time
	customer toll.Customer // of the members
	other    toll.Customer // a foreign tenant
	empty    toll.Customer // has used nothing
	key      toll.Key      // of customer
	server   *httptest.Server
	tokens   map[string]string // sessions by e-mail address, see token
	otherKey toll.Key
	people
	approval toll.Approval // pending: a higher limit for customer
	limit    string        // another limit of customer's plan
	problem  error         // of the newest configuration file
	fresh    string        // the ID of a key or passkey that was made for one form

	passwords *account.Passwords
	model     toll.Model  // of customer, waiting
	thread    toll.Thread // of customer, with a file
	file      toll.Attachment
	models    *account.Models
	support   *account.Support
}

type change func(*Options)

func newWorld(t testing.TB, changes ...change) *world {
	t.Helper()
	w := &world{t: t, store: accounttest.NewStore(), usage: &ledger{}, log: &bytes.Buffer{}, now: time.Date(2026, 11, 20, 14, 5, 33, 0, time.UTC)}
	plans := contractPlans
	passwords := accounttest.QuickPasswords(t)
	ctx := t.Context()
	var err error
	w.office, err = account.NewOffice(w.store, account.OfficeOptions{
		Plans: plans, Mint: mint, Passwords: passwords, Clock: w.clock, Random: &counter{}, SignUp: func() string { return "free" },
		PerEmail: account.Pace{Burst: 1000, Every: time.Second}, PerAddress: account.Pace{Burst: 1000, Every: time.Second},
		PersonChanged: func(id string) { w.sessions.Forget(id) },
	})
	w.ok(err)
	w.passwords = passwords
	w.sessions = w.newSessions(account.SessionOptions{ConsoleURL: "http://localhost:8080"})

	then := w.now
	w.now = then.AddDate(0, 0, -47)
	w.customer, err = w.office.CreateCustomer(ctx, account.System, account.NewCustomer{Name: "Acme Robotics", Plan: "pro"})
	w.ok(err)
	w.now = then.AddDate(0, 0, -20)
	w.other, err = w.office.CreateCustomer(ctx, account.System, account.NewCustomer{Name: "Globex", Plan: "payg"})
	w.ok(err)
	w.now = then.AddDate(0, 0, -2)
	w.empty, err = w.office.CreateCustomer(ctx, account.System, account.NewCustomer{Name: "Initech", Plan: "free"})
	w.ok(err)
	w.now = then
	for _, role := range []toll.MemberRole{toll.MemberOwner, toll.MemberAdmin, toll.MemberDeveloper, toll.MemberBilling, toll.MemberViewer} {
		_, err = w.office.CreateMember(ctx, account.System, account.NewMember{CustomerID: w.customer.ID, Email: string(role) + "@acme.example", Name: "Ada " + strings.ToUpper(string(role[:1])) + string(role[1:]), Role: role, Password: password})
		w.ok(err)
	}
	_, err = w.office.CreateMember(ctx, account.System, account.NewMember{CustomerID: w.other.ID, Email: "owner@globex.example", Name: "Hank Scorpio", Role: toll.MemberOwner, Password: password})
	w.ok(err)
	_, err = w.office.CreateMember(ctx, account.System, account.NewMember{CustomerID: w.empty.ID, Email: "owner@initech.example", Name: "Bill Lumbergh", Role: toll.MemberOwner, Password: password})
	w.ok(err)
	for _, role := range []toll.OperatorRole{toll.OperatorAdmin, toll.OperatorSupport, toll.OperatorViewer} {
		_, err = w.office.CreateOperator(ctx, account.System, account.NewOperator{Email: string(role) + "@house.example", Name: "Olga " + strings.ToUpper(string(role[:1])) + string(role[1:]), Role: role, Password: password})
		w.ok(err)
	}
	w.key = w.makeKey(w.customer.ID, "production", toll.Live, 40*24*time.Hour, 2*time.Minute)
	w.belongings()
	w.otherKey = w.makeKey(w.other.ID, "theirs", toll.Live, time.Hour, 0)

	w.openPeople()
	w.usage.past(w.customer.ID, w.now, 62, 60)
	w.usage.refusedOf = w.customer.ID
	w.usage.refusals = []meter.RefusalPoint{{Reason: toll.RefusedLimit, Policy: "minute", Count: 182}, {Reason: toll.RefusedKeyUnknown, Count: 9}}

	w.furnishFiles(plans)
	imports, err := account.NewImports(w.store, account.ImportOptions{Plans: plans, Foreign: apikey.Foreign, Clock: w.clock, Random: &counter{}})
	w.ok(err)

	asker, err := w.store.MemberByEmail(ctx, "owner@acme.example")
	w.ok(err)
	w.limit = "hour"
	w.approval, err = w.office.Ask(ctx, account.Person{Kind: toll.KindMember, ID: asker.ID, Role: "owner", CustomerID: w.customer.ID}, w.customer.ID,
		toll.ApproveLimit, account.LimitPayload("minute", 900), "A launch on Monday.")
	w.ok(err)
	w.options = Options{
		Models: w.models, Support: w.support, Imports: imports,
		Office: w.office, Sessions: w.sessions, Letters: letters(), Questions: w.usage, Plans: plans, Requests: w.lookup(),
		Bills:  billing.NewPreviews(nil, nil, versions{plans}, nil, w.clock, nil),
		Limits: w.limits, ConfigProblem: w.configProblem,
		Services: func() []toll.Service {
			return []toll.Service{{Name: "ner", Path: "/v1/ner", Access: toll.AccessKey, Units: []string{"words", "characters"}, Endpoints: []string{"POST /extractions"}}}
		},
		Samples:   []Sample{{Service: "ner", Method: "POST", Path: "/extractions", ContentType: "application/json", Body: `{"text": "John Doe is a Go Developer at Google"}`}},
		PublicURL: "http://localhost:8080",
		Version:   "test",
		Clock:     w.clock,
		Logger:    slog.New(slog.NewTextHandler(w.log, nil)),
	}
	for _, c := range changes {
		c(&w.options)
	}
	w.console, err = New(w.options)
	w.ok(err)
	return w
}

// newSessions starts sessions over the world's store.
func (w *world) newSessions(o account.SessionOptions) *account.Sessions {
	w.t.Helper()
	vault, err := account.NewVault(accounttest.Secret)
	w.ok(err)
	o.Secrets, o.Vault, o.Passwords, o.Clock = []toll.Secret{accounttest.Secret}, vault, w.passwords, w.clock
	s, err := account.NewSessions(w.store, o)
	w.ok(err)
	return s
}

// belongings are a session and a passkey of the first customer's owner.
const (
	ownersSession = "ses_owner"
	ownersPasskey = "pk_owner"
)

func (w *world) belongings() {
	w.t.Helper()
	ctx, owner := w.t.Context(), w.person("owner@acme.example")
	w.ok(w.store.CreateSession(ctx, toll.Session{
		ID: ownersSession, Kind: owner.Kind, PersonID: owner.ID, CreatedAt: w.now.Add(-26 * time.Hour), SeenAt: w.now.Add(-3 * time.Hour), ExpiresAt: w.now.AddDate(0, 0, 29),
		UserAgent: "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) Version/26.0 Mobile Safari/604.1", Network: "198.51.100.0/24", Method: "passkey", Strong: true,
	}, tolltest.Entry()))
	w.makePasskey(owner, ownersPasskey, "Phone", w.now.AddDate(0, 0, -12))
}

func (w *world) makePasskey(p account.Person, id, name string, at time.Time) {
	w.t.Helper()
	w.ok(w.store.CreatePasskey(w.t.Context(), toll.Passkey{ID: id, Kind: p.Kind, PersonID: p.ID, Name: name, Credential: []byte(id), Document: []byte("{}"), CreatedAt: at}, tolltest.Entry()))
}

// furnishFiles uploads a model and opens a conversation.
func (w *world) furnishFiles(plans account.Plans) {
	uploads := &account.Uploads{Dir: w.t.TempDir()}
	var err error
	w.models, err = account.NewModels(w.store, account.ModelOptions{Plans: plans, Uploads: uploads, Clock: w.clock, Random: &counter{}, Services: func() []toll.Service {
		return []toll.Service{{Name: "ner", Models: toll.ModelUploads{Types: []toll.ModelType{toll.TermList}, MaxSize: 100_000, MaxFiles: 5, MaxTotal: 300_000, Feature: "models"}}}
	}})
	w.ok(err)
	w.support, err = account.NewSupport(w.store, account.SupportOptions{Uploads: uploads, Clock: w.clock, Random: &counter{}})
	w.ok(err)
	members, err := w.store.MembersOf(w.t.Context(), w.customer.ID)
	w.ok(err)
	owner := account.Person{Kind: toll.KindMember, ID: members[0].ID, Role: string(toll.MemberOwner), CustomerID: w.customer.ID, Name: members[0].Name}
	w.model, err = w.models.Upload(w.t.Context(), owner, account.NewModel{CustomerID: w.customer.ID, Service: "ner", Name: "robots <b>.tsv", Content: strings.NewReader("Zorblax Industries\tORGANISATION\n")})
	w.ok(err)
	files := []string{"log.txt"}
	w.thread, err = w.support.Open(w.t.Context(), owner, w.customer.ID, "Why was I refused at 14:05?", account.NewMessage{
		Text: "Hello,\n\nthe request 01KAH2V7Q3M8X2C4B5N6P7R8S0 was refused.\nThe log is attached.",
		Files: func() (string, io.Reader, error) {
			if len(files) == 0 {
				return "", nil, io.EOF
			}
			name := files[0]
			files = nil
			return name, strings.NewReader("POST /extractions 429\n"), nil
		},
	})
	w.ok(err)
	messages, err := w.store.Messages(w.t.Context(), w.thread.ID)
	w.ok(err)
	w.file = messages[0].Attachments[0]
}

// contractPlans are the plans of the contract file.
var contractPlans = accounttest.Plans{
	{
		Name: "free", Title: "Free", Includes: []string{"ner"},
		Policies: []toll.Policy{perMinute("minute", 10), parallel(2), aMonth(1000)},
	},
	{
		Name: "pro", Title: "Pro", Includes: []string{"ner"}, Features: []string{"models"},
		Price: toll.Price{Amount: "29.00", Currency: "USD", Every: "month"},
		Policies: []toll.Policy{
			perMinute("minute", 300),
			{Name: "hour", Kind: toll.RateLimit, Count: 6000, Window: time.Hour},
			{Name: "extractions", Kind: toll.RateLimit, Count: 120, Window: time.Minute, Service: "ner", Endpoint: "POST /extractions"},
			parallel(20), aMonth(100_000),
		},
	},
	{
		Name: "payg", Title: "Pay as you go", Includes: []string{"ner"},
		Price:    toll.Price{Amount: "0", Currency: "USD", Every: "month"},
		Policies: []toll.Policy{perMinute("minute", 600)},
		Usage: []toll.UnitPrice{
			{Unit: "words", Tiers: []toll.Tier{{UpTo: 1_000_000, Each: "0.00002"}, {Each: "0.00001"}}},
			{Unit: toll.UnitRequests, Included: 1000, Each: "0.001"},
		},
	},
}

func perMinute(name string, count int64) toll.Policy {
	return toll.Policy{Name: name, Kind: toll.RateLimit, Count: count, Window: time.Minute}
}

func parallel(count int64) toll.Policy {
	return toll.Policy{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: count}
}

func aMonth(count int64) toll.Policy {
	return toll.Policy{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Every: toll.Monthly, Count: count}
}

type versions struct{ plans accounttest.Plans }

func (v versions) PlanVersion(_ context.Context, id string) (toll.PlanVersion, error) {
	name, _, _ := strings.Cut(id, "@")
	p, _, _ := v.plans.Plan(name)
	return toll.PlanVersion{ID: id, Plan: p}, nil
}

// counter is randomness that is the same in each run, for golden files.
type counter struct{ n byte }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		c.n += 37
		p[i] = c.n
	}
	return len(p), nil
}

func mint(mode toll.Mode) (toll.Secret, [32]byte, string, error) { return accounttest.Mint(mode) }

func (w *world) limits(customer string) []toll.LimitState {
	if customer == w.other.ID {
		return []toll.LimitState{{Policy: perMinute("minute", 600), Used: 17, Limit: 600, ResetAt: w.now}}
	}
	if customer == w.empty.ID {
		return []toll.LimitState{
			{Policy: toll.Policy{Name: "minute", Kind: toll.RateLimit, Count: 10, Window: time.Minute}, Limit: 10},
			{Policy: toll.Policy{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Every: toll.Monthly}, Limit: 1000, ResetAt: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)},
		}
	}
	return []toll.LimitState{
		{Policy: toll.Policy{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Every: toll.Monthly}, Used: w.usage.month(customer, w.clock()), Limit: 100_000, ResetAt: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)},
		{Policy: toll.Policy{Name: "minute", Kind: toll.RateLimit, Count: 300, Window: time.Minute}, Used: 251, Limit: 300, ResetAt: w.now},
		{Policy: toll.Policy{Name: "hour", Kind: toll.RateLimit, Count: 6000, Window: time.Hour}, Used: 1240, Limit: 6000, ResetAt: w.now},
		{Policy: toll.Policy{Name: "extractions", Kind: toll.RateLimit, Count: 120, Window: time.Minute, Service: "ner", Endpoint: "POST /extractions"}, Used: 120, Limit: 120, ResetAt: w.now},
		{Policy: toll.Policy{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: 20}, Used: 3, Limit: 20},
	}
}

func (w *world) configProblem() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.problem
}

func (w *world) setProblem(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problem = err
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// makeKey makes a key that is so old and was last used so long ago (0: never).
func (w *world) makeKey(customer, name string, mode toll.Mode, age, used time.Duration) toll.Key {
	w.t.Helper()
	_, hash, hint, err := accounttest.Mint(mode)
	w.ok(err)
	k := toll.Key{
		ID: "key_" + strings.ReplaceAll(name, " ", ""), CustomerID: customer, Name: name, Mode: mode,
		Hash: hash, Hint: hint, CreatedAt: w.clock().Add(-age), Version: 1,
	}
	if used > 0 {
		k.LastUsedAt = w.clock().Add(-used).Truncate(time.Minute)
	}
	w.ok(w.store.CreateKey(w.t.Context(), k, tolltest.Entry()))
	return k
}

// browser keeps cookies as a browser does.
type browser struct {
	w       *world
	cookies map[string]string
	header  http.Header
}

func (w *world) browser() *browser {
	return &browser{w: w, cookies: map[string]string{}, header: http.Header{"Accept-Language": {"en"}, "Sec-Fetch-Site": {"same-origin"}}}
}

// as returns a browser in which a person is signed in.
func (w *world) as(email string) *browser {
	w.t.Helper()
	b := w.browser()
	if r := b.post("/sign-in", url.Values{"email": {email}, "password": {password}}); r.Code != http.StatusSeeOther {
		w.t.Fatalf("signing in as %s is %d: %s", email, r.Code, r.Body)
	}
	return b
}

// htmx returns a browser with the same cookies in which htmx asks for a part.
func (b *browser) htmx(target string) *browser {
	h := b.header.Clone()
	h.Set("HX-Request", "true")
	h.Set("HX-Request-Type", "partial")
	h.Set("HX-Source", "a")
	h.Set("HX-Target", target)
	return &browser{w: b.w, cookies: b.cookies, header: h}
}

func (b *browser) with(name, value string) *browser {
	h := b.header.Clone()
	h.Set(name, value)
	return &browser{w: b.w, cookies: b.cookies, header: h}
}

func (b *browser) do(method, path string, form url.Values) *httptest.ResponseRecorder {
	b.w.t.Helper()
	if form == nil {
		return b.raw(method, path, "", nil)
	}
	return b.raw(method, path, "application/x-www-form-urlencoded", []byte(form.Encode()))
}

// raw sends a body of any kind, "" for none.
func (b *browser) raw(method, path, kind string, content []byte) *httptest.ResponseRecorder {
	b.w.t.Helper()
	var body io.Reader
	if kind != "" {
		body = bytes.NewReader(content)
	}
	r := httptest.NewRequest(method, path, body)
	r.Header = b.header.Clone()
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.7"), 4711).String()
	rec := httptest.NewRecorder()
	b.w.console.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return rec
}

func (b *browser) get(path string) *httptest.ResponseRecorder {
	b.w.t.Helper()
	return b.do("GET", path, nil)
}

func (b *browser) post(path string, form url.Values) *httptest.ResponseRecorder {
	b.w.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	return b.do("POST", path, form)
}

var systemPerson = account.System

func newCustomer(name, plan string) account.NewCustomer {
	return account.NewCustomer{Name: name, Plan: plan}
}

// person returns who an e-mail address belongs to, as a session would.
func (w *world) person(email string) account.Person {
	w.t.Helper()
	m, err := w.store.MemberByEmail(w.t.Context(), email)
	w.ok(err)
	return account.Person{Kind: toll.KindMember, ID: m.ID, Role: string(m.Role), CustomerID: m.CustomerID, Email: m.Email}
}

// month is what the gate's memory would hold: chargeable requests since the
// month began.
func (l *ledger) month(customer string, now time.Time) (sum int64) {
	start, _ := toll.Monthly.PeriodAt(now, time.UTC)
	for _, c := range l.cells {
		if c.customer == customer && c.unit == toll.UnitRequests && c.class == toll.Chargeable && !c.hour.Before(start) {
			sum += c.count
		}
	}
	return sum
}

// home is where everybody calls from.
func (w *world) home() netip.Addr { return netip.MustParseAddr("192.0.2.7") }
