package config

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// convert gives a checked file in the nouns of the house.
func (c *checker) convert() *Config {
	f := c.file
	out := &Config{
		Name:     string(f.Name),
		TimeZone: f.TimeZone.Location,
		Listen: Listen{
			HTTP:      string(f.Listen.HTTP),
			HTTPS:     string(f.Listen.HTTPS),
			Admin:     string(f.Listen.Admin),
			Authorize: string(f.Listen.Authorize),

			MaxConnections: int(f.Listen.MaxConnections),
			MaxPerAddress:  int(f.Listen.MaxPerAddress),
			HeadTimeout:    time.Duration(f.Listen.HeadTimeout),
			IdleTimeout:    time.Duration(f.Listen.IdleTimeout),
		},
		ACME: ACME{
			Off:       !bool(f.ACME.Enabled),
			Email:     string(f.ACME.Email),
			Directory: string(f.ACME.Directory),
			CAFile:    string(f.ACME.CAFile),
			Staging:   bool(f.ACME.Staging),
		},
		Data:     string(f.Data),
		Database: f.Database.Secret,
		Redis:    f.Redis.Secret,
		Secrets: Secrets{
			Session:   f.Secrets.Session.Secret,
			Before:    f.Secrets.Before.Secret,
			Authorize: f.Secrets.Authorize.Secret,
			Stripe:    f.Secrets.Stripe.Secret,
		},
		Journal: Journal{
			Sync:     Sync{Always: f.Journal.Sync.always, Every: f.Journal.Sync.every},
			WhenFull: WhenFull(f.Journal.WhenFull),
		},
		Retention: Retention{
			Events: time.Duration(f.Retention.Events), Sums: time.Duration(f.Retention.Sums),
			Latencies: time.Duration(f.Retention.Latencies), Refusals: time.Duration(f.Retention.Refusals),
		},
		AccessLog: accessLogOf(f.AccessLog),
		Console: Console{
			Host:             string(f.Console.Host),
			URL:              string(f.Console.URL),
			SignUp:           string(f.Console.SignUp),
			SelfServicePlans: f.Console.PlanChanges == "self-service",
			Languages:        texts(f.Console.Languages),
			Sessions: Sessions{
				Valid:   time.Duration(f.Console.Sessions.Valid),
				Refresh: time.Duration(f.Console.Sessions.Refresh),
				AtMost:  time.Duration(f.Console.Sessions.AtMost),
				Rotate:  time.Duration(f.Console.Sessions.Rotate),
			},
		},
		Accounts: accountsOf(&f.Accounts),
		Mail:     mailOf(f),
		Notices:  c.noticeLines(),
	}
	if out.Listen.HTTPS != "" {
		out.Listen.RedirectHTTP = bool(f.Listen.RedirectHTTP)
		out.Listen.HSTS = f.Listen.HSTS.lasts
		if !f.Listen.HSTS.said && out.Listen.RedirectHTTP {
			out.Listen.HSTS = defaultHSTS
		}
	}
	for _, e := range f.Certificates {
		out.Certificates = append(out.Certificates, Certificate{Cert: string(e.Cert), Key: string(e.Key)})
	}
	for _, p := range f.Listen.TrustedProxies {
		out.TrustedProxies = append(out.TrustedProxies, p.Prefix)
	}
	for i := range f.Services {
		e := &f.Services[i]
		s := serviceOf(*e)
		if _, ok := c.place(&e.value.Cache); ok { // it has defaults also where it is absent
			s.Cache = cacheOf(e.value.Cache)
		}
		if _, ok := c.place(&e.value.Models); ok {
			s.Models = modelsOf(e.value.Models)
		}
		s.Delegated = c.delegated(&e.value)
		out.Services = append(out.Services, s)
	}
	slices.SortFunc(out.Services, func(a, b toll.Service) int { return cmp.Compare(a.Name, b.Name) })
	for _, e := range f.Plans {
		out.Plans = append(out.Plans, planOf(e))
	}
	for _, e := range f.Addons {
		out.Addons = append(out.Addons, toll.Addon{
			Name:     e.name,
			Title:    title(e.value.Name, e.name),
			Includes: texts(e.value.Includes),
			Features: texts(e.value.Features),
			Price:    priceOf(e.value.Price),
			Included: includedOf(e.value.Included),
		})
	}
	out.Coupons, out.Taxes = couponsOf(f.Coupons), taxesOf(f.Taxes)
	return out
}

func accessLogOf(f accessLogFile) AccessLog {
	out := AccessLog{Sample: int(f.Sample)}
	switch f.To {
	case "off":
		out.Off = true
	case "stderr":
	default:
		out.File = string(f.To)
	}
	return out
}

func serviceOf(e entry[serviceFile]) toll.Service {
	s := e.value
	out := toll.Service{
		Name:        e.name,
		Host:        string(s.Host),
		StripPath:   bool(s.StripPath),
		Balance:     toll.Balance(standIn("services.*.balance", string(s.Balance))),
		SlowStart:   time.Duration(s.SlowStart),
		Access:      toll.Access(s.Access),
		MaxInFlight: int(s.MaxInFlight),
		MaxBody:     int64(s.MaxBody),
		MaxURL:      int(s.MaxURL),
		Units:       texts(s.Units),
		Endpoints:   texts(s.Endpoints),
		Timeouts: toll.Timeouts{
			Connect:  time.Duration(s.Timeouts.Connect),
			Response: time.Duration(s.Timeouts.Response),
			Idle:     time.Duration(s.Timeouts.Idle),
			Body:     time.Duration(s.Timeouts.Body),
			Stream:   time.Duration(s.Timeouts.Stream),
		},
	}
	out.Upstreams, out.Weights = upstreamsOf(s.Upstreams)
	if s.Files.Root != "" {
		out.Files = toll.Files{
			Root: string(s.Files.Root), Index: string(s.Files.Index), Fallback: string(s.Files.Fallback), NotFound: string(s.Files.NotFound),
			MaxAge: time.Duration(s.Files.MaxAge), Immutable: texts(s.Files.Immutable),
		}
	}
	out.Retry = retryOf(s.Retry)
	out.Breaker = toll.Breaker{
		Failures: int(s.Breaker.Failures),
		Ratio:    int(s.Breaker.Ratio),
		Window:   time.Duration(s.Breaker.Window),
		Open:     time.Duration(s.Breaker.Open),
		Longest:  time.Duration(s.Breaker.Longest),
	}
	if s.Path != "/" { // every path: the same as none
		out.Path = string(s.Path)
	}
	if s.Health.Path != "" {
		out.Health = toll.Health{
			Path:      string(s.Health.Path),
			Every:     time.Duration(s.Health.Every),
			Timeout:   time.Duration(s.Health.Timeout),
			Healthy:   int(s.Health.Healthy),
			Unhealthy: int(s.Health.Unhealthy),
		}
	}
	for _, coding := range s.Compress {
		out.Compress = append(out.Compress, toll.Coding(coding))
	}
	protectionOf(&out, &s)
	if out.Access == toll.AccessForwardAuth {
		out.ForwardAuth = toll.ForwardAuth{
			URL:     string(s.ForwardAuth.URL),
			Timeout: time.Duration(s.ForwardAuth.Timeout),
			Headers: texts(s.ForwardAuth.Headers),
			MaxBody: int64(s.ForwardAuth.MaxBody),
		}
	}
	otherwise := toll.PerCustomer
	if out.Access != toll.AccessKey { // nobody is known by name
		otherwise = toll.PerIP
	}
	for _, q := range s.Quotas {
		p := quotaOf(q.quotaFile, toll.Monthly, otherwise)
		p.Service, p.Endpoint = e.name, string(q.Endpoint)
		out.Policies = append(out.Policies, p)
	}
	for _, f := range s.Costs {
		if out.Costs == nil {
			out.Costs = make(map[string]toll.Cost, len(s.Costs))
		}
		out.Costs[string(f.Endpoint)] = toll.Cost{Rate: int64(f.Cost), Uses: f.Uses.list, Reserve: f.Reserve.list}
	}
	for _, class := range s.Bill {
		out.Bill[class[0]-'0'] = true
	}
	for _, l := range s.Limits {
		p := policyOf(l.limitFile, otherwise)
		p.Service, p.Endpoint = e.name, string(l.Endpoint)
		out.Policies = append(out.Policies, p)
	}
	return out
}

func cacheOf(f cacheFile) toll.Cache {
	out := toll.Cache{
		MaxSize:    int64(f.MaxSize),
		MaxObject:  int64(f.MaxObject),
		DefaultTTL: time.Duration(f.DefaultTTL),
		Counts:     bool(f.Counts),
	}
	for _, h := range f.PurgeHooks {
		hook := toll.PurgeHook{On: texts(h.On), Method: string(h.Method), URL: string(h.URL), Body: string(h.Body)}
		for _, one := range h.Headers {
			hook.Headers = append(hook.Headers, toll.HookHeader{Name: string(one.Name), Value: one.Value.Secret})
		}
		out.Hooks = append(out.Hooks, hook)
	}
	return out
}

func modelsOf(f modelsFile) toll.ModelUploads {
	out := toll.ModelUploads{MaxSize: int64(f.MaxSize), MaxFiles: int(f.MaxFiles), MaxTotal: int64(f.MaxTotal), Feature: string(f.Feature), Secret: f.Secret.Secret}
	for _, t := range f.Types {
		out.Types = append(out.Types, toll.ModelType(t))
	}
	return out
}

// upstreamsOf gives the upstreams, and their weights unless all are the same.
func upstreamsOf(list []upstreamFile) (urls []string, weights []int) {
	same := true
	for _, u := range list {
		urls = append(urls, string(u.URL))
		weights = append(weights, int(u.Weight))
		same = same && u.Weight == list[0].Weight
	}
	if same {
		return urls, nil
	}
	return urls, weights
}

func retryOf(r retryFile) toll.Retry {
	out := toll.Retry{Tries: int(r.Tries), Budget: int(r.Budget)}
	for _, on := range r.On {
		switch on {
		case "connect":
			out.Connect = true
		case "lost":
			out.Lost = true
		default:
			status, _ := strconv.Atoi(string(on)) // one of oneof's
			out.Statuses = append(out.Statuses, status)
		}
	}
	return out
}

// protectionOf adds what a service is protected by.
func protectionOf(out *toll.Service, s *serviceFile) {
	for _, p := range s.Allow {
		out.Allow = append(out.Allow, p.Prefix)
	}
	for _, p := range s.Deny {
		out.Deny = append(out.Deny, p.Prefix)
	}
	if len(s.CORS.Origins) > 0 {
		out.CORS = toll.CORS{
			Origins:     texts(s.CORS.Origins),
			Methods:     texts(s.CORS.Methods),
			Headers:     texts(s.CORS.Headers),
			Expose:      texts(s.CORS.Expose),
			Credentials: bool(s.CORS.Credentials),
			MaxAge:      time.Duration(s.CORS.MaxAge),
		}
	}
	out.SecurityHeaders, out.XRateLimit = bool(s.SecurityHeaders), bool(s.XRateLimitHeaders)
}

func planOf(e entry[planFile]) toll.Plan {
	p := e.value
	out := toll.Plan{
		Name:     e.name,
		Title:    title(p.Name, e.name),
		Includes: texts(p.Includes),
		Features: texts(p.Features),
		Price:    priceOf(p.Price),
	}
	for _, l := range p.Limits {
		policy := policyOf(l.limitFile, toll.PerCustomer)
		policy.Service = string(l.Service)
		if l.Endpoint.service != "" {
			policy.Service, policy.Endpoint = l.Endpoint.service, l.Endpoint.endpoint
		}
		out.Policies = append(out.Policies, policy)
	}
	out.Trial, out.Minimum, out.SpendCap = int64(p.Trial), toll.Decimal(p.Minimum), toll.Decimal(p.SpendCap)
	if p.Months == "subscription" {
		out.Months = toll.SubscriptionMonth
	}
	for _, q := range p.Quotas {
		policy := quotaOf(q.quotaFile, out.MonthlyQuotas(), toll.PerCustomer)
		policy.Service = string(q.Service)
		if q.Endpoint.service != "" {
			policy.Service, policy.Endpoint = q.Endpoint.service, q.Endpoint.endpoint
		}
		out.Policies = append(out.Policies, policy)
	}
	for _, u := range p.Usage {
		price := toll.UnitPrice{Unit: string(u.Unit), Included: int64(u.Included), Each: toll.Decimal(u.Each), Package: int64(u.Package)}
		if u.Tiering == "volume" {
			price.Tiering = toll.Volume
		}
		for _, t := range u.Tiers {
			price.Tiers = append(price.Tiers, toll.Tier{UpTo: int64(t.UpTo), Each: toll.Decimal(t.Each)})
		}
		out.Usage = append(out.Usage, price)
	}
	return out
}

// quotaOf gives a quota as a policy, without its service and endpoint.
func quotaOf(q quotaFile, monthly toll.Every, otherwise toll.Partition) toll.Policy {
	p := toll.Policy{
		Name: string(q.Name), Kind: toll.Quota, Count: int64(q.Limit), Unit: string(q.Unit), Every: toll.Every(q.Every),
		Shadow: bool(q.Shadow), WhenSharedAway: awayOf(q.Away), Partition: partitionOf(q.Per, otherwise),
	}
	if p.Every == toll.Monthly && p.Partition != toll.PerIP { // an address has no subscription
		p.Every = monthly
	}
	return p
}

// policyOf gives a limit as a policy, without its service and endpoint.
func policyOf(l limitFile, otherwise toll.Partition) toll.Policy {
	p := toll.Policy{Name: string(l.Name), Partition: partitionOf(l.Per, otherwise), Shadow: bool(l.Shadow), WhenSharedAway: awayOf(l.Away)}
	if l.Concurrency > 0 {
		p.Kind, p.Count = toll.ConcurrencyLimit, int64(l.Concurrency)
		return p
	}
	p.Kind, p.Count, p.Window, p.Burst = toll.RateLimit, l.Rate.count, l.Rate.window, int64(l.Burst)
	return p
}

// partitionOf gives whom a limit or quota counts apart.
func partitionOf(per choice, otherwise toll.Partition) toll.Partition {
	switch per {
	case "customer":
		return toll.PerCustomer
	case "key":
		return toll.PerKey
	case "ip":
		return toll.PerIP
	}
	return otherwise
}

// awayOf gives what a limit does while the shared counters are away; what most
// do has no word, so that a plan that says it is the plan that does not.
func awayOf(c choice) toll.WhenSharedAway {
	if when := toll.WhenSharedAway(c); when != toll.AwayShare {
		return when
	}
	return ""
}

// title is what people read for a plan or add-on.
func title(name text, otherwise string) string {
	if name != "" {
		return string(name)
	}
	return otherwise
}

// texts gives a list of any of our texts as strings; nil for none.
func texts[T ~string](list []T) []string {
	var out []string
	for _, t := range list {
		out = append(out, string(t))
	}
	return out
}
