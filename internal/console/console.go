package console

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/assets"
	"github.com/tollhouse/tollhouse/internal/console/words"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Console answers the pages of customers and operators. It is safe for
// concurrent use.
type Console struct {
	o          Options
	assets     *assets.Set
	choice     *words.Choice
	origin     *http.CrossOriginProtection
	once       *once
	ids        *toll.IDs
	pages      *http.ServeMux
	cookieName string
	flashName  string
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
	c := &Console{o: o, origin: http.NewCrossOriginProtection(), once: newOnce(), ids: toll.NewIDs(o.Random)}
	var err error
	if c.assets, err = assets.Load(); err != nil {
		return nil, err
	}
	if c.choice, err = words.NewChoice(o.Languages); err != nil {
		return nil, fmt.Errorf("open the console: %w", err)
	}
	c.cookieName = PlainCookie
	if o.Secure {
		c.cookieName = SecureCookie
	} else if !o.WarnedOfPlainHTTP {
		o.Logger.Warn(PlainHTTP)
	}
	c.flashName = c.cookieName + flashSuffix
	c.pages = c.mux()
	return c, nil
}

// ServeHTTP answers a page or a part of one.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.pages.ServeHTTP(w, r) }

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
	mux.HandleFunc(assets.Prefix, func(w http.ResponseWriter, r *http.Request) {
		guardHeaders(w.Header(), c.o.Secure)
		c.assets.ServeHTTP(w, r)
	})
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

var errMethod = errors.New("method not allowed")

// gate is the door before every route, the same for a page and a part of it:
// who is asking, may they see it, then the handler, then one place where
// answers and errors become HTML.
func (c *Console) gate(r *route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		v := &visit{c: c, w: w, r: req, route: r, now: c.o.Clock()}
		if v.id = w.Header().Get("X-Request-ID"); v.id == "" { // the front's, when there is one
			v.id = c.ids.New(v.now).String()
			w.Header().Set("X-Request-ID", v.id)
		}
		guardHeaders(w.Header(), c.o.Secure)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Vary", vary)
		v.words = c.choice.For("", req.Header.Get("Accept-Language"))
		v.readHTMX()
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
					panic(p)
				}
				c.o.Logger.ErrorContext(req.Context(), "a console page panicked", "request_id", v.id, "route", r.pattern, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				v.fault(errors.New("panic"))
			}
		}()
		a, err := c.enter(v)
		if err != nil {
			v.fault(err)
			return
		}
		v.send(a)
	})
}

// enter passes the gates in their order and calls the handler.
func (c *Console) enter(v *visit) (*answer, error) {
	if err := c.origin.Check(v.r); err != nil {
		return nil, toll.Errorf(toll.Forbidden, "This form was sent from another site. Open the page here and send it again.")
	}
	if err := c.recognise(v); err != nil {
		return nil, err
	}
	switch a := v.route.audience; {
	case a == public:
		return v.route.serve(c, v)
	case !v.signedIn():
		return nil, errSignIn
	case a == member && !v.person.IsMember(), a == operator && !v.person.IsOperator():
		return nil, toll.Errorf(toll.Forbidden, "This page is not for your account.")
	}
	if v.route.action != "" {
		if err := account.Can(v.person, v.route.action, v.customerID()); err != nil {
			return nil, err
		}
	}
	return v.route.serve(c, v)
}

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
	if renewed != nil {
		c.keep(v, *renewed)
	}
	return nil
}

func (c *Console) keep(v *visit, t account.Token) {
	http.SetCookie(v.w, c.cookie(c.cookieName, t.Text.Reveal(), max(1, int(t.ExpiresAt.Sub(v.now)/time.Second))))
}

// parseForm reads a posted form of at most 64 KB.
func (v *visit) parseForm() error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, 64<<10)
	if err := v.r.ParseForm(); err != nil {
		return toll.Errorf(toll.Invalid, "The form could not be read. Open the page again and send it once more.")
	}
	return nil
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
