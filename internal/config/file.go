package config

// The types of tollhouse.yml. This is the one description of the format: the
// decoder, the JSON Schema and docs/configuration.md are made from it.
//
// Tags: yaml is the field's name; doc is said to people (docs, editors);
// default is what holds when the field is absent, in the form of the file (a
// list: comma and space between); example is shown where there is no default;
// required must be there when its mapping is, or one of the fields that unless
// names (with | between) instead of it; min and max bound numbers,
// durations and sizes; oneof lists the words of a choice.

type file struct {
	Name         text               `yaml:"name" default:"Tollhouse" doc:"What pages and mails call this installation."`
	TimeZone     zone               `yaml:"time_zone" default:"UTC" doc:"Whose calendar the days and months of quotas follow."`
	Listen       listenFile         `yaml:"listen" doc:"Where Tollhouse waits for connections."`
	ACME         acmeFile           `yaml:"acme" doc:"The authority that certificates for listen.https come from."`
	Certificates []certificateFile  `yaml:"certificates" doc:"Certificates of your own for listen.https, chosen by the name that a client asks for. They come before those of the authority, and are read again when their files change."`
	Data         filePath           `yaml:"data" default:"./tollhouse-data" doc:"The directory of the journal, the SQLite database and certificates. A relative path starts at the working directory."`
	Database     databaseURL        `yaml:"database" example:"postgres://user@127.0.0.1/tollhouse" doc:"The PostgreSQL database to use. Absent: SQLite in the data directory."`
	Redis        redisURL           `yaml:"redis" example:"redis://127.0.0.1:6379" doc:"The Redis or Valkey through which several replicas share limits (limits.md): redis://, rediss:// for TLS, or unix:///PATH. Absent: each counts for itself."`
	Secrets      secretsFile        `yaml:"secrets" doc:"What nobody may read. Give them as ${NAME} or ${file:PATH}, so that the file itself can be shown to everybody."`
	Journal      journalFile        `yaml:"journal" doc:"The crash-safe log that usage events are written to first."`
	Retention    retentionFile      `yaml:"retention" doc:"How long usage is kept; see usage.md."`
	AccessLog    accessLogFile      `yaml:"access_log" doc:"The line that each request leaves; see access-log.md. Where it goes alone stands for it: off, stderr or a file."`
	Console      consoleFile        `yaml:"console" doc:"The pages for customers and operators."`
	Mail         mailFile           `yaml:"mail" doc:"How mail to people leaves: confirmations, invitations, new passwords; see accounts.md."`
	Accounts     accountsFile       `yaml:"accounts" doc:"How people sign in; see sign-in.md."`
	Services     named[serviceFile] `yaml:"services" doc:"What stands behind the gateway, by name."`
	Plans        named[planFile]    `yaml:"plans" doc:"What customers can subscribe to, by name. Pages show them in the order of the file."`
	Addons       named[addonFile]   `yaml:"addons" doc:"What a subscription can add to its plan, by name."`
	Coupons      named[couponFile]  `yaml:"coupons" doc:"What can be taken off a customer's bills, by name; see billing.md."`
	Taxes        named[taxFile]     `yaml:"taxes" doc:"Tax rates by name. A customer pays the first that names its country, or else the first that names none; one who is exempt pays none."`
}

type listenFile struct {
	HTTP           listenAddress `yaml:"http" default:"127.0.0.1:8080" doc:"Plain HTTP. Port 0 takes any free port."`
	HTTPS          listenAddress `yaml:"https" example:":443" doc:"HTTPS and HTTP/2, for the hosts of the services and of the console, with certificates that are fetched and renewed by themselves or named under certificates."`
	RedirectHTTP   toggle        `yaml:"redirect_http" default:"true" doc:"Where there is HTTPS, answer plain HTTP for its hosts with a redirect to it (308)."`
	HSTS           hstsMode      `yaml:"hsts" example:"180d" doc:"How long browsers remember to come over HTTPS only (Strict-Transport-Security): a duration, or off. Absent: 180d where plain HTTP is redirected, else off."`
	Admin          listenAddress `yaml:"admin" example:"127.0.0.1:9900" doc:"Health, metrics and profiles. Never public."`
	Authorize      listenAddress `yaml:"authorize" example:"127.0.0.1:9901" doc:"Where foreign proxies ask about the requests of delegated services (GET /authorize), and services settle them (POST /settle). Never public."`
	MaxConnections count         `yaml:"max_connections" min:"1" max:"1000000" example:"10000" doc:"How many connections clients may have, over http and https together. Beyond them the one that has waited longest for a request makes room; where every one has a request under way, new ones get 503. Absent: six tenths of the files that this process may open beyond its own, at most 20,000."`
	MaxPerAddress  count         `yaml:"max_connections_per_address" min:"1" max:"1000000" example:"500" doc:"How many of them one address may have (IPv6 by /64), trusted_proxies excepted. Absent: a quarter of max_connections, and any number for this machine itself."`
	HeadTimeout    duration      `yaml:"head_timeout" default:"10s" min:"100ms" max:"10m" doc:"How long the head of a request may take to come, and a TLS handshake."`
	IdleTimeout    duration      `yaml:"idle_timeout" default:"2m" min:"100ms" max:"1h" doc:"How long a connection is kept for its next request."`
	TrustedProxies []prefix      `yaml:"trusted_proxies" example:"10.0.0.0/8" doc:"Whose X-Forwarded-* to believe: ranges in CIDR form, or single addresses. Absent: nobody's."`
}

type acmeFile struct {
	Enabled   toggle   `yaml:"enabled" default:"true" doc:"Fetch certificates for hosts that have none under certificates. false: no authority is ever asked, and HTTPS answers only for what is there."`
	Email     email    `yaml:"email" example:"ops@example.com" doc:"Whom the certificate authority tells of problems."`
	Directory webURL   `yaml:"directory" example:"https://localhost:14000/dir" doc:"The certificate authority. Absent: Let's Encrypt."`
	CAFile    filePath `yaml:"ca_file" example:"pebble.minica.pem" doc:"The certificate that signs the authority's own, when this machine does not trust it anyway."`
	Staging   toggle   `yaml:"staging" default:"false" doc:"Use Let's Encrypt's staging authority: nobody trusts its certificates, and it does not mind being asked often."`
}

type certificateFile struct {
	Cert filePath `yaml:"cert" required:"true" example:"/etc/tollhouse/example.com.pem" doc:"The certificate and what signs it, its own first, in PEM form."`
	Key  filePath `yaml:"key" required:"true" example:"/etc/tollhouse/example.com.key" doc:"Its private key, in PEM form, not encrypted."`
}

type secretsFile struct {
	Session   secret `yaml:"session" example:"${file:/run/secrets/session}" doc:"Signs the console's cookies; 22 characters or more. Absent: made once and kept in the data directory."`
	Before    secret `yaml:"session_before" example:"${file:/run/secrets/session.old}" doc:"The secret that session had before, for as long as something that was sealed with it is needed: without it, the keys of authenticator apps cannot be read any more after session was changed."`
	Authorize secret `yaml:"authorize" example:"${AUTHORIZE_SECRET}" doc:"What foreign proxies show to listen.authorize; 22 characters or more. Absent: made once and kept in the data directory."`
	SMTP      secret `yaml:"smtp" example:"${SMTP_PASSWORD}" doc:"The password that mail.user signs in to the mail server with."`
	Stripe    secret `yaml:"stripe" example:"${STRIPE_KEY}" doc:"The secret key of Stripe's API."`
}

type journalFile struct {
	Sync     syncMode `yaml:"sync" default:"50ms" doc:"When usage events are forced to the disk: always (before each answer ends), or at most so long after. A crash of the process loses nothing either way; this is about power cuts. 1ms to 10s."`
	WhenFull choice   `yaml:"when_full" default:"refuse" oneof:"refuse|serve-unmetered" doc:"What to do when the journal can take no more, as when the disk is full: refuse requests that cannot be metered, or serve them for nothing. See journal.md."`
}

type retentionFile struct {
	Events duration `yaml:"events" default:"90d" min:"1d" max:"36500d" doc:"How long single usage events are kept, from when they came."`

	Sums      duration `yaml:"sums" min:"400d" max:"36500d" example:"1100d" doc:"How long sums of usage are kept, of which invoices and charts are made: whole months go. Absent: for ever."`
	Latencies duration `yaml:"latencies" min:"1d" max:"36500d" example:"400d" doc:"How long it is kept how long requests took. Absent: for ever."`
	Refusals  duration `yaml:"refusals" min:"1d" max:"36500d" example:"400d" doc:"How long counts of refused requests are kept. Absent: for ever."`
}

// accessLogFile is where requests leave their lines; that alone stands for it.
type accessLogFile struct {
	To     filePath `yaml:"to" default:"stderr" example:"/var/log/tollhouse/access.log" doc:"Where the lines go: stderr (among the program's own), off, or a file, which is opened anew when it was moved away (logrotate needs no signal)."`
	Sample percent  `yaml:"sample" default:"100%" min:"1%" max:"100%" doc:"How many of the requests have a line. What failed (5xx, or no answer of the service) always has one."`
}

func (accessLogFile) alone() string { return "to" }

type consoleFile struct {
	Host        hostName     `yaml:"host" example:"console.example.com" doc:"The host of the console. Absent: every host that no service takes."`
	URL         consoleURL   `yaml:"url" example:"https://console.example.com" doc:"Where people find the console: the links in mails begin with it, and passkeys and OpenID providers hold to it. With https, cookies are for HTTPS only. Absent: made of host and the listeners, which is wrong where a proxy stands in front."`
	SignUp      label        `yaml:"sign_up" example:"free" doc:"The plan that people begin with who sign up by themselves, with a confirmed e-mail address. Absent: nobody can; operators make customers."`
	PlanChanges choice       `yaml:"plan_changes" default:"approval" oneof:"approval|self-service" doc:"What becomes of a plan change that a member asks for: an operator approves or rejects it, or it holds at once."`
	Languages   []choice     `yaml:"languages" default:"en, fr, es" oneof:"en|fr|es" doc:"The languages of the pages; the first one is for browsers that ask for none of them."`
	Sessions    sessionsFile `yaml:"sessions" doc:"How long people stay signed in."`
}

type sessionsFile struct {
	Valid   duration `yaml:"valid" default:"48h" min:"1m" max:"720h" doc:"How long a session lasts without use."`
	Refresh duration `yaml:"refresh" default:"1h" min:"1m" max:"720h" doc:"How often the cookie of a session in use is made anew."`
	AtMost  duration `yaml:"at_most" default:"720h" min:"1m" max:"8760h" doc:"How long a session lasts at most, used or not."`
	Rotate  duration `yaml:"rotate" default:"720h" min:"1h" max:"8760h" doc:"How long one key signs the cookies before a new one does. The one before holds on for valid; see tollhouse session-key rotate."`
}

type accountsFile struct {
	Operators operatorsFile `yaml:"operators" doc:"The people who run this installation."`
	OIDC      []oidcFile    `yaml:"oidc" doc:"OpenID providers that people may sign in by, in the order of their buttons."`
}

type operatorsFile struct {
	SecondFactor choice `yaml:"second_factor" default:"optional" oneof:"optional|required" doc:"Whether operators must sign in with two factors: a passkey, or a password and a code. required: who has none sees only the account page until there is one."`
}

type oidcFile struct {
	Name         label             `yaml:"name" required:"true" example:"acme" doc:"Its name in addresses: the redirect address to register there is CONSOLE/sign-in/with/NAME/callback."`
	Title        text              `yaml:"title" example:"Acme SSO" doc:"What its button says. Absent: its name."`
	Issuer       webURL            `yaml:"issuer" required:"true" example:"https://id.example.com" doc:"The provider, exactly as its tokens say it. https, except on this machine."`
	ClientID     text              `yaml:"client_id" required:"true" example:"tollhouse" doc:"What Tollhouse is called there."`
	ClientSecret secret            `yaml:"client_secret" example:"${file:/run/secrets/oidc}" doc:"The secret that it was given there. Absent: a public client, which PKCE alone protects."`
	Domains      []hostName        `yaml:"domains" example:"example.com" doc:"The domains of e-mail addresses that are let in. Absent: any."`
	Strong       toggle            `yaml:"second_factor" default:"false" doc:"The provider asks for two factors itself: its sign-ins count as such, and nobody is asked for a code here."`
	Operators    oidcOperatorsFile `yaml:"operators" doc:"Whether it signs operators in. Absent: members alone."`
}

type oidcOperatorsFile struct {
	Allow toggle `yaml:"allow" default:"false" doc:"It signs operators in who have an account here."`
	Claim text   `yaml:"claim" default:"groups" doc:"The claim that lists groups."`
	Group text   `yaml:"group" example:"tollhouse-operators" doc:"Operators must be in this group, and whoever is in it and has no account becomes one. Absent: nobody becomes one, and groups are not asked for."`
	Role  choice `yaml:"role" default:"viewer" oneof:"admin|support|viewer" doc:"The role of those who become one."`
}

type serviceFile struct {
	Host        hostName           `yaml:"host" example:"api.example.com" doc:"The host whose requests it takes, exact or as *.example.com. Absent: any."`
	Path        pathPrefix         `yaml:"path" example:"/v1/ner" doc:"How the paths of its requests begin. Absent: any. The most specific service wins: host and path, then host, then path."`
	StripPath   toggle             `yaml:"strip_path" default:"false" doc:"Take path off before forwarding; the upstream learns it as X-Forwarded-Prefix. Of a delegated service: say endpoints without it, for its proxy takes it off."`
	Delegated   delegatedFile      `yaml:"delegated" doc:"A foreign proxy (Traefik, Caddy, nginx, HAProxy) forwards this service's requests and asks listen.authorize about each; see forward-auth.md. true, or fields. In the place of upstreams."`
	Upstreams   []upstreamFile     `yaml:"upstreams" required:"true" unless:"delegated|files" example:"http://127.0.0.1:9001" doc:"The addresses that serve it: scheme, host and port; h2c:// speaks HTTP/2 without TLS. Each alone, or with a weight. A service has these, or files, or is delegated."`
	Files       filesFile          `yaml:"files" doc:"A directory whose files answer its requests, in the place of upstreams; see static.md. Its path alone stands for it."`
	Balance     choice             `yaml:"balance" default:"round_robin" oneof:"round_robin|least_requests|ewma|sticky" doc:"How requests are spread over the upstreams: in turn, to the one with the fewest requests, to the one that answers soonest, or in turn with each browser kept where it was first by a cookie."`
	SlowStart   duration           `yaml:"slow_start" default:"0s" max:"1h" doc:"How long an upstream that comes back takes to its whole share of the requests. 0s: at once."`
	Access      choice             `yaml:"access" default:"key" oneof:"key|public|forward_auth" doc:"Who may enter: key (an API key whose plan includes the service), public (everybody), or forward_auth (an outside address decides)."`
	ForwardAuth forwardAuthFile    `yaml:"forward_auth" doc:"The outside address that decides about each request, with access: forward_auth; see forward-auth.md. It is asked before the service, and an answer of 2xx lets the request in. Anything else is the client's answer. When it cannot be reached, nobody gets in (503)."`
	Health      healthFile         `yaml:"health" doc:"How the upstreams are probed. Absent: not at all; breaker holds anyway. When all fail, requests are tried nevertheless."`
	Timeouts    timeoutsFile       `yaml:"timeouts" doc:"How long each part of a request may take. 0s is no limit."`
	Retry       retryFile          `yaml:"retry" doc:"Which requests are tried again on another upstream. What may have been processed is repeated only if its method is idempotent (never a POST or PATCH)."`
	Breaker     breakerFile        `yaml:"breaker" doc:"When an upstream that fails requests is left alone for a while. Failures are lost connections (in the middle of an answer too), timeouts, and answers of 502, 503 and 504. One that cannot be connected to is left alone at once."`
	MaxInFlight count              `yaml:"max_in_flight" min:"1" max:"1000000" example:"64" doc:"How many requests one upstream works on at a time. Absent: any number."`
	MaxBody     size               `yaml:"max_body" default:"10MB" min:"1B" max:"1000GB" doc:"The largest body of a request. MB is 1,000,000 bytes, MiB is 1,048,576."`
	Units       []label            `yaml:"units" example:"words" doc:"What it reports in Tollhouse-Usage beside requests, and plans can count and bill."`
	Endpoints   []endpoint         `yaml:"endpoints" example:"POST /extractions" doc:"Method and path pattern, without the prefix that strip_path takes off. {name} stands for one segment. What matches none is counted as other."`
	Limits      []serviceLimitFile `yaml:"limits" doc:"Limits of the service itself, whatever the plan."`
	Quotas      []serviceQuotaFile `yaml:"quotas" doc:"How much each customer may use of the service, whatever the plan."`
	Costs       []costFile         `yaml:"costs" doc:"What calls take of limits and quotas, where that is not one request each; see quotas.md."`
	Bill        []choice           `yaml:"bill" default:"2xx, 3xx, 4xx" oneof:"2xx|3xx|4xx|5xx" doc:"Which answers count for quotas and bill. Others are given back. An empty list bills nothing."`
	Cache       cacheFile          `yaml:"cache" doc:"Keep answers that may be kept (RFC 9111), in memory; see caching.md. Absent: none is kept. {} keeps them with the defaults below."`
	Compress    []choice           `yaml:"compress" oneof:"zstd|br|gzip" example:"zstd" doc:"Compress answers of 1 KiB or more for clients that take it, in this order of preference among what they like as much. Brotli takes several times the work of the others. Absent: not at all."`
	Models      modelsFile         `yaml:"models" doc:"What customers may upload for the service, which fetches what an operator approved from listen.admin; see models.md. Absent: nothing."`
	protectionFile
}

type modelsFile struct {
	Types    []choice `yaml:"types" default:"terms" oneof:"terms|text" doc:"What a file may be, by its content: terms (a term, a tab and its type in each line) or text (any UTF-8)."`
	MaxSize  size     `yaml:"max_size" default:"1MB" min:"1B" max:"100MB" doc:"The largest file."`
	MaxFiles count    `yaml:"max_files" default:"10" min:"1" max:"1000" doc:"How many files a customer may have for the service."`
	MaxTotal size     `yaml:"max_total" default:"10MB" min:"1B" max:"10GB" doc:"How many bytes all files of a customer for the service may have."`
	Feature  label    `yaml:"feature" example:"models" doc:"The feature that a plan must have for its customers to upload. Absent: every plan that includes the service."`
	Secret   secret   `yaml:"secret" example:"${NER_MODELS_SECRET}" doc:"What the service shows to fetch models; 22 characters or more, and of this service alone. Absent: made once and kept in the data directory, as models.SERVICE.secret."`
}

// costFile is what calls of an endpoint take.
type costFile struct {
	Endpoint endpoint `yaml:"endpoint" example:"POST /extractions" doc:"The calls that it is for. Absent: all that no other entry is for."`
	Cost     count    `yaml:"cost" min:"1" max:"1000000" default:"1" example:"5" doc:"How much one call takes of each rate limit. A limit that never lets so many pass at once gives all that it lets pass."`
	Uses     amounts  `yaml:"uses" example:"credits=5" doc:"What one call uses of the service's units, always: it counts for quotas and bill, and what the service reports of them does not."`
	Reserve  amounts  `yaml:"reserve" example:"words=500" doc:"What one call takes of quotas on the service's units before it is forwarded. What is reported takes its place, be it more or less. A quota with less left refuses the call."`
}

// filesFile is a directory of files; its path alone stands for it.
type filesFile struct {
	Root      filePath   `yaml:"root" required:"true" example:"./public" doc:"The directory. A relative path starts at the working directory."`
	Index     fileName   `yaml:"index" default:"index.html" doc:"The file that a directory is shown by. A directory without it is nothing; none is ever listed."`
	Fallback  fileName   `yaml:"fallback" example:"index.html" doc:"The file that is given for paths that are no file and whose last part has no dot: the page of an application that has its own routes in the browser. Absent: 404."`
	NotFound  fileName   `yaml:"not_found" example:"404.html" doc:"The page that is given with 404. Absent: the gateway's own, in the form that the client takes."`
	MaxAge    duration   `yaml:"max_age" default:"0s" max:"8760h" doc:"How long browsers and caches may keep what is no page and has no hash in its name, without asking. 0s: they ask each time."`
	Immutable []fileName `yaml:"immutable" example:"assets" doc:"Folders whose files never change under their names, and are kept for a year. Names with a hexadecimal hash are known without it."`
}

func (filesFile) alone() string { return "root" }

// upstreamFile is one upstream; its address alone stands for it.
type upstreamFile struct {
	URL    upstreamURL `yaml:"url" required:"true" example:"http://127.0.0.1:9001" doc:"Scheme, host and port."`
	Weight count       `yaml:"weight" default:"1" min:"0" max:"1000" doc:"Its share of the requests beside the others. 0 drains it: no new clients, and those that a cookie keeps there stay."`
}

func (upstreamFile) alone() string { return "url" }

// delegatedFile says that a foreign proxy forwards; "true" alone stands for it.
type delegatedFile struct {
	Enabled toggle   `yaml:"enabled" default:"true" doc:"false: as if delegated were not there."`
	Settle  toggle   `yaml:"settle" default:"false" doc:"The service, or its proxy, tells afterwards how each request ended (POST /settle). Only then do units, giving back 5xx, and concurrency limits work. false: each request is recorded when it is decided."`
	Within  duration `yaml:"within" default:"60s" min:"1s" max:"24h" doc:"How long a decision waits to be settled. After that the request is listed as unknown in the audit, and not billed."`
}

func (delegatedFile) alone() string { return "enabled" }

type forwardAuthFile struct {
	URL     webURL      `yaml:"url" required:"true" example:"http://127.0.0.1:4180/auth" doc:"What is asked, with GET, the client's fields and X-Forwarded-Method, -Proto, -Host, -Uri and -For."`
	Timeout duration    `yaml:"timeout" default:"5s" min:"10ms" max:"1m" doc:"How long its answer may take."`
	Headers []fieldName `yaml:"headers" example:"Remote-User" doc:"The fields of its answer that the service gets. The same ones from outside are removed."`
	MaxBody size        `yaml:"max_body" default:"64KiB" min:"1KiB" max:"10MB" doc:"The largest body of its answer."`
}

type retryFile struct {
	On     []choice `yaml:"on" default:"connect, lost" oneof:"connect|lost|502|503|504" doc:"After what: connect (no connection, so nothing was sent), lost (the connection ended before an answer), or an answer of that status. An empty list: never."`
	Tries  count    `yaml:"tries" default:"3" min:"1" max:"5" doc:"How many upstreams one request is offered to in all."`
	Budget percent  `yaml:"budget" default:"20%" min:"0%" max:"100%" doc:"How many tries there are beyond the first, in percent of the service's requests, so that a failing service is not hammered. Up to 500 are saved up."`
}

type breakerFile struct {
	Failures count    `yaml:"failures" default:"5" min:"1" max:"10000" doc:"Failures in a row that open it."`
	Ratio    percent  `yaml:"ratio" default:"50%" min:"1%" max:"100%" doc:"Failures that open it, in percent of 20 or more requests within window."`
	Window   duration `yaml:"window" default:"10s" min:"1s" max:"1h" doc:"Over how long the ratio is taken."`
	Open     duration `yaml:"open" default:"1s" min:"100ms" max:"1h" doc:"How long the upstream is left alone the first time; then one request tries it, and it is twice as long when that fails."`
	Longest  duration `yaml:"longest" default:"30s" min:"100ms" max:"24h" doc:"How long it is left alone at most."`
}

type healthFile struct {
	Path      requestPath `yaml:"path" required:"true" example:"/healthz" doc:"What is asked; an answer from 200 to 399 is good."`
	Every     duration    `yaml:"every" default:"5s" min:"100ms" max:"1h" doc:"How often each upstream is asked."`
	Timeout   duration    `yaml:"timeout" default:"2s" min:"10ms" max:"5m" doc:"How long it may take to answer."`
	Healthy   count       `yaml:"healthy" default:"2" min:"1" max:"100" doc:"Good answers in a row that bring an upstream back."`
	Unhealthy count       `yaml:"unhealthy" default:"2" min:"1" max:"100" doc:"Bad answers in a row that take it out."`
}

type timeoutsFile struct {
	Connect  duration `yaml:"connect" default:"5s" max:"10m" doc:"To reach the upstream."`
	Response duration `yaml:"response" default:"60s" max:"24h" doc:"To the head of its answer."`
	Idle     duration `yaml:"idle" default:"120s" max:"24h" doc:"Between two bytes of a body."`
	Body     duration `yaml:"body" default:"30s" max:"24h" doc:"How long a client may be waited for in all while its body comes, and a second more for each 1,000 bytes that came. 0s where a body trickles on purpose."`
	Stream   duration `yaml:"stream" default:"1h" max:"720h" doc:"A whole WebSocket, SSE or upload."`
}

// protectionFile is what a service is protected by.
type protectionFile struct {
	MaxURL            size     `yaml:"max_url" default:"8KiB" min:"256B" max:"60KiB" doc:"The longest path and query of a request, together."`
	Allow             []prefix `yaml:"allow" example:"203.0.113.0/24" doc:"The only clients that may call it: ranges in CIDR form, or single addresses. Absent: all."`
	Deny              []prefix `yaml:"deny" example:"198.51.100.7" doc:"Clients that may not call it, even where allow has them."`
	CORS              corsFile `yaml:"cors" doc:"Which pages of other origins may call it from a browser. Tollhouse answers preflights, without a key and without counting them. Absent: the service answers for itself."`
	SecurityHeaders   toggle   `yaml:"security_headers" default:"false" doc:"Give answers the fields that browsers protect pages by, where the service has not set its own, and take off Server and X-Powered-By."`
	XRateLimitHeaders toggle   `yaml:"x_ratelimit_headers" default:"false" doc:"Tell the tightest limit in X-RateLimit-Limit, -Remaining and -Reset too (Reset in seconds since 1970), beside RateLimit."`
}

type corsFile struct {
	Origins     []origin    `yaml:"origins" required:"true" example:"https://app.example.com" doc:"Whose pages: scheme and host, exact or as https://*.example.com, or * for all."`
	Methods     []choice    `yaml:"methods" default:"GET, HEAD, POST, PUT, PATCH, DELETE" oneof:"GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS" doc:"What they may do."`
	Headers     []fieldName `yaml:"headers" default:"Authorization, Content-Type, X-API-Key" doc:"The fields that they may send."`
	Expose      []fieldName `yaml:"expose" default:"RateLimit, RateLimit-Policy, Retry-After, X-Request-ID" doc:"The fields of answers that they may read."`
	Credentials toggle      `yaml:"credentials" default:"false" doc:"Whether browsers send cookies too. Not together with the origin *."`
	MaxAge      duration    `yaml:"max_age" default:"10m" max:"24h" doc:"How long a browser may keep the answer to a preflight."`
}

type cacheFile struct {
	DefaultTTL duration `yaml:"default_ttl" default:"0s" max:"8760h" doc:"How long to keep answers that do not say. 0s: not at all."`
	MaxSize    size     `yaml:"max_size" default:"64MB" min:"1MB" max:"1000GB" doc:"How much memory the answers of this service may take. What is asked for seldom makes room."`
	MaxObject  size     `yaml:"max_object" default:"1MB" min:"1KB" max:"1GB" doc:"The largest body that is kept; larger ones pass through. At most max_size."`
	Counts     toggle   `yaml:"counts" default:"true" doc:"Whether an answer from the cache counts for quotas and bill."`

	PurgeHooks []purgeHookFile `yaml:"purge_hooks" doc:"Requests that tell a CDN in front what was purged; see caching.md."`
}

type purgeHookFile struct {
	On      []choice         `yaml:"on" required:"true" oneof:"url|prefix|tag|all" example:"tag" doc:"Which purges it is for."`
	URL     hookURL          `yaml:"url" required:"true" example:"https://api.fastly.com/service/SERVICE/purge/{tag}" doc:"Where it goes. In url, body and values of headers {tag}, {url}, {host}, {path} and {prefix} stand for what was purged."`
	Method  hookMethod       `yaml:"method" default:"POST" example:"PURGE" doc:"POST, PURGE, BAN, DELETE or whatever the CDN wants."`
	Headers []hookHeaderFile `yaml:"headers" doc:"Header fields that are sent along, the CDN's key among them."`
	Body    hookBody         `yaml:"body" doc:"What is sent. Values stand in JSON as within a string."`
}

type hookHeaderFile struct {
	Name  fieldName  `yaml:"name" required:"true" example:"Fastly-Key" doc:"The field's name."`
	Value fieldValue `yaml:"value" required:"true" example:"${FASTLY_KEY}" doc:"Its value, best given as ${NAME} or ${file:PATH}. It is never shown."`
}

// limitFile is what limits of services and of plans have in common.
type limitFile struct {
	Name        label  `yaml:"name" required:"true" example:"minute" doc:"Its name in answers and on pages; unique within its plan or service."`
	Rate        rate   `yaml:"rate" example:"10/minute" doc:"How fast: so many per second, minute, hour, or per duration (50/30s). Either this or concurrency."`
	Burst       count  `yaml:"burst" min:"1" max:"1000000000" example:"50" doc:"How many may pass at once. Absent: as many as the rate counts."`
	Concurrency count  `yaml:"concurrency" min:"1" max:"1000000" example:"2" doc:"How many at the same time. Either this or rate."`
	Per         choice `yaml:"per" oneof:"customer|key|ip" example:"ip" doc:"Whom to count apart: customer, key or ip (IPv6 by /64). Absent: customer, and ip where the service is public."`
	Shadow      toggle `yaml:"shadow" default:"false" doc:"Only report, never refuse."`
	Away        choice `yaml:"when_shared_away" oneof:"local-share|open|closed" default:"local-share" doc:"Where replicas share limits and Redis is away: each replica lets its share pass, all pass, or none does (503). Not for limits per ip, which each replica counts for itself."`
}

type serviceLimitFile struct {
	limitFile
	Endpoint endpoint `yaml:"endpoint" example:"POST /extractions" doc:"Only for this endpoint of the service."`
}

type planFile struct {
	Name     text            `yaml:"name" example:"Pro" doc:"What people read. Absent: its name in this file."`
	Includes []label         `yaml:"includes" example:"ner" doc:"The services that its customers may call. To others the answer is 403."`
	Features []label         `yaml:"features" example:"models" doc:"What the services are told in Tollhouse-Features."`
	Price    priceFile       `yaml:"price" doc:"The fee. Absent: free."`
	Limits   []planLimitFile `yaml:"limits" doc:"How fast, and how many at the same time."`
	Months   choice          `yaml:"months" default:"calendar" oneof:"calendar|subscription" doc:"Whose months the plan's monthly quotas and its invoices follow: the calendar's, or each subscription's own, which begin on the day of the month on which it began (the 31st on the last day of a shorter month)."`
	Quotas   []planQuotaFile `yaml:"quotas" doc:"How much."`
	Usage    []usageFile     `yaml:"usage" doc:"What each unit costs. Units that are not named cost nothing."`
	Trial    days            `yaml:"trial" min:"1d" max:"730d" example:"14d" doc:"How long nothing is billed, from when a customer first comes to the plan, in whole days. A customer has one trial."`
	Minimum  decimal         `yaml:"minimum" example:"50.00" doc:"The least that a month costs, in the currency of price; what fees and usage do not reach is a line of its own."`
	SpendCap decimal         `yaml:"spend_cap" example:"500.00" doc:"What a month may cost at most, in the currency of price."`
}

type planLimitFile struct {
	limitFile
	Service  label        `yaml:"service" example:"ner" doc:"Only for calls of this service."`
	Endpoint planEndpoint `yaml:"endpoint" example:"ner POST /extractions" doc:"Only for this endpoint: service, method and path."`
}

// quotaFile is what quotas of services and of plans have in common.
type quotaFile struct {
	Name   label  `yaml:"name" required:"true" example:"monthly" doc:"Its name in answers and on pages; unique within its plan or service."`
	Unit   label  `yaml:"unit" default:"requests" doc:"What is counted: requests, or a unit that an included service reports."`
	Limit  count  `yaml:"limit" required:"true" min:"1" example:"1000" doc:"How much there is in each period."`
	Every  choice `yaml:"every" required:"true" oneof:"day|month" example:"month" doc:"The period, by the calendar of time_zone; a plan's months may be those of each subscription."`
	Per    choice `yaml:"per" oneof:"customer|key|ip" example:"ip" doc:"Whom to count apart: the customer, each of its keys, or each address (ip; IPv6 by /64; by the calendar's months). Absent: customer, and ip where the service is public."`
	Shadow toggle `yaml:"shadow" default:"false" doc:"Only report, never refuse."`
	Away   choice `yaml:"when_shared_away" oneof:"local-share|open|closed" default:"local-share" doc:"Where replicas share limits and Redis is away: each replica lets its share pass, all pass, or none does (503)."`
}

type planQuotaFile struct {
	quotaFile
	Service  label        `yaml:"service" example:"ner" doc:"Only for calls of this service."`
	Endpoint planEndpoint `yaml:"endpoint" example:"ner POST /extractions" doc:"Only for this endpoint: service, method and path."`
}

type serviceQuotaFile struct {
	quotaFile
	Endpoint endpoint `yaml:"endpoint" example:"POST /extractions" doc:"Only for this endpoint of the service."`
}

type priceFile struct {
	Amount   decimal      `yaml:"amount" required:"true" example:"29.00" doc:"The fee in major units, exact."`
	Currency currencyCode `yaml:"currency" example:"USD" doc:"ISO 4217. Needed unless everything is free."`
	Every    choice       `yaml:"every" default:"month" oneof:"month|year" doc:"How often it is due."`
}

type usageFile struct {
	Unit     label      `yaml:"unit" required:"true" example:"words" doc:"requests, or a unit that an included service reports."`
	Included count      `yaml:"included" default:"0" min:"0" doc:"How many cost nothing in each period."`
	Each     decimal    `yaml:"each" example:"0.001" doc:"What each further one costs. Either this or tiers."`
	Package  count      `yaml:"package" min:"1" max:"1000000000000" example:"1000" doc:"each is the price of so many, and of what is begun of the last. Absent: of one."`
	Tiers    []tierFile `yaml:"tiers" doc:"Prices by steps, cheapest or dearest first as you like; each holds for the units up to up_to. Either this or each."`
	Tiering  choice     `yaml:"tiering" default:"graduated" oneof:"graduated|volume" doc:"How tiers are read: each unit costs what its own tier says (graduated), or all cost what the tier says that the month's whole number falls into (volume)."`
}

type tierFile struct {
	UpTo count   `yaml:"up_to" min:"1" example:"1000000" doc:"The last unit of the tier. The last tier has none: it is without end."`
	Each decimal `yaml:"each" required:"true" example:"0.00002" doc:"What each unit of the tier costs."`
}

type addonFile struct {
	Name     text        `yaml:"name" example:"Multilingual" doc:"What people read. Absent: its name in this file."`
	Includes []label     `yaml:"includes" example:"ner" doc:"Services that it adds."`
	Features []label     `yaml:"features" example:"multilingual" doc:"Features that it adds."`
	Price    priceFile   `yaml:"price" doc:"The fee. Absent: free."`
	Included []extraFile `yaml:"included" doc:"Further units of each month that cost nothing, on top of those that the plan's prices include; of a month that had it in part, that part of them."`
}

type extraFile struct {
	Unit  label `yaml:"unit" required:"true" example:"words" doc:"requests, or a unit that a service reports."`
	Count count `yaml:"count" required:"true" min:"1" example:"50000" doc:"How many."`
}

type couponFile struct {
	Name     text         `yaml:"name" example:"Launch offer" doc:"What people read. Absent: its name in this file."`
	Percent  share        `yaml:"percent" example:"20%" doc:"The part of each month's bill that it takes off. Either this or amount."`
	Amount   decimal      `yaml:"amount" example:"10.00" doc:"What it takes off each month's bill, at most all of it. Either this or percent."`
	Currency currencyCode `yaml:"currency" example:"USD" doc:"Of amount."`
	Months   count        `yaml:"months" min:"1" max:"1200" example:"3" doc:"How many months it lasts, from the one in which a customer gets it. Absent: for ever."`
}

type taxFile struct {
	Name      text      `yaml:"name" example:"VAT" doc:"What people read. Absent: its name in this file."`
	Percent   share     `yaml:"percent" required:"true" example:"19%" doc:"How much, 0% to 100%."`
	Countries []country `yaml:"countries" example:"DE" doc:"Whose customers pay it: countries as two letters of ISO 3166. Absent: those of every country that no other rate names."`
	Inclusive toggle    `yaml:"inclusive" default:"false" doc:"Prices hold the tax already. false: it is added."`
}

// named is a mapping from names to values of one type, in the order of the file.
type named[T any] []entry[T]

// entry is one of them.
type entry[T any] struct {
	name  string
	key   *node // where the name stands
	value T
}

// collection is how the decoder and the schema see a named of any type.
type collection interface {
	reserve(n int)                         // makes room; the entries stay where they are afterwards
	add(i int, name string, key *node) any // sets an entry and gives a pointer to its value
	sample() any                           // a pointer to an empty value
}

func (n *named[T]) reserve(size int) { *n = make(named[T], size) }

func (n *named[T]) add(i int, name string, key *node) any {
	e := &(*n)[i]
	e.name, e.key = name, key
	return &e.value
}

func (n *named[T]) sample() any { return new(T) }
