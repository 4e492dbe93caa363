package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/assets"
	"github.com/tollhouse/tollhouse/internal/console/words"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Console answers the pages of customers and operators. It is safe for
// concurrent use.
type Console struct {
	o          Options
	site       *hx.Site
	assets     *hx.Assets
	release    *hx.Release
	policy     hx.Policy
	flash      *hx.Flash
	once       *hx.Once
	choice     *words.Choice
	origin     *http.CrossOriginProtection
	ids        *toll.IDs
	pages      *http.ServeMux
	handler    http.Handler // pages with what surrounds them
	cookieName string
}

// PlainHTTP is what those who run a console without HTTPS are to be told.
const PlainHTTP = "the console is served over plain HTTP: whoever can read the traffic can read passwords and sessions; use HTTPS for anything but a trial"

// New opens a console. What is missing or wrong in the options is an error. On
// plain HTTP it says once, in the log, that cookies can be read on the way.
func New(o Options) (*Console, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = toll.SystemClock
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	c := &Console{o: o, origin: http.NewCrossOriginProtection(), ids: toll.NewIDs(o.Random)}
	var err error
	if c.choice, err = words.NewChoice(o.Languages); err != nil {
		return nil, fmt.Errorf("open the console: %w", err)
	}
	if err := c.furnish(); err != nil {
		return nil, fmt.Errorf("open the console: %w", err)
	}
	c.cookieName = PlainCookie
	if o.Secure {
		c.cookieName = SecureCookie
	} else if !o.WarnedOfPlainHTTP {
		o.Logger.Warn(PlainHTTP)
	}
	c.pages = c.mux()
	c.handler = c.guards(compress(c.release.Handler(c.pages)))
	return c, nil
}

// How long a form's token is remembered, and how long its answer is given
// again: long enough for a double click and an impatient reload, short for what
// may hold a key's text. It is in memory: after a restart a form that is sent
// again counts as new.
const (
	rememberToken  = 24 * time.Hour
	rememberAnswer = 2 * time.Minute
	mostTokens     = 10_000
	mostAnswers    = 16 << 20 // bytes, of all together
)

// furnish sets up what hx does for the console.
func (c *Console) furnish() (err error) {
	if c.assets, err = assets.Load(); err != nil {
		return err
	}
	if c.release, err = hx.NewRelease(cmp.Or(c.o.Version, "unknown") + "+" + c.assets.Version()[:8]); err != nil {
		return err
	}
	if c.policy, err = hx.NewPolicy(nil, c.assets); err != nil {
		return err
	}
	if c.flash, err = newFlash(c.o); err != nil {
		return err
	}
	c.site, err = hx.New(hx.Options{
		Layout: func(r *http.Request, title string, content hx.Renderer) hx.Renderer {
			return page(visitOf(r), title, content)
		},
		Fault: c.fault, Explain: explain, SignIn: "/sign-in",
		Cache: hx.NoStore, Logger: c.o.Logger, // after signing out, Back shows nothing
	})
	if err != nil {
		return err
	}
	c.once, err = hx.NewOnce(c.site, hx.OnceOptions{
		Store:    hx.NewMemoryOnce(mostTokens, mostAnswers, c.o.Clock),
		Who:      func(r *http.Request) string { return visitOf(r).person.SessionID },
		Remember: rememberToken, Repeat: rememberAnswer, MostForm: mostForm,
	})
	return err
}

// ServeHTTP answers a page or a part of one.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// Has tells whether the console has anything at a request's path, whoever asks.
// A front asks it before it gives a program an HTML page for a wrong address.
func (c *Console) Has(r *http.Request) bool {
	_, pattern := c.pages.Handler(r)
	return pattern != "" && pattern != "/"
}

func (c *Console) mux() *http.ServeMux {
	mux := http.NewServeMux()
	paths := map[string][]string{} // methods by pattern
	for _, r := range c.routes() {
		mux.Handle(r.method+" "+r.pattern, c.gate(&r))
		paths[r.pattern] = append(paths[r.pattern], r.method)
	}
	for pattern, methods := range paths { // the methods that a path does not have
		mux.Handle(pattern, c.gate(&route{pattern: pattern, audience: public, serve: wrongMethod(methods)}))
	}
	mux.Handle("/", c.gate(&route{pattern: "/", audience: public, serve: nowhere}))
	mux.Handle(assets.Prefix, c.assets)
	mux.Handle("GET /version.json", c.release) // open pages learn of a new version by it
	return mux
}

func nowhere(*Console, *visit) (*answer, error) {
	return nil, toll.Errorf(toll.NotFound, "There is no such page.")
}

func wrongMethod(methods []string) func(*Console, *visit) (*answer, error) {
	if slices.Contains(methods, "GET") {
		methods = append([]string{"HEAD"}, methods...)
	}
	slices.Sort(methods)
	allow := strings.Join(methods, ", ")
	return func(_ *Console, v *visit) (*answer, error) {
		v.w.Header().Set("Allow", allow)
		return nil, errMethod
	}
}

// patience is how long a page waits for a database that says nothing.
const patience = 20 * time.Second

// gate is the door before every route, the same for a page and a part of it:
// who is asking, may they see it, was this form done before, then the handler,
// whose answers and errors hx makes HTML of.
func (c *Console) gate(r *route) http.Handler {
	inside := c.site.Handler(func(w http.ResponseWriter, req *http.Request) (hx.Answer, error) {
		v := visitOf(req)
		v.w, v.r = w, req
		a, err := r.serve(c, v)
		if err != nil {
			return hx.Answer{}, err
		}
		return v.send(a)
	})
	if r.once {
		inside = c.once.Handler(inside)
	}
	door := c.site.Guard(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := c.enter(visitOf(req)); errors.Is(err, errTwoFactors) {
			c.site.Redirect(w, req, "/account")
			return
		} else if err != nil {
			c.site.Fail(w, req, err)
			return
		}
		inside.ServeHTTP(w, req)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		v := &visit{c: c, w: w, route: r, now: c.o.Clock()}
		if v.id = w.Header().Get("X-Request-ID"); v.id == "" { // the front's, when there is one
			v.id = c.ids.New(v.now).String()
			w.Header().Set("X-Request-ID", v.id)
		}
		w.Header().Set("Vary", "Cookie, Accept-Language, Accept-Encoding")
		v.words = c.choice.For("", req.Header.Get("Accept-Language"))
		if !r.takesLong() { // a download takes as long as it takes
			ctx, cancel := context.WithTimeout(req.Context(), patience)
			defer cancel()
			req = req.WithContext(ctx)
		}
		req = req.WithContext(account.WithOrigin(req.Context(), account.Origin{Way: toll.WayConsole, IP: c.clientAddr(req), RequestID: v.id}))
		door.ServeHTTP(w, v.begin(req))
	})
}

// enter passes the gates in their order.
func (c *Console) enter(v *visit) error {
	if err := c.origin.Check(v.r); err != nil {
		return toll.Errorf(toll.Forbidden, "This form was sent from another site. Open the page here and send it again.")
	}
	if err := c.recognise(v); err != nil {
		return err
	}
	switch a := v.route.audience; {
	case a == public:
		return nil
	case !v.signedIn():
		return errSignIn
	case c.weak(v.person) && !v.route.beforeTwoFactors():
		return errTwoFactors
	case a == member && !v.person.IsMember(), a == operator && !v.person.IsOperator():
		return toll.Errorf(toll.Forbidden, "This page is not for your account.")
	case v.route.action != "":
		err := account.Can(v.person, v.route.action, v.customerID())
		if err != nil {
			c.o.Refusals.Note(v.r.Context(), v.person, v.route.action, v.customerID(), v.r.PathValue("key"), v.now)
		}
		return err
	}
	return nil
}

// errTwoFactors leads to where a second factor is set up.
var errTwoFactors = toll.Errorf(toll.Forbidden, "Set up a second factor first, on your account page.")

var errSignIn = toll.Errorf(toll.Unauthorized, "Sign in first.")

// recognise reads who is asking from the cookie, and renews it when it is time.
// A cookie that proves nothing is nobody; a store that does not answer is an error.
func (c *Console) recognise(v *visit) error {
	ck, err := v.r.Cookie(c.cookieName)
	if err != nil || ck.Value == "" {
		return nil
	}
	p, renewed, err := c.o.Sessions.Authenticate(v.r.Context(), ck.Value)
	switch {
	case toll.CodeOf(err) == toll.Unauthorized:
		http.SetCookie(v.w, c.cookie(c.cookieName, "", -1))
		return nil
	case err != nil:
		return fmt.Errorf("read the session: %w", err)
	}
	v.person = p
	v.words = c.choice.For(p.Language, v.r.Header.Get("Accept-Language"))
	c.zoned(v)
	if renewed != nil {
		c.keep(v, *renewed)
	}
	return nil
}

func (c *Console) keep(v *visit, t account.Token) {
	http.SetCookie(v.w, c.cookie(c.cookieName, t.Text.Reveal(), max(1, int(t.ExpiresAt.Sub(v.now)/time.Second))))
}

// mostForm is the largest form that is taken, in bytes.
const mostForm = 64 << 10

// parseForm reads a posted form that hx.Once has not read already.
func (v *visit) parseForm() error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, mostForm)
	err := v.r.ParseForm()
	var big *http.MaxBytesError
	if err != nil && !errors.As(err, &big) {
		return toll.Errorf(toll.Invalid, "The form could not be read. Open the page again and send it once more.")
	}
	return err
}

// home leads to the first page of whoever is asking.
func (c *Console) home(v *visit) (*answer, error) { return &answer{to: homeOf(v.person)}, nil }

func homeOf(p account.Person) string {
	switch {
	case p.IsMember():
		return "/overview"
	case p.IsOperator():
		return "/customers"
	}
	return "/sign-in"
}
